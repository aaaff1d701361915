//! The end of a log: after the exit is known, what is not stored yet is read without following,
//! and the log is sealed. "The stream ended" is never taken for the end.

use std::sync::Arc;

use futures_util::StreamExt as _;
use gofer_core::ids::AttemptKey;
use gofer_core::log::{Follow, LogState, LogSummary};
use gofer_core::ports::driver::{DriverError, Handle};
use gofer_logs::{End, LogError, LogPath, LogReader, LogWriter};

use crate::engine::Shared;
use crate::engine_state::is_unreachable;
use crate::limits::{FULL_BACKOFF, LOG_AGAIN_AFTER, LOG_TRIES_MAX};

use super::pump::in_chunks;

/// What is to be stored.
pub(crate) struct Rest<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) key: &'a AttemptKey,
    pub(crate) path: LogPath,
}

/// Where the rest of a log is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ending<'a> {
    /// In this container.
    ReadFrom(&'a Handle),
    /// Nowhere: the container is gone, or never was.
    EngineHasNone,
}

/// A rest that could not be taken over, and what to write into the log about it.
enum Lost {
    Nothing,
    Some(String),
}

impl Rest<'_> {
    /// Stores what is left and seals the log.
    pub(crate) async fn store(&self, ending: Ending<'_>) -> Result<LogSummary, LogError> {
        if matches!(ending, Ending::EngineHasNone) && LogReader::open(&self.path)?.is_none() {
            return Ok(LogSummary { state: LogState::None, bytes: 0, lines: 0 });
        }
        let mut writer = self.open().await?;
        if writer.is_sealed() {
            return Ok(writer.progress().summary());
        }
        let lost = match ending {
            Ending::ReadFrom(handle) => self.read_rest(&mut writer, handle).await?,
            Ending::EngineHasNone => {
                Lost::Some("the container was gone before its log was read to the end".to_owned())
            }
        };
        let end = match lost {
            Lost::Nothing => End::Whole,
            Lost::Some(why) => End::Truncated(why),
        };
        let summary = self.seal(&mut writer, &end).await?;
        self.shared.logs.board.publish(self.key, writer.progress());
        Ok(summary)
    }

    /// Opens the writer. The pump's, told to end, may hold the log for a moment longer.
    async fn open(&self) -> Result<LogWriter, LogError> {
        let mut n_tries = 0;
        loop {
            match LogWriter::open(&self.path) {
                Err(error) if n_tries < LOG_TRIES_MAX && is_passing(&error) => {
                    n_tries += 1;
                    tokio::time::sleep(LOG_AGAIN_AFTER).await;
                }
                opened => return opened,
            }
        }
    }

    async fn read_rest(&self, writer: &mut LogWriter, handle: &Handle) -> Result<Lost, LogError> {
        let mut n_tries = 0;
        loop {
            match self.read_once(writer, handle).await? {
                Ok(lost) => return Ok(lost),
                Err(error) if is_unreachable(&error) => {
                    self.shared.engine_is_unknown(&error);
                    self.shared.engine.back_off(n_tries).await;
                    n_tries += 1;
                }
                Err(error) => {
                    return Ok(Lost::Some(format!("the engine did not give the rest: {error}")));
                }
            }
        }
    }

    async fn read_once(
        &self,
        writer: &mut LogWriter,
        handle: &Handle,
    ) -> Result<Result<Lost, DriverError>, LogError> {
        let cursor = writer.resume_cursor()?;
        let mut chunks = in_chunks(self.shared.driver.logs(handle, cursor, Follow::No));
        while let Some((frames, error)) = chunks.next().await {
            if !frames.is_empty() && !self.append(writer, &frames).await? {
                return Ok(Ok(Lost::Some("the disk was full".to_owned())));
            }
            if let Some(error) = error {
                return Ok(Err(error));
            }
        }
        Ok(Ok(Lost::Nothing))
    }

    /// Appends; false where the disk stayed full for too long.
    async fn append(
        &self,
        writer: &mut LogWriter,
        frames: &[gofer_core::log::Frame],
    ) -> Result<bool, LogError> {
        for _ in 0..LOG_TRIES_MAX {
            match writer.append(frames) {
                Ok(progress) => {
                    self.shared.logs.board.publish(self.key, progress);
                    return Ok(true);
                }
                Err(error) if error.is_no_space() => tokio::time::sleep(FULL_BACKOFF).await,
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    async fn seal(&self, writer: &mut LogWriter, end: &End) -> Result<LogSummary, LogError> {
        let mut n_tries = 0;
        loop {
            match writer.seal(end.clone()) {
                Err(error) if error.is_no_space() && n_tries < LOG_TRIES_MAX => {
                    n_tries += 1;
                    tokio::time::sleep(FULL_BACKOFF).await;
                }
                sealed => return sealed,
            }
        }
    }
}

/// Whether a log may be opened a little later.
fn is_passing(error: &LogError) -> bool {
    error.is_no_space() || matches!(error, LogError::Busy { .. })
}
