//! One task that writes very many lines as fast as it can. One client follows live and checks each
//! line; another stops reading for a minute, which must stop nobody. Then pages are read from the
//! beginning, the middle and the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use gofer_client::model::{LogEndReason, LogState, RunRef, RunStatus, TaskRunRef};
use gofer_client::watch::{FollowLog, LogUpdate};
use gofer_client::{Client, LogStart, ReadLog};
use gofer_tests::stage::{Stage, pipeline, shell};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long the idle follower does not read.
const IDLE: Duration = Duration::from_secs(60);
/// Lines after which it stops.
const IDLE_AFTER_LINES: u64 = 1_000;
/// How often the size of the log is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The longest that the whole may take.
const DEADLINE: Duration = Duration::from_secs(1_800);

pub(crate) async fn many(n_lines: u32) -> Result<()> {
    println!("one task writes {n_lines} lines");
    let stage = Stage::up().await?;
    let task = shell("lines", &format!("exec seq 1 {n_lines}"));
    let run = stage.start_new(pipeline("lines", vec![task])).await?;
    let begun = Instant::now();
    let client = stage.client()?;
    let followed = Arc::new(AtomicU64::new(0));
    let mut readers = JoinSet::new();
    readers.spawn(follow("reading", client.clone(), run.clone(), None, Arc::clone(&followed)));
    let idle_lines = Arc::new(AtomicU64::new(0));
    readers.spawn(follow("idle", stage.client()?, run.clone(), Some(IDLE), idle_lines));
    let slowest = watch(&client, &run, u64::from(n_lines), &followed).await?;
    let sealed = begun.elapsed();
    for reader in readers.join_all().await {
        let (name, n, took) = reader?;
        ensure!(n == u64::from(n_lines), "the {name} follower saw {n} lines");
        println!(
            "the {name} follower saw every line in its place after {:.1} s",
            took.as_secs_f64()
        );
    }
    let done = stage.settled(&run).await?;
    ensure!(done.status == Some(RunStatus::Successful), "{done:#?}");
    let took_s = done.duration_ms.context("no duration")? as f64 / 1000.0;
    println!(
        "the task ran {took_s:.1} s, {:.0} lines/s; the log was whole after {:.1} s; a live \
         follower was at most {slowest} lines behind the file",
        f64::from(n_lines) / took_s,
        sealed.as_secs_f64()
    );
    pages(&client, &run.task("lines"), u64::from(n_lines)).await?;
    stage.nothing_is_left(&[&done]).await
}

/// Follows to the end and checks that line `i` says `i + 1`.
async fn follow(
    name: &'static str,
    client: Client,
    run: RunRef,
    idle: Option<Duration>,
    count: Arc<AtomicU64>,
) -> Result<(&'static str, u64, Duration)> {
    let begun = Instant::now();
    let mut log = client.follow_log(FollowLog {
        task_run: run.task("lines"),
        attempt: None,
        start: LogStart::First,
        allow_gaps: false,
    });
    let (mut n, mut idle) = (0_u64, idle);
    loop {
        let update = log.next().await.context("the stream ended without a word")??;
        match update {
            LogUpdate::Frames { frames, .. } => {
                for frame in frames {
                    n += 1;
                    let want = format!("{n}\n");
                    ensure!(frame.data == want.as_bytes(), "{name}: {frame:?} is not {n}");
                    ensure!(frame.line + 1 == n, "{name}: {frame:?} is not line {n}");
                }
                count.store(n, Ordering::Relaxed);
            }
            LogUpdate::End(end) => {
                ensure!(end.reason == LogEndReason::Sealed, "{end:?}");
                return Ok((name, n, begun.elapsed()));
            }
            LogUpdate::Gap(gap) => bail!("{name}: {gap:?} though none was allowed"),
            LogUpdate::Lost(why) => bail!("{name}: {why}"),
        }
        if n > IDLE_AFTER_LINES
            && let Some(idle) = idle.take()
        {
            tokio::time::sleep(idle).await;
        }
    }
}

/// Waits until the log is whole; gives how far behind the file the follower was at most. A page of
/// the middle is read all along.
async fn watch(client: &Client, run: &RunRef, n_lines: u64, followed: &AtomicU64) -> Result<u64> {
    let (task_run, begun) = (run.task("lines"), Instant::now());
    let (mut behind, mut slowest_page) = (0, Duration::ZERO);
    loop {
        let seen = followed.load(Ordering::Relaxed);
        let (page, _) = page(client, &task_run, LogStart::Tail(1)).await?;
        behind = behind.max(page.total_lines.saturating_sub(seen));
        let middle = page.total_lines / 2;
        if middle > 0 {
            let (_, took) = line(client, &task_run, middle).await?;
            slowest_page = slowest_page.max(took);
        }
        if page.sealed {
            ensure!(page.total_lines == n_lines, "{} lines", page.total_lines);
            ensure!(page.state == LogState::Sealed, "{:?}", page.state);
            println!("pages of the middle while it grew: at most {slowest_page:?}");
            return Ok(behind);
        }
        ensure!(begun.elapsed() < DEADLINE, "only {} lines by now", page.total_lines);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn pages(client: &Client, task_run: &TaskRunRef, n_lines: u64) -> Result<()> {
    for (what, number) in [("first", 0), ("middle", n_lines / 2), ("last", n_lines - 1)] {
        let (text, took) = line(client, task_run, number).await?;
        ensure!(text == format!("{}\n", number + 1), "the {what} line is {text:?}");
        println!("the {what} line, by number: {took:?}");
    }
    let (last, took) = page(client, task_run, LogStart::Tail(1)).await?;
    let text = last.frames.first().context("no last line")?.data.clone();
    ensure!(text == format!("{n_lines}\n"), "the last line is {text:?}");
    let n_bytes: u64 = (1..=n_lines).map(|n| u64::from(n.ilog10()) + 2).sum();
    ensure!(last.total_bytes == n_bytes, "{} bytes of {n_bytes}", last.total_bytes);
    println!("the last line, from the end: {took:?}; {n_bytes} bytes in all");
    Ok(())
}

async fn line(client: &Client, task_run: &TaskRunRef, number: u64) -> Result<(String, Duration)> {
    let (page, took) = page(client, task_run, LogStart::Line(number)).await?;
    let frame = page.frames.first().with_context(|| format!("no line {number}"))?;
    ensure!(frame.line == number, "line {} for {number}", frame.line);
    Ok((String::from_utf8(frame.data.to_vec())?, took))
}

async fn page(
    client: &Client,
    task_run: &TaskRunRef,
    start: LogStart,
) -> Result<(gofer_client::model::LogPage, Duration)> {
    let asked = Instant::now();
    let read = ReadLog { task_run: task_run.clone(), attempt: None, start, max_lines: Some(1) };
    Ok((client.read_log(&read).await?, asked.elapsed()))
}
