//! What a task sees of itself: its variables, and the walls around it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use gofer_client::StartRun;
use gofer_client::model::{RunRef, RunStatus};
use gofer_proto::sdk::v1 as sdk;
use gofer_tests::images::BUSYBOX;
use gofer_tests::stage::{self, ADVERTISED, NAMESPACE, Stage, pipeline, readings, shell};

/// What a task of a successful run printed.
async fn said(stage: &Stage, run: &RunRef, task: &str) -> Result<String> {
    let done = stage.settled(run).await?;
    ensure!(done.status == Some(RunStatus::Successful), "{done:#?}");
    let (streams, _) = readings::read(&stage.client()?, &run.task(task), 1).await?;
    Ok(String::from_utf8(streams.out)?)
}

fn pairs(text: &str, between: &str) -> BTreeMap<String, String> {
    let split = text.lines().filter_map(|line| line.split_once(between));
    split.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect()
}

fn variable(key: &str, value: &str) -> sdk::Variable {
    sdk::Variable { key: key.to_owned(), value: value.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_told_where_it_runs_and_its_own_variables_are_the_strongest() -> Result<()> {
    let stage = Stage::up().await?;
    let task = sdk::Task {
        variables: vec![variable("BOTH", "task"), variable("OWN", "a b=c"), variable("case", "1")],
        ..shell("tells", "env")
    };
    let reference = stage.deploy(pipeline("variables", vec![task])).await?;
    let given = [("BOTH", "run"), ("GIVEN", "run"), ("GOFER_RUN_ID", "seven"), ("CASE", "2")];
    let variables = given.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    let start = StartRun { variables, ..stage::start(&reference) };
    let run = stage.client()?.start_run(start).await?.run.reference();
    let seen = pairs(&said(&stage, &run, "tells").await?, "=");
    for (key, value) in [
        ("BOTH", "task"),
        ("OWN", "a b=c"),
        ("GIVEN", "run"),
        ("case", "1"),
        ("CASE", "2"),
        ("GOFER_RUN_ID", "seven"),
        ("GOFER_NAMESPACE_ID", NAMESPACE),
        ("GOFER_PIPELINE_ID", "variables"),
        ("GOFER_TASK_ID", "tells"),
        ("GOFER_TASK_IMAGE", BUSYBOX),
        ("GOFER_ATTEMPT", "1"),
        ("GOFER_HOST", ADVERTISED),
        ("PATH", "/bin"),
    ] {
        ensure!(seen.get(key).is_some_and(|seen| seen == value), "{key} is not {value}: {seen:#?}");
    }
    ensure!(!seen.contains_key("GOFER_API_TOKEN"), "a token that nobody asked for");
    let shown = stage.client()?.run(&run).await?;
    let shown = stage::task_of(&shown, "tells")?.variables.clone();
    for one in shown {
        ensure!(seen.get(&one.key) == Some(&one.value), "shown as {one:?}, seen {seen:#?}");
    }
    Ok(())
}

/// Capabilities by their number in the kernel.
const DROPPED: [(&str, u32); 3] = [("NET_RAW", 13), ("MKNOD", 27), ("AUDIT_WRITE", 29)];
/// What no container has by itself, so that the test can tell a set from an empty one.
const NEVER: [(&str, u32); 2] = [("NET_ADMIN", 12), ("SYS_ADMIN", 21)];

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_within_its_walls() -> Result<()> {
    let stage = Stage::up().await?;
    let limited = sdk::Task {
        user: Some("1000:1000".to_owned()),
        workdir: Some("/tmp".to_owned()),
        cpu_milli: Some(500),
        memory_bytes: Some(64 << 20),
        ..shell("limited", "id -u; id -g; pwd; cat /proc/self/status")
    };
    let root = shell("as_root", "cat /proc/self/status; ls /var/run/docker.sock 2>&1 | cat");
    // The limits seen from inside, whichever version of control groups the machine has.
    let groups = sdk::Task {
        id: "groups".to_owned(),
        command: ["sh", "-c", GROUPS].map(str::to_owned).to_vec(),
        ..limited.clone()
    };
    let run = stage.start_new(pipeline("walls", vec![limited, root, groups])).await?;

    let text = said(&stage, &run, "limited").await?;
    ensure!(text.starts_with("1000\n1000\n/tmp\n"), "{text}");
    let status = pairs(&text, ":");
    ensure!(status.get("NoNewPrivs").is_some_and(|on| on == "1"), "{status:#?}");
    ensure!(capabilities(&status, "CapEff")? == 0, "{status:#?}");

    let text = said(&stage, &run, "as_root").await?;
    let status = pairs(&text, ":");
    ensure!(status.get("NoNewPrivs").is_some_and(|on| on == "1"), "{status:#?}");
    for set in ["CapEff", "CapBnd"] {
        let held = capabilities(&status, set)?;
        ensure!(held & 1 == 1, "root may not even CHOWN: {held:x}");
        for (name, bit) in DROPPED.into_iter().chain(NEVER) {
            ensure!(held & (1 << bit) == 0, "{set} holds {name}: {held:x}");
        }
    }
    ensure!(text.contains("No such file"), "the engine's socket is inside: {text}");

    let limits = pairs(&said(&stage, &run, "groups").await?, "=");
    let want = [("memory", "67108864"), ("pids", "4096"), ("cpu", "50000 100000")];
    for (key, value) in want {
        ensure!(limits.get(key).is_some_and(|seen| seen == value), "{key}: {limits:#?}");
    }
    Ok(())
}

fn capabilities(status: &BTreeMap<String, String>, set: &str) -> Result<u64> {
    Ok(u64::from_str_radix(status.get(set).context("no such set")?, 16)?)
}

/// Prints the limits on memory, processes and CPU.
const GROUPS: &str = "g=/sys/fs/cgroup; first() { cat \"$@\" 2>/dev/null | head -n 1; }
echo memory=$(first $g/memory.max $g/memory/memory.limit_in_bytes)
echo pids=$(first $g/pids.max $g/pids/pids.max)
echo cpu=$(first $g/cpu.max || true)$(cat $g/cpu/cpu.cfs_quota_us $g/cpu/cpu.cfs_period_us 2>/dev/null)";
