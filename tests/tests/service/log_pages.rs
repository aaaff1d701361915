//! Logs by the page: any place, exact bytes, and a clear answer where there is no log.

use std::time::Duration;

use gofer_client::model::{
    EventKind, LogEndReason, LogState, LogStream, RunRef, RunStatus, TaskRunState,
};
use gofer_client::watch::{FollowLog, FollowRunLogs, LogUpdate, RunLogUpdate};
use gofer_client::{Cancel, ErrorKind, LogStart, Mode, ReadLog};
use gofer_proto::sdk::v1::RequiredStatus;
use gofer_tests::fake::{FakeImage, Program};

use super::support::{
    House, after, lines, one_at_once, pipeline, read_log, simple, soon, task, until,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_begins_at_any_line_and_paging_loses_nothing() {
    const N_LINES: u32 = 5_000;
    let house = House::up().await;
    let (program, bytes) = lines(N_LINES, Duration::ZERO);
    house.fake.program("talks", program);
    let run = house.start_new(simple("talks", "talks")).await;
    house.ends(&run, RunStatus::Successful).await;
    for (start, first, max_lines) in [
        (LogStart::First, 0, 10),
        (LogStart::Line(2_500), 2_500, 7),
        (LogStart::Line(4_999), 4_999, 10),
        (LogStart::Tail(3), 4_997, 10),
    ] {
        let read = ReadLog { max_lines: Some(max_lines), ..read_log(&run, "work", start.clone()) };
        let page = house.client.read_log(&read).await.unwrap();
        let want: Vec<u64> = (first..u64::from(N_LINES)).take(max_lines as usize).collect();
        let got: Vec<u64> = page.frames.iter().map(|frame| frame.line).collect();
        assert_eq!(got, want, "{start:?}");
        let text = format!("line {first} of {N_LINES}\n");
        assert_eq!(page.frames[0].data, text.as_bytes());
        assert_eq!(page.next_line, first + want.len() as u64);
        assert_eq!((page.total_lines, page.sealed), (u64::from(N_LINES), true));
        assert_eq!((page.total_bytes, page.attempt), (bytes.len() as u64, Some(1)));
    }
    let beyond = house.client.read_log(&read_log(&run, "work", LogStart::Line(u64::MAX))).await;
    assert_eq!(beyond.unwrap().frames, []);
    assert!(house.log_bytes(&run, "work").await == bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_longer_than_a_page_is_read_on_by_the_cursor() {
    let house = House::up().await;
    let long = [vec![b'x'; 3 << 20], b"\nafter\n".to_vec()].concat();
    house.fake.program("long", Program::exit(0).out(&long));
    let tasks = vec![task("work", "long"), task("other", "long")];
    let run = house.start_new(pipeline("long", tasks)).await;
    house.ends(&run, RunStatus::Successful).await;
    assert!(house.log_bytes(&run, "work").await == long);

    let page = house.client.read_log(&read_log(&run, "work", LogStart::First)).await.unwrap();
    let got: usize = page.frames.iter().map(|frame| frame.data.len()).sum();
    assert!(got < long.len() && page.next_line == 1, "the page does not end inside the line");
    let on = LogStart::Cursor(page.cursor.unwrap());
    let foreign = house.client.read_log(&read_log(&run, "other", on.clone())).await.unwrap_err();
    assert_eq!((foreign.kind, foreign.reason.as_str()), (ErrorKind::Invalid, "INVALID_CURSOR"));
    let (task_run, attempt) = (run.task("work"), None);
    let mut follow =
        house.client.follow_log(FollowLog { task_run, attempt, start: on, allow_gaps: false });
    let Some(Ok(LogUpdate::Frames { frames, .. })) = soon("frames", follow.next()).await else {
        panic!("nothing behind the page")
    };
    assert_eq!(frames[0].offset, got as u64, "a follower goes on where the page ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_come_back_exactly_with_their_streams() {
    let house = House::up().await;
    let binary: Vec<u8> = (0..=255).cycle().take(40_000).collect();
    let program = Program::exit(0)
        .out("normal\n")
        .err("LOG_REMOVED\n\0\n")
        .out(&binary)
        .err("\u{1f980} no newline at the end");
    house.fake.program("odd", program);
    let run = house.start_new(simple("odd", "odd")).await;
    house.ends(&run, RunStatus::Successful).await;
    let page = house.client.read_log(&read_log(&run, "work", LogStart::First)).await.unwrap();
    let of = |stream| {
        let frames = page.frames.iter().filter(move |frame| frame.stream == stream);
        frames.flat_map(|frame| frame.data.to_vec()).collect::<Vec<u8>>()
    };
    assert!(of(LogStream::Stdout) == [b"normal\n".as_slice(), &binary].concat());
    let errors = "LOG_REMOVED\n\0\n\u{1f980} no newline at the end";
    assert_eq!(of(LogStream::Stderr), errors.as_bytes());
    let offsets: Vec<u64> = page.frames.iter().map(|frame| frame.offset).collect();
    assert!(offsets.windows(2).all(|pair| pair[0] < pair[1]), "{offsets:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waited_for_a_run_finds_its_log_whole() {
    let house = House::up().await;
    house.fake.program("brief", Program::exit(0).out("one\n").err("two\n"));
    let pipeline = house.deploy(simple("brief", "brief")).await;
    house.fake.set_delay(Duration::from_millis(60)); // so that collecting takes its time
    for _ in 0..3 {
        let run = house.start(&pipeline).await;
        house.ends(&run, RunStatus::Successful).await;
        let page = house.client.read_log(&read_log(&run, "work", LogStart::First)).await.unwrap();
        assert_eq!((page.state, page.sealed, page.total_lines), (LogState::Sealed, true, 2));
    }
}

/// What a log says that will never have a line.
async fn check_none(house: &House, run: &RunRef, task: &str) {
    let page = house.client.read_log(&read_log(run, task, LogStart::First)).await.unwrap();
    assert_eq!((page.state, page.total_lines), (LogState::None, 0), "{task}");
    let (attempt, start, allow_gaps) = (None, LogStart::First, false);
    let what = FollowLog { task_run: run.task(task), attempt, start, allow_gaps };
    let mut follow = house.client.follow_log(what);
    let Some(Ok(LogUpdate::End(end))) = soon("the end", follow.next()).await else {
        panic!("the log of {task} goes on")
    };
    assert_eq!(end.reason, LogEndReason::None, "{task}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_never_started_has_no_log_and_says_so_at_once() {
    let house = House::up().await;
    house.fake.program("held", Program::forever());
    house.fake.image("nowhere", FakeImage::missing());
    let tasks = vec![
        task("held", "held"),
        task("unpulled", "nowhere"),
        after(task("skipped", "quick"), "unpulled", RequiredStatus::Success),
        after(task("waiting", "quick"), "held", RequiredStatus::Success),
    ];
    let run = house.start_new(pipeline("silent", tasks)).await;
    house.wait_running(&run, "held").await;
    let skipped = async || {
        let now = house.run(&run).await;
        let skipped = &super::support::task_of(&now, "skipped").status;
        skipped.is_some().then_some(())
    };
    until("a task was skipped", skipped).await;
    check_none(&house, &run, "skipped").await;
    check_none(&house, &run, "unpulled").await;
    let page = house.client.read_log(&read_log(&run, "waiting", LogStart::First)).await.unwrap();
    assert_eq!((page.state, page.attempt), (LogState::None, None));
    house.client.cancel_run(&run, Cancel::default()).await.unwrap();
    house.ends(&run, RunStatus::Cancelled).await;
    check_none(&house, &run, "waiting").await;
}

/// What every way to a removed log says.
async fn check_removed(house: &House, run: &RunRef) {
    let read = house.client.read_log(&read_log(run, "work", LogStart::First)).await;
    let error = read.unwrap_err();
    assert_eq!((error.kind, error.reason.as_str()), (ErrorKind::Rejected, "LOG_REMOVED"));
    assert!(error.next.is_some());
    let (attempt, start, allow_gaps) = (None, LogStart::First, false);
    let what = FollowLog { task_run: run.task("work"), attempt, start, allow_gaps };
    let mut follow = house.client.follow_log(what);
    let error = soon("an answer", follow.next()).await.unwrap().unwrap_err();
    assert_eq!((error.kind, error.reason.as_str()), (ErrorKind::Rejected, "LOG_REMOVED"));
    let all = FollowRunLogs { run: run.clone(), tasks: vec![], tail: None, allow_gaps };
    let mut merged = house.client.follow_run_logs(all);
    match soon("an answer", merged.next()).await.unwrap() {
        Ok(RunLogUpdate::End(_)) => {}
        Ok(other) => panic!("{other:?} of a log that was removed"),
        Err(error) => assert_eq!(error.reason, "LOG_REMOVED"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_log_says_that_it_was_removed() {
    let mut house = House::up().await;
    house.fake.program("talks", Program::exit(0).out("one\n").wait(Duration::from_millis(300)));
    let run = house.start_new(simple("cleared", "talks")).await;
    house.wait_running(&run, "work").await;
    let work = run.task("work");
    let error = house.client.delete_log(&work, None, Mode::Commit).await.unwrap_err();
    assert_eq!((error.kind, error.reason.as_str()), (ErrorKind::Rejected, "LOG_OPEN"));
    house.ends(&run, RunStatus::Successful).await;
    let collected = async || {
        house.client.delete_log(&work, None, Mode::DryRun).await.ok().map(|report| report.log_bytes)
    };
    assert_eq!(until("the log was whole", collected).await, 4);
    assert_eq!(house.log_bytes(&run, "work").await, b"one\n", "a dry run removes nothing");
    assert_eq!(house.client.delete_log(&work, None, Mode::Commit).await.unwrap().log_bytes, 4);
    check_removed(&house, &run).await;
    house.restart().await;
    check_removed(&house, &run).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_expire_after_so_many_later_runs() {
    let house = House::up_with(|config| config.engine.task_run_log_expiry = 2).await;
    house.fake.program("talks", Program::exit(0).out("words\n"));
    let pipeline = house.deploy(one_at_once("expiring", "talks")).await;
    let other = house.start_new(simple("other", "talks")).await;
    for n in 1..=5 {
        let run = house.start(&pipeline).await;
        house.ends(&run, RunStatus::Successful).await;
        assert_eq!(house.log_bytes(&run, "work").await, b"words\n", "run {n}");
    }
    let expired = async || {
        let read =
            house.client.read_log(&read_log(&pipeline.run(3), "work", LogStart::First)).await;
        read.is_err().then_some(())
    };
    until("the log of run 3 had expired", expired).await;
    check_removed(&house, &pipeline.run(1)).await;
    check_removed(&house, &pipeline.run(2)).await;
    check_removed(&house, &pipeline.run(3)).await;
    for kept in [pipeline.run(4), pipeline.run(5), other] {
        assert_eq!(house.log_bytes(&kept, "work").await, b"words\n", "{kept}");
    }
    let run = house.run(&pipeline.run(1)).await;
    let task = super::support::task_of(&run, "work");
    assert_eq!(task.state, TaskRunState::Complete);
    let log = super::support::last_attempt(task).log.unwrap();
    assert_eq!(log.state, LogState::Removed, "the run itself says so");
    assert!(!house.events(&[EventKind::LogsExpired]).await.is_empty());
}
