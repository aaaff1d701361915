//! One blob: from the registry's stream to a file of the store. A thread for blocking work hashes
//! and writes, this side reads the network; between them stands a short queue.
//!
//! ```text
//!  seat ─> open ─> ask from byte n ─> stream ─> queue ─> thread: hash, write ─> finish: digest
//!            ▲           ▲                                          │
//!            │           └───── cut: ask for the rest ◄─────────────┤
//!            └──── wrong, and begun by an earlier pull: anew ◄──────┘
//! ```
//!
//! Dropped at any point it leaves what came for the next one, and nothing that was not checked ever
//! gets a place in the store.

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use gofer_core::ports::driver::{DriverError, FaultKind};
use gofer_images::{BlobWriter, Descriptor, ErrorKind, ImageError, Store};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::flights::Flights;
use super::judge::Judge;
use super::limits;
use super::registry::{Answer, Registry};
use super::tally::Tally;

/// Who fetches which blob in this process.
static BLOBS: Flights = Flights::new();

/// What fetching a blob needs.
pub(super) struct Source<'a> {
    pub(super) store: &'a Store,
    pub(super) registry: &'a Registry<'a>,
    pub(super) judge: &'a Judge<'a>,
    pub(super) tally: &'a Tally<'a>,
}

impl Source<'_> {
    /// Sees to it that the store has the blob.
    pub(super) async fn fetch(&self, blob: &Descriptor) -> Result<(), DriverError> {
        let seat = BLOBS.board(blob.digest.clone()).await;
        let seat = seat.map_err(|fault| self.judge.shared("its layer", &fault))?;
        let fetched = self.fetch_alone(blob).await;
        seat.landed(fetched)
    }

    async fn fetch_alone(&self, blob: &Descriptor) -> Result<(), DriverError> {
        let mut writer = self.open(blob).await?;
        if writer.written() > 0 {
            writer = self.fill(blob, writer).await?;
            match finish(self.judge, writer).await? {
                // What an earlier pull left may have been the wrong part.
                Err(error) if error.kind == ErrorKind::Damaged => writer = self.open(blob).await?,
                Err(error) => return Err(self.judge.store(&error)),
                Ok(()) => return Ok(()),
            }
        }
        let writer = self.fill(blob, writer).await?;
        finish(self.judge, writer).await?.map_err(|error| self.judge.content(&error))
    }

    /// Waits for other processes that write the same.
    async fn open(&self, blob: &Descriptor) -> Result<BlobWriter, DriverError> {
        let (store, digest, size) = (self.store.clone(), blob.digest.clone(), blob.size);
        let opened = spawn_blocking(move || store.blob(&digest, size)).await;
        let writer = opened
            .map_err(|error| self.judge.lost(&error))?
            .map_err(|error| self.judge.store(&error))?;
        self.tally.reached(&blob.digest, writer.written());
        Ok(writer)
    }

    /// Goes on until all is written, over so many cuts.
    async fn fill(
        &self,
        blob: &Descriptor,
        mut writer: BlobWriter,
    ) -> Result<BlobWriter, DriverError> {
        let mut n_cuts = 0;
        while writer.written() < blob.size {
            let before = writer.written();
            let cut = match self.registry.blob(blob, before).await {
                Ok(answer) => {
                    let (now, cut) = self.take(blob, writer, answer).await?;
                    writer = now;
                    cut
                }
                Err(fault) => Some(fault),
            };
            let Some(fault) = cut else { continue };
            let is_worth_it = fault.kind == FaultKind::Image && fault.retryable;
            let brought = writer.written().saturating_sub(before);
            n_cuts = if brought >= limits::CUT_PROGRESS_BYTES { 0 } else { n_cuts + 1 };
            if writer.written() < blob.size && (!is_worth_it || n_cuts > limits::CUTS_MAX) {
                return Err(fault);
            }
            tracing::debug!(digest = %blob.digest, at = writer.written(), %fault, "a transfer was cut");
            tokio::time::sleep(pause(n_cuts)).await;
        }
        Ok(writer)
    }

    /// Takes one answer to its end; a fault beside the writer says that it was cut.
    async fn take(
        &self,
        blob: &Descriptor,
        writer: BlobWriter,
        answer: Answer,
    ) -> Result<(BlobWriter, Option<DriverError>), DriverError> {
        let Answer { from, mut stream } = answer;
        let (queue, pieces) = mpsc::channel(limits::PIECES_WAITING_MAX);
        let thread = spawn_blocking(move || write(writer, from, pieces));
        let mut at = from;
        let mut cut = None;
        while let Some(piece) = stream.next().await {
            let piece = match piece {
                Ok(piece) => piece,
                Err(error) => {
                    cut = Some(self.judge.cut(&error));
                    break;
                }
            };
            at = at.saturating_add(piece.len() as u64);
            if queue.send(piece).await.is_err() {
                break; // the thread met a fault, and gives it back below
            }
            self.tally.reached(&blob.digest, at);
        }
        drop(queue);
        let (writer, written) = thread.await.map_err(|error| self.judge.lost(&error))?;
        written.map_err(|error| self.judge.content(&error))?;
        let early = writer.written() < blob.size;
        let early = early.then(|| self.judge.damaged(&format!("{} ended too early", blob.digest)));
        Ok((writer, cut.or(early)))
    }
}

/// Writes what comes until the queue is closed.
fn write(
    mut writer: BlobWriter,
    from: u64,
    mut pieces: mpsc::Receiver<Bytes>,
) -> (BlobWriter, Result<(), ImageError>) {
    let mut write_all = || {
        if writer.written() != from {
            writer.restart()?; // the registry began at the beginning
        }
        while let Some(piece) = pieces.blocking_recv() {
            if let Err(error) = writer.write_all(&piece) {
                let error = ImageError::from(error);
                if error.kind == ErrorKind::Damaged {
                    writer.restart()?; // more than was promised: none of it is to be trusted
                }
                return Err(error);
            }
        }
        Ok(())
    };
    let written = write_all();
    (writer, written)
}

async fn finish(
    judge: &Judge<'_>,
    writer: BlobWriter,
) -> Result<Result<(), ImageError>, DriverError> {
    spawn_blocking(move || writer.finish()).await.map_err(|error| judge.lost(&error))
}

fn pause(n_cuts: u32) -> Duration {
    let doubled = 1u32.checked_shl(n_cuts.saturating_sub(1)).unwrap_or(u32::MAX);
    limits::CUT_PAUSE.saturating_mul(doubled)
}
