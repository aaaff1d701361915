//! The pump: copies what a running container writes into its file while it writes, so that it can
//! be followed. It need not be complete: whatever it leaves out, [`super::Rest`] reads after the
//! exit. It must not be wrong: it goes on exactly where the file ends.

use std::sync::Arc;

use futures_util::StreamExt as _;
use gofer_core::ids::AttemptKey;
use gofer_core::log::{Follow, Frame};
use gofer_core::ports::driver::{DriverError, DriverStream, Handle};
use gofer_logs::{LogError, LogPath, LogWriter};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::engine::Shared;
use crate::engine_state::is_unreachable;
use crate::failpoint;
use crate::limits::{FOLLOW_IDLE_MAX, FULL_BACKOFF, PUMP_FRAMES_MAX};
use crate::tasks::TaskKind;

/// A running pump.
#[derive(Debug)]
pub(crate) struct Pump {
    give_up: CancellationToken,
    /// Frames copied so far; closed when the pump has ended.
    copied: watch::Receiver<u64>,
}

impl Pump {
    /// Starts to copy.
    pub(crate) fn follow(
        shared: &Arc<Shared>,
        key: &AttemptKey,
        path: LogPath,
        handle: Handle,
    ) -> Self {
        let give_up = CancellationToken::new();
        let (tell, copied) = watch::channel(0);
        let work = Copying { shared: Arc::clone(shared), key: key.clone(), path, handle, tell };
        let (stop, enough) = (shared.tasks.stop(TaskKind::Pump).clone(), give_up.clone());
        shared.tasks.spawn(TaskKind::Pump, format!("log of {key}"), async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = enough.cancelled() => {}
                () = work.copy() => {}
            }
        });
        Self { give_up, copied }
    }

    /// Whether it copies no more, for whatever reason.
    pub(crate) fn has_ended(&self) -> bool {
        self.copied.has_changed().is_err()
    }

    /// The container has ended: waits until the pump has copied what there is. One that gets
    /// nothing for a while is ended; the rest is then read from where it stopped.
    pub(crate) async fn wait_for_the_end(mut self) {
        loop {
            match tokio::time::timeout(FOLLOW_IDLE_MAX, self.copied.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_ended)) => return,
                Err(_idle) => self.give_up.cancel(),
            }
        }
    }
}

struct Copying {
    shared: Arc<Shared>,
    key: AttemptKey,
    path: LogPath,
    handle: Handle,
    tell: watch::Sender<u64>,
}

impl Copying {
    async fn copy(self) {
        let mut writer = match LogWriter::open(&self.path) {
            Ok(writer) if writer.is_sealed() => return,
            Ok(writer) => writer,
            Err(error) => {
                tracing::error!(attempt = %self.key, %error, "could not open a log for writing");
                return;
            }
        };
        self.shared.logs.board.publish(&self.key, writer.progress());
        let mut n_tries = 0;
        loop {
            let end = self.copy_stream(&mut writer, &mut n_tries).await;
            match end {
                StreamEnd::Done => return,
                StreamEnd::Unreachable(error) => {
                    self.shared.engine_is_unknown(&error);
                    self.shared.engine.back_off(n_tries).await;
                    n_tries += 1;
                }
                StreamEnd::Broken(why) => {
                    tracing::warn!(attempt = %self.key, why, "a log could not be followed; it will be read after the exit");
                    return;
                }
            }
        }
    }

    async fn copy_stream(&self, writer: &mut LogWriter, n_tries: &mut u32) -> StreamEnd {
        let cursor = match writer.resume_cursor() {
            Ok(cursor) => cursor,
            Err(error) => return StreamEnd::Broken(error.to_string()),
        };
        let stream = self.shared.driver.logs(&self.handle, cursor, Follow::Yes);
        let mut chunks = stream.ready_chunks(PUMP_FRAMES_MAX);
        while let Some(chunk) = chunks.next().await {
            let (frames, error) = split(chunk);
            if !frames.is_empty() {
                *n_tries = 0;
                if let Err(error) = self.append(writer, &frames).await {
                    return StreamEnd::Broken(error.to_string());
                }
            }
            match error {
                None => {}
                Some(error) if is_unreachable(&error) => return StreamEnd::Unreachable(error),
                Some(error) => return StreamEnd::Broken(error.message),
            }
        }
        StreamEnd::Done
    }

    /// Appends; waits for room on a full disk. Appending goes to the page cache and takes
    /// microseconds, so it is done here and not on the blocking pool.
    async fn append(&self, writer: &mut LogWriter, frames: &[Frame]) -> Result<(), LogError> {
        loop {
            match writer.append(frames) {
                Ok(progress) => {
                    failpoint::hit("log.appended");
                    self.shared.logs.board.publish(&self.key, progress);
                    self.tell.send_replace(progress.frames);
                    return Ok(());
                }
                Err(error) if error.is_no_space() => {
                    tracing::warn!(attempt = %self.key, "the disk is full; a log waits for room");
                    tokio::time::sleep(FULL_BACKOFF).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

enum StreamEnd {
    Done,
    Unreachable(DriverError),
    Broken(String),
}

/// The frames before the first error, and the error.
fn split(chunk: Vec<Result<Frame, DriverError>>) -> (Vec<Frame>, Option<DriverError>) {
    let mut frames = Vec::with_capacity(chunk.len());
    for item in chunk {
        match item {
            Ok(frame) => frames.push(frame),
            Err(error) => return (frames, Some(error)),
        }
    }
    (frames, None)
}

/// Reads a stream of frames in chunks.
pub(super) fn in_chunks(
    stream: DriverStream<Frame>,
) -> impl futures_util::Stream<Item = (Vec<Frame>, Option<DriverError>)> + Unpin {
    stream.ready_chunks(PUMP_FRAMES_MAX).map(split)
}
