//! What only the embedded engine can show: servers that come and go above living containers, shims
//! that are killed, several servers at once, and that nothing is left behind. It needs root and
//! busybox-static.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use gofer_core::ids::{AttemptKey, InstanceId, TaskId};
use gofer_core::log::{Cursor, Follow};
use gofer_core::ports::driver::{
    ContainerSpec, Driver, EngineEvent, Exit, FaultKind, Observed, container_name,
};
use gofer_driver_embedded::EmbeddedDriver;
use gofer_tests::conformance::{PATIENCE, expect_fault, fresh_instance};
use gofer_tests::embedded::Ground;
use gofer_tests::images::BUSYBOX;
use rustix::process::{Pid, Signal, kill_process};

fn spec(instance: &InstanceId, task: &str, script: &str) -> Result<ContainerSpec> {
    let key = AttemptKey { uid: fresh_instance(), task: TaskId::parse(task)?, attempt: 1 };
    Ok(ContainerSpec {
        instance: instance.clone(),
        key,
        image: BUSYBOX.to_owned(),
        entrypoint: Vec::new(),
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        env: [("SECRET".to_owned(), "hunter2-in-memory-only".to_owned())].into(),
        user: None,
        workdir: None,
        cpu_milli: None,
        memory_bytes: None,
        pids_max: 64,
        labels: [].into(),
    })
}

