//! An archive on its way to the server. A thread makes it, since files block; the client sends what
//! the thread has, and a thread whose bytes nobody wants any more stops at its next write. The server
//! takes an archive as whole only when it was told so, which the thread does last.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gofer_client::model::Image;
use gofer_client::{ImportImages, Piece};
use tokio::sync::mpsc;

use crate::context::Context;
use crate::failure::Failure;
use crate::look::bytes;

/// Pieces that wait to be sent, and the bytes of each.
const PIECES_MAX: usize = 4;
const PIECE_BYTES: usize = 1024 * 1024;
/// How often a person is told how far it is.
const TELL_EVERY: Duration = Duration::from_millis(300);

/// Sends what `write` writes; gives the images that came of it, and what `write` gave.
pub(super) async fn archive<T: Send + 'static>(
    context: &mut Context,
    name: Option<String>,
    write: impl FnOnce(&mut dyn Write) -> Result<T, Failure> + Send + 'static,
) -> Result<(Vec<Image>, T), Failure> {
    let client = context.client()?;
    let (pieces, incoming) = mpsc::channel(PIECES_MAX);
    let n_bytes = Arc::new(AtomicU64::new(0));
    let pipe = Pipe { pieces, n_bytes: Arc::clone(&n_bytes) };
    let writing = tokio::task::spawn_blocking(move || whole(pipe, write));
    let mut sending = std::pin::pin!(client.import_images(ImportImages { name, pieces: incoming }));
    let mut tell = tokio::time::interval(TELL_EVERY);
    tell.tick().await;
    let sent = loop {
        tokio::select! {
            sent = &mut sending => break sent,
            _ = tell.tick() => {
                let n_bytes = n_bytes.load(Ordering::Relaxed);
                context.out.progress(&format!("sending the archive  {}", bytes(n_bytes)));
            }
        }
    };
    context.out.progress_ends();
    match sent {
        // Only then is the thread at its end: before it, it may wait for its input.
        Ok(images) => Ok((images, joined(writing.await)?)),
        Err(error) if error.reason == CUT => {
            joined(writing.await)?;
            Err(error.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// The reason word of an archive whose maker gave up: what it says is the cause.
const CUT: &str = "ARCHIVE_CUT";

fn joined<T>(ended: Result<Result<T, Failure>, tokio::task::JoinError>) -> Result<T, Failure> {
    ended.unwrap_or_else(|error| Err(Failure::internal("make the archive", &error)))
}

/// Writes the archive to its end, and says that it is whole.
fn whole<T>(
    pipe: Pipe,
    write: impl FnOnce(&mut dyn Write) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let pieces = pipe.pieces.clone();
    let mut out = BufWriter::with_capacity(PIECE_BYTES, pipe);
    let written = write(&mut out)?;
    let ended = out.flush().and_then(|()| pieces.blocking_send(Piece::End).map_err(|_gone| gone()));
    ended.map_err(|error| Failure::internal("send the archive", &error))?;
    Ok(written)
}

/// Sends what is written.
struct Pipe {
    pieces: mpsc::Sender<Piece>,
    n_bytes: Arc<AtomicU64>,
}

impl Write for Pipe {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let piece = Piece::Data(data.to_vec().into());
        self.pieces.blocking_send(piece).map_err(|_gone| gone())?;
        self.n_bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn gone() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}
