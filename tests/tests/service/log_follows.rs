//! Following logs: live, from any place, and on from every cursor without a gap or a repeat.

use std::time::Duration;

use gofer_client::LogStart;
use gofer_client::model::{LogEndReason, RunRef, RunStatus};
use gofer_client::watch::{FollowLog, FollowRunLogs, LogUpdate, RunLogUpdate};
use gofer_proto::v1 as pb;
use gofer_tests::fake::Program;
use pb::log_service_client::LogServiceClient;
use tokio::time::Instant;
use tonic::transport::Channel;

use super::support::{House, key_of, lines, pipeline, simple, soon, task};
use super::wire;

fn follow(run: &RunRef, start: LogStart) -> FollowLog {
    FollowLog { task_run: run.task("work"), attempt: None, start, allow_gaps: false }
}

/// Reads a followed log to its end.
async fn read_all(house: &House, what: FollowLog) -> Vec<u8> {
    let (mut bytes, mut stream) = (Vec::new(), house.client.follow_log(what));
    loop {
        match soon("the log", stream.next()).await.unwrap().unwrap() {
            LogUpdate::Frames { frames, .. } => {
                bytes.extend(frames.iter().flat_map(|frame| frame.data.to_vec()));
            }
            LogUpdate::Gap(gap) => panic!("{gap:?} though none was allowed"),
            LogUpdate::Lost(_) => {}
            LogUpdate::End(end) => {
                assert_eq!(end.reason, LogEndReason::Sealed);
                return bytes;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_is_seen_while_the_task_runs() {
    const N_LINES: usize = 20;
    const EVERY: Duration = Duration::from_millis(25);
    let house = House::up().await;
    let mut program = Program::forever();
    for n in 0..N_LINES {
        program = program.wait(EVERY).out(format!("tick {n}\n"));
    }
    house.fake.program("ticks", program);
    let run = house.start_new(simple("ticks", "ticks")).await;
    let mut stream = house.client.follow_log(follow(&run, LogStart::First));
    let (mut n_seen, mut n_batches, begun) = (0, 0, Instant::now());
    while n_seen < N_LINES {
        if let LogUpdate::Frames { frames, .. } =
            soon("a line", stream.next()).await.unwrap().unwrap()
        {
            n_seen += frames.len();
            n_batches += 1;
        }
    }
    assert!(n_batches >= N_LINES / 2, "{n_batches} batches: lines were held back");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let now = house.wait_running(&run, "work").await;
    house.fake.finish(&key_of(&now, "work", 1), 0);
    let end = soon("the end", stream.next()).await.unwrap().unwrap();
    assert!(matches!(end, LogUpdate::End(end) if end.reason == LogEndReason::Sealed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_comes_before_the_task_waits_for_it() {
    let house = House::up().await;
    house.fake.program("held", Program::forever());
    let (program, bytes) = lines(50, Duration::from_millis(1));
    house.fake.program("talks", program);
    let child = super::support::after(
        task("work", "talks"),
        "first",
        gofer_proto::sdk::v1::RequiredStatus::Success,
    );
    let run = house.start_new(pipeline("patient", vec![task("first", "held"), child])).await;
    let now = house.wait_running(&run, "first").await;
    let reading = read_all(&house, follow(&run, LogStart::First));
    let finish = async {
        tokio::task::yield_now().await;
        house.fake.finish(&key_of(&now, "first", 1), 0);
    };
    let (read, ()) = tokio::join!(reading, finish);
    assert!(read == bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_begins_where_it_likes() {
    let house = House::up().await;
    let (program, bytes) = lines(500, Duration::ZERO);
    house.fake.program("talks", program);
    let run = house.start_new(simple("talks", "talks")).await;
    house.ends(&run, RunStatus::Successful).await;
    let all: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    for (start, first) in [
        (LogStart::First, 0),
        (LogStart::Line(0), 0),
        (LogStart::Line(321), 321),
        (LogStart::Line(500), 500),
        (LogStart::Line(u64::MAX), 500),
        (LogStart::Tail(0), 500),
        (LogStart::Tail(9), 491),
        (LogStart::Tail(u64::MAX), 0),
    ] {
        let read = read_all(&house, follow(&run, start.clone())).await;
        assert!(read == all[first..].concat(), "{start:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_survives_restarts_without_loss_or_repetition() {
    let mut house = House::up().await;
    let (program, bytes) = lines(300, Duration::from_millis(4));
    house.fake.program("talks", program);
    let run = house.start_new(simple("talks", "talks")).await;
    let client = house.client.clone();
    let mut stream = client.follow_log(follow(&run, LogStart::First));
    let (mut read, mut restart_at) = (Vec::new(), 1_000);
    loop {
        match soon("the log", stream.next()).await.unwrap().unwrap() {
            LogUpdate::Frames { frames, .. } => {
                read.extend(frames.iter().flat_map(|frame| frame.data.to_vec()));
            }
            LogUpdate::Lost(_) => {}
            other @ LogUpdate::Gap(_) => panic!("{other:?}"),
            LogUpdate::End(_) => break,
        }
        if read.len() > restart_at && restart_at < 3_500 {
            house.restart().await;
            restart_at += 1_200;
        }
    }
    assert!(read == bytes, "{} bytes of {}", read.len(), bytes.len());
}

fn log_request(run: &RunRef, cursor: Option<bytes::Bytes>) -> pb::FollowLogRequest {
    pb::FollowLogRequest {
        namespace_id: run.pipeline.namespace.clone(),
        pipeline_id: run.pipeline.pipeline.clone(),
        run_id: run.run,
        task_id: "work".into(),
        start: cursor.map(pb::follow_log_request::Start::Cursor),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_batch_has_a_cursor_that_goes_on_right_after_it() {
    let mut house = House::up().await;
    let mut program = Program::exit(0);
    let mut bytes: Vec<u8> = Vec::new();
    for n in 0..150 {
        let line = format!("{n} {}\n", "y".repeat(9_000 + n * 7));
        bytes.extend(line.as_bytes());
        program = program.out(line);
    }
    house.fake.program("talks", program);
    let run = house.start_new(simple("talks", "talks")).await;
    house.ends(&run, RunStatus::Successful).await;
    let (mut read, mut cursor, mut n_batches) = (Vec::new(), None, 0);
    loop {
        let mut wire = LogServiceClient::new(wire::channel(house.server.data_dir()).await);
        let mut stream = wire.follow_log(log_request(&run, cursor)).await.unwrap().into_inner();
        let first = soon("a message", stream.message()).await.unwrap().unwrap();
        match first.item.unwrap() {
            pb::follow_log_response::Item::Batch(batch) => {
                assert_eq!(batch.frames[0].offset, read.len() as u64);
                read.extend(batch.frames.iter().flat_map(|frame| frame.data.to_vec()));
                cursor = Some(batch.cursor);
                n_batches += 1;
            }
            pb::follow_log_response::Item::End(_) => break,
            other @ pb::follow_log_response::Item::Gap(_) => panic!("{other:?}"),
        }
        if n_batches == 2 {
            house.restart().await;
        }
    }
    assert!(n_batches >= 4, "only {n_batches} batches");
    assert!(read == bytes);
}

async fn merged(
    channel: &Channel,
    run: &RunRef,
    cursor: Option<bytes::Bytes>,
) -> Option<pb::RunLogBatch> {
    let request = pb::FollowRunLogsRequest {
        namespace_id: run.pipeline.namespace.clone(),
        pipeline_id: run.pipeline.pipeline.clone(),
        run_id: run.run,
        start: cursor.map(pb::follow_run_logs_request::Start::Cursor),
        ..Default::default()
    };
    let mut wire = LogServiceClient::new(channel.clone());
    let mut stream = wire.follow_run_logs(request).await.unwrap().into_inner();
    let first = soon("a message", stream.message()).await.unwrap().unwrap();
    match first.item.unwrap() {
        pb::follow_run_logs_response::Item::Batch(batch) => Some(batch),
        pb::follow_run_logs_response::Item::End(_) => None,
        other @ pb::follow_run_logs_response::Item::Gap(_) => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn merged_logs_come_in_time_order_and_go_on_from_every_cursor() {
    const N_LINES: usize = 100;
    const TASKS: [&str; 3] = ["alpha", "beta", "gamma"];
    let house = House::up().await;
    for (shift, name) in TASKS.iter().enumerate() {
        let mut program = Program::exit(0).wait(Duration::from_millis(shift as u64));
        for n in 0..N_LINES {
            let line = format!("{name} {n} {}\n", "z".repeat(12_000));
            program = program.out(line).wait(Duration::from_millis(3));
        }
        house.fake.program(name, program);
    }
    let tasks = TASKS.iter().map(|name| task(name, name)).collect();
    let run = house.start_new(pipeline("choir", tasks)).await;
    house.ends(&run, RunStatus::Successful).await;
    for name in TASKS {
        house.log_bytes(&run, name).await; // whole by now
    }
    let channel = wire::channel(house.server.data_dir()).await;
    let (mut frames, mut cursor, mut n_batches) = (Vec::new(), None, 0);
    while let Some(batch) = merged(&channel, &run, cursor.clone()).await {
        frames.extend(batch.frames);
        cursor = Some(batch.cursor);
        n_batches += 1;
    }
    assert!(n_batches >= 3, "only {n_batches} batches");
    let times: Vec<i64> = frames.iter().map(|one| one.frame.as_ref().unwrap().time_ns).collect();
    assert!(times.is_sorted(), "not in the order of time");
    for name in TASKS {
        let own = frames.iter().filter(|one| one.task_id == name);
        let lines: Vec<u64> = own.map(|one| one.frame.as_ref().unwrap().line).collect();
        assert_eq!(lines, (0..N_LINES as u64).collect::<Vec<_>>(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn merged_logs_are_live_and_survive_a_restart() {
    let mut house = House::up().await;
    let mut want = Vec::new();
    for name in ["alpha", "beta"] {
        let mut program = Program::exit(0);
        for n in 0..80 {
            program = program.out(format!("{name} {n}\n")).wait(Duration::from_millis(6));
            want.push(format!("{name} {n}\n"));
        }
        house.fake.program(name, program);
    }
    let tasks = vec![task("alpha", "alpha"), task("beta", "beta")];
    let run = house.start_new(pipeline("choir", tasks)).await;
    let what = FollowRunLogs { run: run.clone(), tasks: vec![], tail: None, allow_gaps: false };
    let mut stream = house.client.clone().follow_run_logs(what);
    let (mut seen, mut restarted) = (Vec::new(), false);
    loop {
        match soon("the logs", stream.next()).await.unwrap().unwrap() {
            RunLogUpdate::Frames(frames) => seen.extend(
                frames.iter().map(|one| String::from_utf8(one.frame.data.to_vec()).unwrap()),
            ),
            RunLogUpdate::Lost(_) => {}
            other @ RunLogUpdate::Gap(_) => panic!("{other:?}"),
            RunLogUpdate::End(_) => break,
        }
        if seen.len() > 40 && !restarted {
            restarted = true;
            house.restart().await;
        }
    }
    assert!(restarted, "it never was live");
    for name in ["alpha", "beta"] {
        let of = |lines: &[String]| {
            lines.iter().filter(|line| line.starts_with(name)).cloned().collect::<Vec<_>>()
        };
        assert_eq!(of(&seen), of(&want), "{name}");
    }
}
