//! Logs as the command line prints them: whole, whatever is in them, and at once, whether or not the
//! run goes on.

use anyhow::{Result, ensure};
use gofer_client::model::{Run, RunRef};
use gofer_client::{Cancel, LogStart, Mode, ReadLog};
use gofer_tests::stage::{Stage, pipeline, readings, shell, until};

use super::commands::leaves;

/// A script that writes a line of so many bytes, and one after it.
fn long_line(n_bytes: usize) -> String {
    format!("head -c {n_bytes} /dev/zero | tr '\\0' x; echo; echo after")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_three_mebibytes_is_printed_whole() -> Result<()> {
    const N_BYTES: usize = 3 << 20;
    let stage = Stage::up().await?;
    let run = stage.start_new(pipeline("long", vec![shell("work", &long_line(N_BYTES))])).await?;
    stage.settled(&run).await?;
    let want = format!("{}\nafter\n", "x".repeat(N_BYTES));
    let raw = leaves(&stage, "logs long 1 work -n tests -o raw", 0).await?;
    let differs = readings::difference(raw.out.as_bytes(), want.as_bytes());
    ensure!(differs.is_none() && raw.err.is_empty(), "{differs:?} {}", raw.err);
    let text = leaves(&stage, "logs long 1 work -n tests", 0).await?;
    ensure!(text.out == want, "the text differs from the bytes");
    let merged = leaves(&stage, "run logs long 1 -n tests --no-prefix", 0).await?;
    ensure!(merged.out == want, "the merged log differs");
    Ok(())
}

/// Waits until the log of a task has that many lines.
async fn has_lines(stage: &Stage, run: &RunRef, task: &str, n_lines: u64) -> Result<()> {
    let client = stage.client()?;
    let task_run = run.task(task);
    let read = ReadLog { task_run, attempt: None, start: LogStart::Tail(0), max_lines: None };
    let enough = async || {
        let page = client.read_log(&read).await?;
        Ok((page.total_lines >= n_lines).then_some(()))
    };
    until("the log has its lines", enough).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_logs_of_a_run_that_goes_on_are_printed_and_that_is_all() -> Result<()> {
    let stage = Stage::up().await?;
    let endless = |lines: &str| format!("{lines}; while :; do sleep 0.1; done");
    let tasks = vec![
        shell("short", "echo brief"),
        shell("silent", &endless("true")),
        shell("talks", &endless("sleep 1; echo one; echo two; echo three")),
    ];
    let run = stage.start_new(pipeline("endless", tasks)).await?;
    has_lines(&stage, &run, "talks", 3).await?;
    has_lines(&stage, &run, "short", 1).await?;
    let lines = ["short ", "talks "].map(|task| move |line: &str| line.starts_with(task));
    let count = |text: &str| lines.map(|of| text.lines().filter(|line| of(line)).count());

    let all = leaves(&stage, "logs endless 1 -n tests", 0).await?;
    ensure!(count(&all.out) == [1, 3], "{all:?}");
    // The last two lines are of one task: nothing comes from the other two.
    let tail = leaves(&stage, "logs endless 1 -n tests --tail 2", 0).await?;
    ensure!(tail.out == "talks   │ two\ntalks   │ three\n", "{tail:?}");
    let none = leaves(&stage, "logs endless 1 -n tests --tail 0", 0).await?;
    ensure!(none.out.is_empty(), "{none:?}");
    let silent = leaves(&stage, "run logs endless 1 -n tests --task silent --tail 5", 0).await?;
    ensure!(silent.out.is_empty(), "{silent:?}");

    let client = stage.client()?;
    let short = run.task("short");
    let removed = async || {
        Ok(client.delete_log(&short, None, Mode::Commit).await.ok().map(|report| report.log_bytes))
    };
    ensure!(until("the log is whole", removed).await? == 6);
    let rest = leaves(&stage, "logs endless 1 -n tests", 0).await?;
    ensure!(count(&rest.out) == [0, 3], "a removed log keeps the others back: {rest:?}");
    client.cancel_run(&run, Cancel { force: true, reason: String::new() }).await?;
    stage.wait(&run, "complete", Run::is_complete).await?;
    Ok(())
}
