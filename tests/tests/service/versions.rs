//! Versions and deployments: the same twice, back again, the limit, and what runs remember.

use gofer_client::model::{
    ConfigState, EventKind, PageRequest, PipelineConfig, PipelineRef, RunStatus,
};
use gofer_client::{Deploy, ErrorKind, Mode, Rollback};
use gofer_tests::fake::Program;

use super::support::{House, NAMESPACE, declared, deploy, key_of, origin, simple, task_of};

/// The state of the version that new runs take.
pub(super) const LIVE: ConfigState = ConfigState::Live;

async fn states(house: &House, pipeline: &PipelineRef) -> Vec<(u64, ConfigState)> {
    let page = house.client.pipeline_configs(pipeline, &PageRequest::default()).await.unwrap();
    page.items.iter().map(|one: &PipelineConfig| (one.version, one.state)).collect()
}

fn back(pipeline: &PipelineRef, base_version: Option<u64>) -> Rollback {
    let pipeline = pipeline.clone();
    Rollback { pipeline, base_version, reason: "it broke".to_owned(), mode: Mode::Commit }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_config_twice_makes_one_version() {
    let house = House::up().await;
    let client = &house.client;
    let config = declared(simple("steady", "image1"));
    for (mode, changed, created) in [
        (Mode::DryRun, true, true),
        (Mode::DryRun, true, true),
        (Mode::Commit, true, true),
        (Mode::Commit, false, false),
        (Mode::DryRun, false, false),
    ] {
        let answer = client.register_pipeline(NAMESPACE, &config, origin(), mode).await.unwrap();
        assert_eq!((answer.version, answer.changed), (1, changed));
        assert_eq!(answer.created_pipeline, created);
    }
    assert_eq!(house.register(simple("steady", "image2")).await, 2);
    assert_eq!(house.register(simple("steady", "image1")).await, 3, "only the newest is compared");
    assert_eq!(house.events(&[EventKind::PipelineRegistered]).await.len(), 3);
    let at_once =
        futures_util::future::join_all((0..20).map(|_| house.register(simple("steady", "image4"))));
    assert_eq!(at_once.await, [4; 20]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deploy_of_what_is_live_changes_nothing_and_says_so() {
    use ConfigState::{Deprecated, Live, Unreleased};
    let house = House::up().await;
    let pipeline = house.deploy(simple("released", "image1")).await;
    house.register(simple("released", "image2")).await;
    let again = house.client.deploy(deploy(&pipeline, 1)).await.unwrap();
    assert_eq!((again.changed, again.deployment.id), (false, 1));
    assert_eq!(states(&house, &pipeline).await, [(2, Unreleased), (1, Live)]);
    let dry = Deploy { mode: Mode::DryRun, ..deploy(&pipeline, 2) };
    let rehearsed = house.client.deploy(dry).await.unwrap();
    assert!(rehearsed.changed && rehearsed.deployment.from_version == Some(1));
    assert_eq!(states(&house, &pipeline).await, [(2, Unreleased), (1, Live)], "only rehearsed");
    let based = Deploy { base_version: Some(1), ..deploy(&pipeline, 2) };
    assert!(house.client.deploy(based.clone()).await.unwrap().changed);
    assert!(!house.client.deploy(based).await.unwrap().changed, "a repeated call is no conflict");
    assert_eq!(states(&house, &pipeline).await, [(2, Live), (1, Deprecated)]);
    let run = house.start(&pipeline).await;
    assert_eq!(house.ends(&run, RunStatus::Successful).await.version, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_goes_to_the_version_before_and_running_runs_stay_with_theirs() {
    let house = House::up().await;
    house.fake.program("image2", Program::forever());
    let pipeline = house.deploy(simple("retreat", "image1")).await;
    house.deploy(simple("retreat", "image2")).await;
    let pinned = house.start(&pipeline).await;
    let now = house.wait_running(&pinned, "work").await;
    let error = house.client.rollback(back(&pipeline, Some(1))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict, "version 2 is live");
    let rolled = house.client.rollback(back(&pipeline, Some(2))).await.unwrap();
    let (deployment, changed) = (rolled.deployment, rolled.changed);
    assert_eq!((deployment.from_version, deployment.to_version, changed), (Some(2), 1, true));
    assert_eq!(deployment.initiator.reason, "it broke");
    assert!(deployment.reason.contains("rolled back"), "{deployment:?}");
    let error = house.client.rollback(back(&pipeline, None)).await.unwrap_err();
    assert_eq!((error.kind, &*error.reason), (ErrorKind::Rejected, "NOTHING_TO_ROLL_BACK_TO"));
    let next = house.start(&pipeline).await;
    assert_eq!(house.ends(&next, RunStatus::Successful).await.version, 1);
    house.fake.finish(&key_of(&now, "work", 1), 0);
    let done = house.ends(&pinned, RunStatus::Successful).await;
    assert_eq!((done.version, task_of(&done, "work").image.as_str()), (2, "image2"));
    let ids: Vec<u64> = house
        .client
        .deployments(&pipeline, &PageRequest::default())
        .await
        .unwrap()
        .items
        .iter()
        .map(|one| one.id)
        .collect();
    assert_eq!(ids, [3, 2, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_versions_go_and_runs_keep_what_they_ran() {
    let mut house = House::up_with(|config| config.engine.pipeline_version_limit = 3).await;
    let pipeline = house.deploy(simple("pruned", "image1")).await;
    let run = house.start(&pipeline).await;
    let before = house.settles(&run).await;
    for n in 2..=7 {
        house.deploy(simple("pruned", &format!("image{n}"))).await;
    }
    use ConfigState::{Deprecated, Live};
    let kept = [(7, Live), (6, Deprecated), (5, Deprecated)];
    assert_eq!(states(&house, &pipeline).await, kept);
    let error = house.client.pipeline_config(&pipeline, Some(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    house.restart().await;
    assert_eq!(house.run(&run).await, before, "history never breaks");
    let again = house.client.retry_run(&run, "").await.unwrap();
    let again = house.ends(&again.reference(), RunStatus::Successful).await;
    assert_eq!((again.version, again.retry_of), (1, Some(1)));
    assert_eq!(task_of(&again, "work").image, "image1");
    let gone = house.events(&[EventKind::VersionDeleted]).await;
    let versions: Vec<u64> = gone.iter().filter_map(|event| event.version).collect();
    assert_eq!(versions, [1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_is_deleted_by_hand_unless_it_is_live() {
    let house = House::up().await;
    let pipeline = house.deploy(simple("picked", "image1")).await;
    house.deploy(simple("picked", "image2")).await;
    house.register(simple("picked", "image3")).await;
    let client = &house.client;
    let error = client.delete_pipeline_config(&pipeline, 2, Mode::Commit).await.unwrap_err();
    assert_eq!((error.kind, error.reason.as_str()), (ErrorKind::Rejected, "VERSION_LIVE"));
    for version in [3, 1] {
        for mode in [Mode::DryRun, Mode::Commit] {
            let report = client.delete_pipeline_config(&pipeline, version, mode).await.unwrap();
            assert_eq!(report.versions, 1);
        }
        let error = client.delete_pipeline_config(&pipeline, version, Mode::Commit).await;
        assert_eq!(error.unwrap_err().kind, ErrorKind::NotFound);
    }
    assert_eq!(states(&house, &pipeline).await, [(2, LIVE)]);
    assert_eq!(house.register(simple("picked", "image3")).await, 4, "no number comes twice");
}