/// Looks until the container is as wanted.
async fn until(
    driver: &EmbeddedDriver,
    key: &AttemptKey,
    enough: impl Fn(&Observed) -> bool,
) -> Result<Observed> {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        let seen = driver.inspect(key).await?;
        if enough(&seen) {
            return Ok(seen);
        }
        ensure!(tokio::time::Instant::now() < end, "{key} is still {seen:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn exit(driver: &EmbeddedDriver, key: &AttemptKey) -> Result<Exit> {
    let seen = until(driver, key, |seen| matches!(seen, Observed::Exited { .. })).await?;
    let Observed::Exited { exit, .. } = seen else { bail!("saw {seen:?}") };
    Ok(exit)
}

/// Waits until something of the engine's that ends in the background has ended.
async fn soon(what: &str, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !done()? {
        ensure!(tokio::time::Instant::now() < end, "still not: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// The process numbers that a shim wrote down: its own and the container's.
fn processes(ground: &Ground, spec: &ContainerSpec) -> Result<(Pid, Pid)> {
    let file =
        ground.data_dir().join("engine/attempts").join(spec.container_name()).join("shim.json");
    let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    let file: serde_json::Value = serde_json::from_str(&text)?;
    let pid = |of: &str| {
        let pid = file.get(of)?.get("pid")?.as_i64()?;
        Pid::from_raw(i32::try_from(pid).ok()?)
    };
    Ok((pid("shim").context("no shim")?, pid("container").context("no container")?))
}

/// A process is gone when it is a zombie too: then it only waits for its parent.
fn runs(pid: Pid) -> bool {
    let stat =
        fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next());
    !matches!(state, None | Some("Z" | "X"))
}

/// Everything outside of the data directory that could be left of these containers.
fn traces(names: &BTreeSet<String>) -> Result<Vec<String>> {
    let mut left = Vec::new();
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let named = |text: &str| names.iter().any(|name| text.contains(name.as_str()));
    left.extend(mounts.lines().filter(|line| named(line)).map(str::to_owned));
    let hierarchies = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let (_, at, kind) = (fields.next()?, fields.next()?, fields.next()?);
        matches!(kind, "cgroup" | "cgroup2").then_some(at)
    });
    for hierarchy in hierarchies {
        for entry in fs::read_dir(Path::new(hierarchy).join("gofer")).into_iter().flatten() {
            let path = entry?.path();
            if named(&path.to_string_lossy()) {
                left.push(path.display().to_string());
            }
        }
    }
    for entry in fs::read_dir("/proc")?.flatten() {
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if named(&String::from_utf8_lossy(&command)) {
            left.push(format!("process {}", entry.file_name().display()));
        }
    }
    Ok(left)
}

async fn nothing_is_left(ground: &Ground, specs: &[ContainerSpec]) -> Result<()> {
    let names = specs.iter().map(ContainerSpec::container_name).collect();
    soon("the trash is empty", || Ok(ground.trash()?.is_empty())).await?;
    soon("no trace is left", || Ok(traces(&names)?.is_empty()))
        .await
        .with_context(|| format!("left: {:?}", traces(&names).unwrap_or_default()))?;
    ensure!(ground.attempts()?.is_empty(), "{:?}", ground.attempts()?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_containers_outlive_their_server_and_the_next_finds_them_all() -> Result<()> {
    let ground = Ground::new().await?;
    let instance = fresh_instance();
    let first = ground.driver(instance.clone())?;
    let script = "echo before; trap 'echo after; exit 7' TERM; while :; do sleep 0.05; done";
    let specs: Vec<ContainerSpec> =
        (0..50).map(|n| spec(&instance, &format!("task_{n}"), script)).collect::<Result<_>>()?;
    let handles = join_all(specs.iter().map(|spec| first.ensure(spec.clone()))).await;
    let handles = handles.into_iter().collect::<Result<Vec<_>, _>>()?;
    // Its tasks end with it, as they would with a process that is killed.
    drop(first);

    let next = ground.driver(instance.clone())?;
    let mut events = next.events(&instance);
    ensure!(matches!(events.next().await, Some(Ok(EngineEvent::Connected))));
    let listed = next.list(&instance).await?;
    ensure!(listed.len() == 50 && listed.iter().all(|one| one.running), "{listed:?}");
    for handle in &handles {
        let mut log = next.logs(handle, Cursor::default(), Follow::Yes);
        let line = tokio::time::timeout(PATIENCE, log.next()).await?;
        ensure!(matches!(&line, Some(Ok(frame)) if frame.data == "before\n"), "{line:?}");
    }
    for handle in &handles {
        next.stop(handle).await?;
    }
    let mut told = BTreeSet::new();
    while told.len() < 50 {
        match tokio::time::timeout(PATIENCE, events.next()).await? {
            Some(Ok(EngineEvent::Changed(key))) => told.insert(key),
            other => bail!("after {} ends: {other:?}", told.len()),
        };
    }
    for (spec, handle) in specs.iter().zip(&handles) {
        let end = exit(&next, &spec.key).await?;
        ensure!(end.code == 7 && !end.interrupted, "{end:?}");
        let log: Vec<_> = next.logs(handle, Cursor::default(), Follow::No).collect().await;
        ensure!(log.len() == 2, "{log:?}");
        ensure!(next.ensure(spec.clone()).await? == *handle, "another container");
        next.remove(handle).await?;
    }
    nothing_is_left(&ground, &specs).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_shim_takes_its_container_along_and_the_end_is_nobodys_success() -> Result<()> {
    let ground = Ground::new().await?;
    let instance = fresh_instance();
    let driver = ground.driver(instance.clone())?;
    let mut events = driver.events(&instance);
    ensure!(matches!(events.next().await, Some(Ok(EngineEvent::Connected))));
    let spec = spec(&instance, "task", "echo here; sleep 1000")?;
    let handle = driver.ensure(spec.clone()).await?;
    let mut log = driver.logs(&handle, Cursor::default(), Follow::Yes);
    let line = tokio::time::timeout(PATIENCE, log.next()).await?;
    ensure!(matches!(&line, Some(Ok(frame)) if frame.data == "here\n"), "{line:?}");
    let (shim, container) = processes(&ground, &spec)?;
    // What is told of the start is heard first.
    let quiet = Duration::from_millis(300);
    while let Ok(event) = tokio::time::timeout(quiet, events.next()).await {
        ensure!(matches!(&event, Some(Ok(EngineEvent::Changed(_)))), "{event:?}");
    }
    kill_process(shim, Signal::KILL)?;
    // It is told, not only found.
    tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            let event = events.next().await;
            ensure!(matches!(&event, Some(Ok(EngineEvent::Changed(_)))), "{event:?}");
            if matches!(driver.inspect(&spec.key).await?, Observed::Exited { .. }) {
                return Ok(());
            }
        }
    })
    .await??;
    let end = exit(&driver, &spec.key).await?;
    ensure!(end.interrupted && !end.oom && end.code != 0, "{end:?}");
    ensure!(end.started_ms.is_some_and(|started_ms| started_ms <= end.ended_ms), "{end:?}");
    ensure!(exit(&driver, &spec.key).await? == end, "an end that changes");
    soon("the container is dead", || Ok(!runs(container))).await?;
    let rest = tokio::time::timeout(Duration::from_secs(5), log.next()).await?;
    ensure!(rest.is_none(), "{rest:?}");
    // It ran once, so it is never started again, by no server.
    for driver in [&driver, &ground.driver(instance.clone())?] {
        ensure!(driver.ensure(spec.clone()).await? == handle);
        ensure!(
            driver.inspect(&spec.key).await?
                == Observed::Exited { handle: handle.clone(), exit: end.clone() }
        );
    }
    driver.remove(&handle).await?;
    nothing_is_left(&ground, &[spec]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_start_one_attempt_at_once_make_one_container() -> Result<()> {
    let ground = Ground::new().await?;
    let instance = fresh_instance();
    let drivers = [
        ground.driver(instance.clone())?,
        ground.driver(instance.clone())?,
        ground.driver(instance.clone())?,
    ];
    let mut specs = Vec::new();
    for n in 0..12 {
        let spec = spec(&instance, &format!("task_{n}"), "echo started; sleep 0.2")?;
        let starts = drivers
            .iter()
            .flat_map(|driver| [driver.ensure(spec.clone()), driver.ensure(spec.clone())]);
        let handles = join_all(starts).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        ensure!(handles.iter().all(|handle| *handle == handles[0]), "{handles:?}");
        ensure!(exit(&drivers[0], &spec.key).await?.code == 0);
        let log = drivers[1].logs(&handles[0], Cursor::default(), Follow::No);
        let lines: Vec<_> = log.collect().await;
        ensure!(lines.len() == 1, "it ran {} times: {lines:?}", lines.len());
        specs.push(spec);
    }
    ensure!(drivers[2].list(&instance).await?.len() == specs.len());
    for listed in drivers[2].list(&instance).await? {
        drivers[0].remove(&listed.handle).await?;
    }
    nothing_is_left(&ground, &specs).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_its_server_did_not_live_to_see_is_found_or_made_by_the_next() -> Result<()> {
    let ground = Ground::new().await?;
    let instance = fresh_instance();
    let mut specs = Vec::new();
    for wait_us in [0, 200, 500, 1_000, 2_000, 3_000, 5_000, 8_000, 12_000, 20_000, 40_000] {
        let spec = spec(&instance, "task", "echo started; sleep 0.1")?;
        let gone = ground.driver(instance.clone())?;
        let given_up =
            tokio::time::timeout(Duration::from_micros(wait_us), gone.ensure(spec.clone())).await;
        drop(gone);
        let next = ground.driver(instance.clone())?;
        let handle = match next.ensure(spec.clone()).await {
            Ok(handle) => handle,
            // The environment did not reach the shim, so nothing ran; asked again, it runs.
            Err(fault) => bail!("after {wait_us} us ({given_up:?}): {fault}"),
        };
        let end = exit(&next, &spec.key).await?;
        ensure!(end.code == 0 && !end.interrupted, "after {wait_us} us: {end:?}");
        let log: Vec<_> = next.logs(&handle, Cursor::default(), Follow::No).collect().await;
        ensure!(log.len() == 1, "after {wait_us} us it ran {} times", log.len());
        next.remove(&handle).await?;
        specs.push(spec);
    }
    nothing_is_left(&ground, &specs).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removals_race_with_starts_and_nothing_is_left() -> Result<()> {
    let ground = Ground::new().await?;
    let instance = fresh_instance();
    let (one, two) = (ground.driver(instance.clone())?, ground.driver(instance.clone())?);
    let mut specs = Vec::new();
    for wait_ms in [0, 1, 2, 3, 5, 8, 12, 20, 30] {
        let spec = spec(&instance, "task", "sleep 1000")?;
        let (started, removed) = tokio::join!(one.ensure(spec.clone()), async {
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            let handle = gofer_core::ports::driver::Handle {
                key: spec.key.clone(),
                id: container_name(&instance, &spec.key),
            };
            two.remove(&handle).await.map(|()| handle)
        });
        // The start may have been cut off, or come after; either way it can be taken away now.
        let handle = removed.with_context(|| format!("{wait_ms} ms, {started:?}"))?;
        two.remove(&handle).await?;
        ensure!(two.inspect(&spec.key).await? == Observed::Absent);
        specs.push(spec);
    }
    nothing_is_left(&ground, &specs).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_holds_a_value_of_the_environment() -> Result<()> {
    let ground = Ground::new().await?;
    let instance = fresh_instance();
    let driver = ground.driver(instance.clone())?;
    let spec = spec(&instance, "task", "sleep 1000")?;
    let handle = driver.ensure(spec.clone()).await?;
    let mut folders = ground.attempts()?;
    let mut n_files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.file_type()?.is_file() {
                n_files += 1;
                let bytes = fs::read(entry.path())?;
                let text = String::from_utf8_lossy(&bytes);
                ensure!(!text.contains("hunter2"), "{} holds it", entry.path().display());
            }
        }
    }
    ensure!(n_files >= 4, "{n_files} files");
    driver.remove(&handle).await?;
    nothing_is_left(&ground, &[spec]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_of_a_later_release_is_left_alone_with_a_clear_word() -> Result<()> {
    let ground = Ground::new().await?;
    let instance = fresh_instance();
    let driver = ground.driver(instance.clone())?;
    let spec = spec(&instance, "task", "exit 0")?;
    let handle = driver.ensure(spec.clone()).await?;
    exit(&driver, &spec.key).await?;
    let file = ground.attempts()?[0].join("exit.json");
    let text = fs::read_to_string(&file)?;
    fs::write(&file, text.replace("\"v\":1", "\"v\":99"))?;
    let fault = expect_fault(driver.inspect(&spec.key).await, FaultKind::Engine)?;
    ensure!(fault.message.contains("later release"), "{fault}");
    expect_fault(driver.remove(&handle).await, FaultKind::Engine)?;
    ensure!(file.exists());
    fs::write(&file, text)?;
    driver.remove(&handle).await?;
    nothing_is_left(&ground, &[spec]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_reboot_nothing_that_may_have_run_is_started() -> Result<()> {
    let ground = Ground::new().await?;
    let instance = fresh_instance();
    let driver = ground.driver(instance.clone())?;
    let spec = spec(&instance, "task", "exit 0")?;
    let handle = driver.ensure(spec.clone()).await?;
    exit(&driver, &spec.key).await?;
    soon("the shim has left", || Ok(processes(&ground, &spec).is_ok_and(|(shim, _)| !runs(shim))))
        .await?;
    // As a power cut would leave it: made during another boot, and the later files never written.
    let folder = ground.attempts()?[0].clone();
    for file in ["exit.json", "started", "shim.json"] {
        fs::remove_file(folder.join(file))?;
    }
    let text = fs::read_to_string(folder.join("spec.json"))?;
    let mut made: serde_json::Value = serde_json::from_str(&text)?;
    made["boot_id"] = "another".into();
    fs::write(folder.join("spec.json"), made.to_string())?;
    let seen = driver.inspect(&spec.key).await?;
    ensure!(matches!(&seen, Observed::Exited { exit, .. } if exit.interrupted), "{seen:?}");
    ensure!(driver.ensure(spec.clone()).await? == handle);
    ensure!(!folder.join("started").exists(), "it was started again");
    driver.remove(&handle).await?;
    nothing_is_left(&ground, &[spec]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_reaches_its_follower_at_once() -> Result<()> {
    let ground = Ground::new().await?;
    let instance = fresh_instance();
    let driver = ground.driver(instance.clone())?;
    // Each line is the time at which it was written, hundredths of a second since the start.
    let script = "for i in 1 2 3 4 5 6 7 8 9 10; do echo line; sleep 0.1; done";
    let spec = spec(&instance, "task", script)?;
    let handle = driver.ensure(spec.clone()).await?;
    let mut log = driver.logs(&handle, Cursor::default(), Follow::Yes);
    let mut late_ms = Vec::new();
    while let Some(frame) = tokio::time::timeout(PATIENCE, log.next()).await? {
        #[expect(clippy::disallowed_methods, reason = "frames carry the machine's time")]
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        late_ms.push(i64::try_from(now.as_millis())? - frame?.time_ns / 1_000_000);
    }
    late_ms.sort_unstable();
    ensure!(late_ms.len() == 10, "{late_ms:?}");
    // The median: one line in ten may meet a busy machine.
    ensure!(late_ms[5] <= 20, "lines come late, in ms: {late_ms:?}");
    driver.remove(&handle).await?;
    nothing_is_left(&ground, &[spec]).await
}
