//! A container's output, frame by frame, exactly as it was written. The engine puts its time in
//! front of each frame; it is taken off here. A line above 16 KiB comes as several frames, see
//! [`crate::mend`].

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::LogsOptionsBuilder;
use bytes::Bytes;
use futures_util::{StreamExt, future, stream};
use gofer_core::log::{Cursor, Follow, Frame, Stream};
use gofer_core::ports::driver::{DriverError, DriverStream, FaultKind, Handle};

use crate::client::Client;
use crate::mend::Mend;
use crate::{clock, fault};

const NS_PER_S: i64 = 1_000_000_000;

pub(crate) fn logs(
    client: Client,
    handle: Handle,
    cursor: Cursor,
    follow: Follow,
) -> DriverStream<Frame> {
    let tried = format!("read the log of {}", handle.key);
    let opened = async move {
        let docker = client.ready().await?;
        let options = LogsOptionsBuilder::default()
            .follow(follow == Follow::Yes)
            .stdout(true)
            .stderr(true)
            .timestamps(true)
            // Only a bound that saves reading: the exact one is ours below. Past 2038 it is 0.
            .since(i32::try_from(cursor.since_s).unwrap_or(0))
            .tail("all")
            .build();
        let outputs = docker.logs(&handle.id, Some(options));
        let mut mend = Mend::default();
        Ok(outputs.flat_map(move |output| {
            // Before the cursor counts: what is put back is a frame like any other.
            let (frame, fault) = match frame_of(&tried, output) {
                Ok(frame) => (Some(frame), None),
                Err(fault) => (None, Some(Err(fault))),
            };
            let mended = frame.into_iter().flat_map(|frame| mend.mend(frame)).map(Ok);
            stream::iter(mended.chain(fault).collect::<Vec<_>>())
        }))
    };
    let frames = stream::once(opened).flat_map(|opened| match opened {
        Ok(frames) => frames.boxed(),
        Err(fault) => stream::once(future::ready(Err(fault))).boxed(),
    });
    Box::pin(after(frames, cursor))
}

/// Leaves out what the cursor covers, and ends at the first fault: what follows it has a gap.
fn after(
    frames: impl futures_util::Stream<Item = Result<Frame, DriverError>> + Send + 'static,
    cursor: Cursor,
) -> impl futures_util::Stream<Item = Result<Frame, DriverError>> + Send + 'static {
    let since_ns = cursor.since_s.saturating_mul(NS_PER_S);
    let mut left = cursor.skip;
    let mut broken = false;
    frames
        .take_while(move |item| {
            let go_on = !broken;
            broken = item.is_err();
            future::ready(go_on)
        })
        .filter(move |item| {
            let wanted = match item {
                Ok(frame) if frame.time_ns < since_ns => false,
                Ok(_) if left > 0 => {
                    left -= 1;
                    false
                }
                Ok(_) | Err(_) => true,
            };
            future::ready(wanted)
        })
}

fn frame_of(tried: &str, output: Result<LogOutput, Error>) -> Result<Frame, DriverError> {
    let broken =
        |why: &str| DriverError::new(FaultKind::Engine, format!("could not {tried}: {why}"));
    let (stream, message) = match output.map_err(|error| fault::of_call(tried, &error))? {
        LogOutput::StdOut { message } => (Stream::Stdout, message),
        LogOutput::StdErr { message } => (Stream::Stderr, message),
        // The engine's own word on a log that it cannot read further, or half a frame at the end.
        LogOutput::Console { message } | LogOutput::StdIn { message } => {
            return Err(broken(String::from_utf8_lossy(&message).trim()));
        }
    };
    let (time_ns, data) = split_time(&message).ok_or_else(|| broken("a frame carries no time"))?;
    Ok(Frame { stream, time_ns, data })
}

fn split_time(message: &Bytes) -> Option<(i64, Bytes)> {
    let n_time = message.iter().position(|byte| *byte == b' ')?;
    let (time, _) = message.split_at_checked(n_time)?;
    Some((clock::parse_ns(time)?, message.slice(n_time + 1..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(time_ns: i64, text: &'static str) -> Result<Frame, DriverError> {
        Ok(Frame { stream: Stream::Stdout, time_ns, data: Bytes::from_static(text.as_bytes()) })
    }

    async fn read(frames: Vec<Result<Frame, DriverError>>, cursor: Cursor) -> Vec<Option<Bytes>> {
        let got = after(stream::iter(frames), cursor).collect::<Vec<_>>().await;
        got.into_iter().map(|item| item.ok().map(|frame| frame.data)).collect()
    }

    #[test]
    fn the_time_is_taken_off_and_the_bytes_stay() {
        let message = Bytes::from_static(b"1970-01-01T00:00:01.000000002Z  a\xff\0 b\n");
        let (time_ns, data) = split_time(&message).unwrap();
        assert_eq!((time_ns, &data[..]), (1_000_000_002, &b" a\xff\0 b\n"[..]));
        assert_eq!(split_time(&Bytes::from_static(b"no time")), None);
    }

    #[tokio::test]
    async fn the_cursor_counts_frames_at_or_after_its_second() {
        let frames = || {
            vec![frame(5 * NS_PER_S - 1, "a"), frame(5 * NS_PER_S, "b"), frame(5 * NS_PER_S, "c")]
        };
        let data = |texts: &[&'static str]| {
            texts.iter().map(|t| Some(Bytes::from(*t))).collect::<Vec<_>>()
        };
        assert_eq!(read(frames(), Cursor::default()).await, data(&["a", "b", "c"]));
        assert_eq!(read(frames(), Cursor { since_s: 5, skip: 0 }).await, data(&["b", "c"]));
        assert_eq!(read(frames(), Cursor { since_s: 5, skip: 1 }).await, data(&["c"]));
        assert_eq!(read(frames(), Cursor { since_s: 5, skip: 9 }).await, data(&[]));
    }

    /// What a resumed reading depends on: the cursor is no later than a line that is open, so that the
    /// line is seen again and its lost end can be told.
    #[tokio::test]
    async fn a_lost_line_end_is_put_back_across_a_resumed_reading() {
        let at = |time_s: i64, data: Vec<u8>| Frame {
            stream: Stream::Stdout,
            time_ns: time_s * NS_PER_S,
            data: data.into(),
        };
        let raw =
            [at(5, vec![b'x'; 16 * 1024]), at(5, b"rest".to_vec()), at(21, b"next\n".to_vec())];
        let given = |from: usize| {
            let mut mend = Mend::default();
            raw[from..]
                .iter()
                .flat_map(|frame| mend.mend(frame.clone()).collect::<Vec<_>>())
                .map(Ok)
                .collect()
        };
        // Two frames were stored, and then the reading broke.
        let rest = read(given(0), Cursor { since_s: 5, skip: 2 }).await;
        assert_eq!(rest, [Some(Bytes::from("\n")), Some(Bytes::from("next\n"))]);
        let too_late = read(given(2), Cursor { since_s: 6, skip: 0 }).await;
        assert_eq!(too_late, [Some(Bytes::from("next\n"))], "which is why it goes back that far");
    }

    #[tokio::test]
    async fn nothing_is_given_after_a_fault() {
        let fault = Err(DriverError::new(FaultKind::Engine, "x"));
        let got = read(vec![frame(1, "a"), fault, frame(2, "b")], Cursor::default()).await;
        assert_eq!(got, vec![Some(Bytes::from("a")), None]);
    }
}
