//! Deleting pipelines and namespaces: counted first, then gone with all that was theirs, and a
//! namesake begins anew.

use std::path::Path;

use futures_util::future::join_all;
use gofer_client::model::{DeletionReport, EventKind, PipelineRef, RunStatus};
use gofer_client::{ErrorKind, LogStart, Mode, NewNamespace};
use gofer_tests::fake::Program;

use super::support::{
    House, NAMESPACE, declared, deploy, key_of, one_at_once, origin, read_log, simple, start,
};

fn n_files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let count = |path: &Path| if path.is_dir() { n_files(path) } else { 1 };
    entries.map(|entry| count(&entry.unwrap().path())).sum()
}

/// A pipeline with one ended run, one that goes on and two that wait.
async fn busy(house: &House, namespace: &str, id: &str) -> PipelineRef {
    let pipeline = PipelineRef::new(namespace, id);
    let client = &house.client;
    let config = declared(one_at_once(id, "talks"));
    client.register_pipeline(namespace, &config, origin(), Mode::Commit).await.unwrap();
    client.deploy(deploy(&pipeline, 1)).await.unwrap();
    let first = house.start(&pipeline).await;
    house.fake.program("talks", Program::exit(0).out("some words\n"));
    house.ends(&first, RunStatus::Successful).await;
    house.log_bytes(&first, "work").await; // whole by now, and counted
    house.fake.program("talks", Program::forever().ignoring_term().out("more words\n"));
    let second = house.start(&pipeline).await;
    house.wait_running(&second, "work").await;
    house.start(&pipeline).await;
    house.start(&pipeline).await;
    pipeline
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_goes_with_its_runs_containers_logs_and_rows() {
    let house = House::up().await;
    house.fake.program("talks", Program::exit(0).out("some words\n"));
    let pipeline = busy(&house, NAMESPACE, "doomed").await;
    let logs = house.server.data_dir().join("logs");
    assert!(n_files(&logs) > 0);
    let mut want = DeletionReport {
        pipelines: 1,
        versions: 1,
        deployments: 1,
        runs: 4,
        active_runs: 3,
        log_bytes: 11,
    };
    let counted = house.client.delete_pipeline(&pipeline, Mode::DryRun).await.unwrap();
    want.log_bytes = counted.log_bytes.max(11);
    assert_eq!(counted, want);
    assert_eq!(house.runs(&pipeline).await.len(), 4, "counting takes nothing");
    let deleted = house.client.delete_pipeline(&pipeline, Mode::Commit).await.unwrap();
    assert_eq!((deleted.runs, deleted.active_runs), (4, 3));
    house.nothing_is_left().await;
    assert_eq!(n_files(&logs), 0, "logs are left");
    for run in 1..=4 {
        let error = house.client.run(&pipeline.run(run)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound);
    }
    let error = house.client.delete_pipeline(&pipeline, Mode::Commit).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert_eq!(house.events(&[EventKind::PipelineDeleted]).await.len(), 1);
    assert_eq!(house.events(&[EventKind::RunCreated]).await.len(), 4, "history stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namesake_begins_with_run_one_and_meets_nothing_of_the_past() {
    let house = House::up().await;
    house.fake.program("held", Program::forever());
    for round in 1..=12 {
        let run = house.start_new(simple("phoenix", "held")).await;
        assert_eq!(run.run, 1, "round {round}");
        let now = house.wait_running(&run, "work").await;
        assert_eq!((now.version, house.events(&[EventKind::RunStarted]).await.len()), (1, round));
        if round % 2 == 0 {
            house.fake.finish(&key_of(&now, "work", 1), 0);
            house.ends(&run, RunStatus::Successful).await;
        }
        if round % 3 == 0 {
            // Somebody looks at the old run while it goes.
            let mut watch = house.client.watch_run(run.clone());
            drop(watch.next().await);
        }
        house.client.delete_pipeline(&run.pipeline, Mode::Commit).await.unwrap();
    }
    house.nothing_is_left().await;
    assert_eq!(house.fake.all_starts().len(), 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_goes_with_all_its_pipelines_and_no_others() {
    let house = House::up().await;
    house.fake.program("talks", Program::exit(0).out("some words\n"));
    let id = "doomed".to_owned();
    house.client.create_namespace(NewNamespace { id, ..NewNamespace::default() }).await.unwrap();
    busy(&house, "doomed", "first").await;
    house.fake.program("talks", Program::exit(0).out("some words\n"));
    busy(&house, "doomed", "second").await;
    house.fake.program("talks", Program::exit(0).out("some words\n"));
    let kept = busy(&house, NAMESPACE, "first").await;
    for mode in [Mode::DryRun, Mode::Commit] {
        let report = house.client.delete_namespace("doomed", mode).await.unwrap();
        assert_eq!((report.pipelines, report.versions, report.deployments), (2, 2, 2));
        assert_eq!((report.runs, report.active_runs), (8, 6));
    }
    let error = house.client.namespace("doomed").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    let error = house.client.pipeline(&PipelineRef::new("doomed", "first")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert_eq!(house.runs(&kept).await.len(), 4, "a namesake elsewhere stays");
    assert_eq!(house.fake.left().iter().filter(|one| one.running).count(), 1);
    let page = house.client.read_log(&read_log(&kept.run(1), "work", LogStart::First)).await;
    assert_eq!(page.unwrap().total_lines, 1);
    house
        .client
        .cancel_all_runs(&kept, gofer_client::Cancel { force: true, reason: String::new() })
        .await
        .unwrap();
    house.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_and_deletions_that_race_leave_nothing_half_done() {
    let house = House::up().await;
    house.fake.program("held", Program::forever());
    for _ in 0..10 {
        let pipeline = house.deploy(simple("raced", "held")).await;
        let starts = join_all((0..10).map(|_| house.client.start_run(start(&pipeline))));
        let deletion = house.client.delete_pipeline(&pipeline, Mode::Commit);
        let (started, deleted) = tokio::join!(starts, deletion);
        deleted.unwrap();
        for answer in started {
            if let Err(error) = answer {
                assert!(
                    matches!(error.kind, ErrorKind::NotFound | ErrorKind::Rejected),
                    "{error:?}"
                );
            }
        }
        let error = house.client.pipeline(&pipeline).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound);
    }
    house.nothing_is_left().await;
}
