//! A stored log as bytes, stream by stream: the order between the two is the engine's to choose.

use anyhow::{Result, ensure};
use gofer_client::model::{LogState, LogStream, TaskRunRef};
use gofer_client::{Client, LogStart, ReadLog};

/// What an attempt wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Streams {
    /// To standard output.
    pub out: Vec<u8>,
    /// To standard error.
    pub err: Vec<u8>,
}

/// Reads the whole log of an attempt, page by page.
///
/// # Errors
/// Where the server refuses, or the pages do not fit together.
pub async fn read(
    client: &Client,
    task_run: &TaskRunRef,
    attempt: u32,
) -> Result<(Streams, LogState)> {
    let (mut streams, mut start, mut n_bytes) = (Streams::default(), LogStart::First, 0);
    loop {
        let (task_run, attempt) = (task_run.clone(), Some(attempt));
        let read = ReadLog { task_run, attempt, start, max_lines: None };
        let page = client.read_log(&read).await?;
        for frame in &page.frames {
            let stream = match frame.stream {
                LogStream::Stdout => &mut streams.out,
                LogStream::Stderr => &mut streams.err,
                LogStream::Unknown => anyhow::bail!("a frame of no stream: {frame:?}"),
            };
            stream.extend_from_slice(&frame.data);
            n_bytes += frame.data.len();
        }
        let Some(cursor) = page.cursor.filter(|_| !page.frames.is_empty()) else {
            ensure!(n_bytes as u64 == page.total_bytes, "{n_bytes} of {} bytes", page.total_bytes);
            return Ok((streams, page.state));
        };
        start = LogStart::Cursor(cursor);
    }
}

/// Says where two texts part.
#[must_use]
pub fn difference(got: &[u8], want: &[u8]) -> Option<String> {
    if got == want {
        return None;
    }
    let same = got.iter().zip(want).take_while(|(a, b)| a == b).count();
    let shown = |bytes: &[u8]| {
        let from = same.saturating_sub(20).min(bytes.len());
        String::from_utf8_lossy(&bytes[from..bytes.len().min(same + 60)]).into_owned()
    };
    let (n_got, n_want) = (got.len(), want.len());
    Some(format!(
        "{n_got} bytes for {n_want}, the same up to {same}: got {:?}, wanted {:?}",
        shown(got),
        shown(want)
    ))
}
