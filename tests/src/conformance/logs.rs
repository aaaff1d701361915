//! Cases on logs: every byte once, from any cursor.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::StreamExt as _;
use gofer_core::log::{Cursor, Follow, Frame, Stream};
use gofer_core::ports::driver::{FaultKind, Handle, Observed};

use super::ends::is_ready;
use super::job::Job;
use super::{Bench, PATIENCE, expect_fault};

const NS_PER_S: i64 = 1_000_000_000;

pub async fn bytes_are_exact(bench: Bench) -> Result<()> {
    let (job, bytes) = Job::writes_bytes();
    let frames = whole_log(&bench, &job).await?;
    let got = text(&frames);
    ensure!(got == bytes, "{got:?} instead of {bytes:?}");
    let one_line_each = |frame: &Frame| frame.data.iter().rev().skip(1).all(|byte| *byte != b'\n');
    ensure!(frames.iter().all(one_line_each), "a frame holds more than a line: {frames:?}");
    ensure!(frames.iter().all(|frame| frame.time_ns > 1_600_000_000 * NS_PER_S), "{frames:?}");
    Ok(())
}

pub async fn the_two_streams_come_apart(bench: Bench) -> Result<()> {
    let frames = whole_log(&bench, &Job::writes_both_streams()).await?;
    let of =
        |stream: Stream| frames.iter().filter(|frame| frame.stream == stream).collect::<Vec<_>>();
    let joined = |frames: Vec<&Frame>| {
        frames.iter().flat_map(|frame| frame.data.to_vec()).collect::<Vec<u8>>()
    };
    ensure!(joined(of(Stream::Stdout)) == b"out 1\nout 2\n", "{frames:?}");
    ensure!(joined(of(Stream::Stderr)) == b"err 1\nerr 2", "{frames:?}");
    Ok(())
}

pub async fn a_line_of_a_mebibyte_comes_whole(bench: Bench) -> Result<()> {
    let (job, bytes) = Job::writes_a_long_line();
    let frames = whole_log(&bench, &job).await?;
    ensure!(frames.len() > 2, "{} frames", frames.len());
    ensure!(text(&frames) == bytes, "{} bytes in {} frames", text(&frames).len(), frames.len());
    Ok(())
}

pub async fn a_container_that_says_nothing_has_an_empty_log(bench: Bench) -> Result<()> {
    let frames = whole_log(&bench, &Job::is_silent()).await?;
    ensure!(frames.is_empty(), "{frames:?}");
    Ok(())
}

pub async fn every_cursor_goes_on_without_loss_or_repetition(bench: Bench) -> Result<()> {
    let handle = bench.start("task", &Job::writes_in_bursts(12)).await?;
    bench.exit(&handle.key).await?;
    let all = read(&bench, &handle, Cursor::default(), Follow::No).await?;
    ensure!(all.len() == 39, "{} frames", all.len());
    for n_stored in 0..=all.len() {
        let (stored, rest) = all.split_at(n_stored);
        let since_s = stored.last().map_or(0, |frame| frame.time_ns.div_euclid(NS_PER_S));
        let skip = stored.iter().filter(|frame| frame.time_ns >= since_s * NS_PER_S).count();
        let cursor = Cursor { since_s, skip: u64::try_from(skip)? };
        for follow in [Follow::No, Follow::Yes] {
            let got = read(&bench, &handle, cursor, follow).await?;
            ensure!(got == rest, "{cursor:?} {follow:?}: {} frames, not {}", got.len(), rest.len());
        }
    }
    Ok(())
}

pub async fn follow_sees_a_line_live_and_ends_after_the_exit(bench: Bench) -> Result<()> {
    let handle = bench.start("task", &Job::handles_term(0)).await?;
    let mut log = bench.driver.logs(&handle, Cursor::default(), Follow::Yes);
    let first = tokio::time::timeout(PATIENCE, log.next()).await?;
    ensure!(matches!(&first, Some(Ok(frame)) if frame.data == "ready\n"), "{first:?}");
    let seen = bench.driver.inspect(&handle.key).await?;
    ensure!(matches!(seen, Observed::Running { .. }), "the line came late: {seen:?}");
    let quiet = tokio::time::timeout(Duration::from_millis(300), log.next()).await;
    ensure!(quiet.is_err(), "follow ended while the container runs: {quiet:?}");
    bench.driver.stop(&handle).await?;
    let end = tokio::time::timeout(PATIENCE, log.next()).await?;
    ensure!(end.is_none(), "{end:?}");
    bench.exit(&handle.key).await?;
    Ok(())
}

pub async fn the_last_read_is_whole(bench: Bench) -> Result<()> {
    let handle = bench.start("task", &Job::writes_lines(5_000)).await?;
    bench.exit(&handle.key).await?;
    let frames = read(&bench, &handle, Cursor::default(), Follow::No).await?;
    let lines: Vec<String> = (1..=5_000).map(|i| i.to_string()).collect();
    ensure!(text(&frames) == lines.join("\n").into_bytes(), "{} frames", frames.len());
    Ok(())
}

pub async fn the_log_of_a_gone_container_is_a_fault(bench: Bench) -> Result<()> {
    let handle = bench.start("task", &Job::handles_term(0)).await?;
    is_ready(&bench, &handle).await?;
    bench.driver.remove(&handle).await?;
    let first = bench.driver.logs(&handle, Cursor::default(), Follow::No).next().await;
    let Some(first) = first else { anyhow::bail!("an empty log") };
    expect_fault(first, FaultKind::Engine)?;
    Ok(())
}

/// Runs a job to its end and reads its log.
async fn whole_log(bench: &Bench, job: &Job) -> Result<Vec<Frame>> {
    let handle = bench.start("task", job).await?;
    bench.exit(&handle.key).await?;
    read(bench, &handle, Cursor::default(), Follow::No).await
}

/// Reads to the end.
pub(super) async fn read(
    bench: &Bench,
    handle: &Handle,
    cursor: Cursor,
    follow: Follow,
) -> Result<Vec<Frame>> {
    let log = bench.driver.logs(handle, cursor, follow);
    let frames = tokio::time::timeout(PATIENCE, log.collect::<Vec<_>>()).await?;
    Ok(frames.into_iter().collect::<Result<_, _>>()?)
}

/// All bytes, whatever the stream.
pub(super) fn text(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(|frame| frame.data.to_vec()).collect()
}
