//! One test for each row of the error table, from the engine to the client: the code on the wire,
//! the typed details, and the kind that the client makes of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use gofer_client::model::{PipelineRef, RunStatus};
use gofer_client::{ClientError, Deploy, ErrorKind, LogStart, Mode, NewNamespace};
use gofer_proto::sdk::v1 as sdk;
use gofer_proto::v1 as pb;
use gofer_tests::fake::{FakeEngine, Program};
use gofer_tests::harness::{InProcess, client_of};
use pb::deployment_service_client::DeploymentServiceClient;
use pb::log_service_client::LogServiceClient;
use pb::namespace_service_client::NamespaceServiceClient;
use pb::pipeline_service_client::PipelineServiceClient;
use pb::run_service_client::RunServiceClient;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::spy::Spy;
use super::support::{
    House, NAMESPACE, declared, deploy, key_of, origin, pipeline, read_log, simple, start, task,
};
use super::wire;

async fn channel(house: &House) -> Channel {
    wire::channel(house.server.data_dir()).await
}

/// The same fault twice: as the wire has it and as the client tells it.
fn check(row: (Code, ErrorKind, &str), status: &Status, error: &ClientError) {
    let (code, kind, reason) = row;
    assert_eq!(status.code(), code, "{status:?}");
    assert_eq!((error.kind, error.reason.as_str()), (kind, reason), "{error:?}");
    assert_eq!(error.message, status.message(), "the client repeats what the server says");
    assert!(!error.message.ends_with('.') && !error.message.is_empty(), "{error:?}");
    assert!(!error.lost, "a server did answer: {error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_names_every_broken_rule_and_its_field() {
    let house = House::up().await;
    let mut bad = pipeline("faulty", vec![task("first", ""), task("se cond", "img")]);
    bad.tasks[0].depends_on.push(sdk::DependsOn { parent: "nobody".into(), ..Default::default() });
    bad.tasks[0].source = Some(sdk::Source { file: "a.rs".into(), line: 7, ..Default::default() });
    bad.tasks.push(task("third", "img"));
    bad.tasks[2].timeout_ms = Some(u64::MAX);
    let request = pb::RegisterPipelineRequest {
        namespace_id: NAMESPACE.into(),
        pipeline: Some(bad.clone()),
        ..Default::default()
    };
    let mut wire = PipelineServiceClient::new(channel(&house).await);
    let status = wire.register_pipeline(request).await.unwrap_err();
    let client = &house.client;
    let error = client
        .register_pipeline(NAMESPACE, &declared(bad), origin(), Mode::Commit)
        .await
        .unwrap_err();
    check((Code::InvalidArgument, ErrorKind::Invalid, "INVALID_PIPELINE"), &status, &error);
    let fields: Vec<&str> = error.violations.iter().map(|one| one.field.as_str()).collect();
    for part in ["tasks[first].image", "depends_on", "tasks[#2]", "tasks[third].timeout"] {
        assert!(fields.iter().any(|field| field.contains(part)), "{part} is not in {fields:?}");
    }
    assert!(error.violations.iter().all(|one| one.code.is_some() && !one.rule.is_empty()));
    assert!(error.violations.iter().any(|one| one.source.as_deref() == Some("a.rs:7")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_fits_into_an_answer_however_much_is_wrong() {
    let house = House::up().await;
    let id = "ü".repeat(200);
    let file = "a_folder/".repeat(100);
    let source = sdk::Source { file, line: 1, ..sdk::Source::default() };
    let faulty = || sdk::Task { source: Some(source.clone()), ..task(&id, &"X ".repeat(500)) };
    let tasks = (0..900).map(|_| faulty()).collect();
    let bad = declared(pipeline("very_faulty", tasks));
    let client = &house.client;
    let error = client.register_pipeline(NAMESPACE, &bad, origin(), Mode::Commit).await;
    let error = error.unwrap_err();
    assert_eq!((error.kind, error.reason.as_str()), (ErrorKind::Invalid, "INVALID_PIPELINE"));
    assert!(error.violations.len() >= 3, "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_found_offers_the_nearest_names() {
    let house = House::up().await;
    let run = house.start_new(simple("simple", "quick")).await;
    house.ends(&run, RunStatus::Successful).await;
    let request =
        pb::GetPipelineRequest { namespace_id: NAMESPACE.into(), pipeline_id: "simpel".into() };
    let mut wire = PipelineServiceClient::new(channel(&house).await);
    let status = wire.get_pipeline(request).await.unwrap_err();
    let error = house.client.pipeline(&PipelineRef::new(NAMESPACE, "simpel")).await.unwrap_err();
    check((Code::NotFound, ErrorKind::NotFound, "NOT_FOUND"), &status, &error);
    assert_eq!(error.nearest, ["simple"]);
    let others = [
        (house.client.namespace("testz").await.unwrap_err(), "tests"),
        (house.client.task_run(&run.task("wrok")).await.unwrap_err(), "work"),
        (
            house.client.read_log(&read_log(&run, "worc", LogStart::First)).await.unwrap_err(),
            "work",
        ),
        (house.client.deploy(deploy(&run.pipeline, 2)).await.unwrap_err(), "1"),
    ];
    for (error, nearest) in others {
        assert_eq!(
            (error.kind, error.nearest.as_slice()),
            (ErrorKind::NotFound, &[nearest.to_owned()][..])
        );
    }
    let error = house.client.run(&run.pipeline.run(2)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn already_exists_is_told_of_a_second_namespace() {
    let house = House::up().await;
    let request = pb::CreateNamespaceRequest { id: NAMESPACE.into(), ..Default::default() };
    let mut wire = NamespaceServiceClient::new(channel(&house).await);
    let status = wire.create_namespace(request).await.unwrap_err();
    let new = NewNamespace { id: NAMESPACE.into(), ..NewNamespace::default() };
    let error = house.client.create_namespace(new).await.unwrap_err();
    check((Code::AlreadyExists, ErrorKind::AlreadyExists, "NAMESPACE_EXISTS"), &status, &error);
    assert!(error.next.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejected_carries_the_reason_for_programs_and_the_next_step_for_people() {
    let house = House::up().await;
    house.register(simple("resting", "quick")).await;
    let pipeline = PipelineRef::new(NAMESPACE, "resting");
    let request = pb::StartRunRequest {
        namespace_id: NAMESPACE.into(),
        pipeline_id: "resting".into(),
        ..Default::default()
    };
    let mut wire = RunServiceClient::new(channel(&house).await);
    let status = wire.start_run(request).await.unwrap_err();
    let error = house.client.start_run(start(&pipeline)).await.unwrap_err();
    check((Code::FailedPrecondition, ErrorKind::Rejected, "NOTHING_DEPLOYED"), &status, &error);
    assert!(error.next.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conflict_is_told_of_a_deploy_on_a_base_that_is_not_live() {
    let house = House::up().await;
    let pipeline = house.deploy(simple("contended", "quick")).await;
    house.register(simple("contended", "other")).await;
    let request = pb::DeployRequest {
        namespace_id: NAMESPACE.into(),
        pipeline_id: "contended".into(),
        version: 2,
        base_version: Some(7),
        ..Default::default()
    };
    let mut wire = DeploymentServiceClient::new(channel(&house).await);
    let status = wire.deploy(request).await.unwrap_err();
    let order = Deploy { base_version: Some(7), ..deploy(&pipeline, 2) };
    let error = house.client.deploy(order).await.unwrap_err();
    check((Code::Aborted, ErrorKind::Conflict, "LIVE_VERSION_CHANGED"), &status, &error);
    assert_eq!(house.client.pipeline(&pipeline).await.unwrap().live_version, Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unavailable_says_that_no_server_answered_and_where() {
    let mut house = House::up().await;
    let channel = channel(&house).await;
    house.server.down().await;
    let request = pb::GetRunRequest::default();
    let status = RunServiceClient::new(channel).get_run(request).await.unwrap_err();
    let error = house.client.info().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.lost && error.message.contains(house.client.host()), "{error:?}");
    assert!(error.next.is_some(), "{error:?}");
    assert!(matches!(status.code(), Code::Unavailable | Code::Unknown), "{status:?}");
    house.server.up().await.unwrap();
    house.client.info().await.expect("the same client finds the server again");
}

/// The log files below a folder.
fn log_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(log_files(&path));
        } else if path.extension().is_some_and(|kind| kind == "log") {
            files.push(path);
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn internal_shows_an_id_and_nothing_of_the_inside() {
    let house = House::up().await;
    house.fake.program("talks", Program::exit(0).out("one\ntwo\nthree\n"));
    let run = house.start_new(simple("damaged", "talks")).await;
    house.ends(&run, RunStatus::Successful).await;
    house.log_bytes(&run, "work").await;
    let files = log_files(&house.server.data_dir().join("logs"));
    let [file] = files.as_slice() else { panic!("{files:?}") };
    let mut bytes = std::fs::read(file).unwrap();
    bytes[30] ^= 0xff;
    std::fs::write(file, bytes).unwrap();
    let request = pb::ReadLogRequest {
        namespace_id: NAMESPACE.into(),
        pipeline_id: "damaged".into(),
        run_id: 1,
        task_id: "work".into(),
        ..Default::default()
    };
    let mut wire = LogServiceClient::new(channel(&house).await);
    let status = wire.read_log(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    let error = house.client.read_log(&read_log(&run, "work", LogStart::First)).await.unwrap_err();
    assert_eq!((error.kind, error.reason.as_str()), (ErrorKind::Internal, "INTERNAL"));
    let id = error.error_id.clone().unwrap_or_else(|| panic!("no id in {error:?}"));
    assert!(error.message.contains(&id), "{error:?}");
    for secret in ["/", ".log", "frame", "corrupt"] {
        assert!(!error.message.contains(secret), "{error:?} tells of the inside");
    }
    let next = house.start(&run.pipeline).await;
    house.ends(&next, RunStatus::Successful).await;
    assert_eq!(house.log_bytes(&next, "work").await, b"one\ntwo\nthree\n");
}

/// A small file system of its own.
pub(crate) struct Small {
    folder: tempfile::TempDir,
}

impl Small {
    /// None where this user may not mount.
    pub(crate) fn mount(size: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            println!("not root: no small file system can be mounted, a full disk is not tested");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let option = format!("size={size}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &option, "tmpfs"]).arg(folder.path());
        assert!(mount.status().unwrap().success(), "could not mount a tmpfs");
        Some(Self { folder })
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Takes all room but so many bytes.
    pub(crate) fn fill_but(&self, n_bytes_left: u64) -> PathBuf {
        let path = self.folder.path().join(format!("ballast-{n_bytes_left}"));
        let mut ballast = std::fs::File::create(&path).unwrap();
        loop {
            let now = rustix::fs::statvfs(self.folder.path()).unwrap();
            let n_bytes = (now.f_bavail * now.f_frsize).saturating_sub(n_bytes_left);
            if n_bytes == 0 {
                return path;
            }
            let piece = vec![1; usize::try_from(n_bytes.min(1 << 20)).unwrap()];
            std::io::Write::write_all(&mut ballast, &piece).unwrap();
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.folder.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "could not unmount");
    }
}

/// A house whose data lies on a small file system.
pub(crate) async fn small_house(small: &Small) -> House {
    let fake = FakeEngine::new();
    let spy = Spy::new(&fake);
    let data_dir = small.data_dir();
    std::fs::create_dir(&data_dir).unwrap();
    let change = |config: &mut gofer_server::Config| config.data_dir = data_dir.clone();
    let server = InProcess::start_with(std::sync::Arc::new(spy.clone()), change).await.unwrap();
    let client = client_of(&data_dir).unwrap();
    let id = NAMESPACE.to_owned();
    client.create_namespace(NewNamespace { id, ..NewNamespace::default() }).await.unwrap();
    House { server, fake, spy, client }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_refuses_new_runs_finishes_old_ones_and_recovers_by_itself() {
    let Some(small) = Small::mount("48m") else { return };
    let mut house = small_house(&small).await;
    house.fake.program("held", Program::forever().out("words\n"));
    let pipeline = house.deploy(simple("held", "held")).await;
    let (first, second) = (house.start(&pipeline).await, house.start(&pipeline).await);
    let first_now = house.wait_running(&first, "work").await;
    let second_now = house.wait_running(&second, "work").await;
    let nearly = small.fill_but(8 * 1024 * 1024);
    let request = pb::StartRunRequest {
        namespace_id: NAMESPACE.into(),
        pipeline_id: "held".into(),
        ..Default::default()
    };
    let mut wire = RunServiceClient::new(wire::channel(&small.data_dir()).await);
    let status = wire.start_run(request).await.unwrap_err();
    let error = house.client.start_run(start(&pipeline)).await.unwrap_err();
    check((Code::ResourceExhausted, ErrorKind::Full, "DISK_FULL"), &status, &error);
    assert!(error.retry_after_ms.is_some() && error.next.is_some(), "{error:?}");
    house.fake.finish(&key_of(&first_now, "work", 1), 0);
    house.ends(&first, RunStatus::Successful).await;
    assert_eq!(house.log_bytes(&first, "work").await, b"words\n");
    let wholly = small.fill_but(0);
    house.fake.finish(&key_of(&second_now, "work", 1), 0);
    let error = house.client.start_run(start(&pipeline)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Full, "{error:?}");
    house.run(&second).await; // reading goes on
    std::fs::remove_file(wholly).unwrap();
    std::fs::remove_file(nearly).unwrap();
    house.ends(&second, RunStatus::Successful).await;
    house.fake.program("held", Program::exit(0));
    let third = house.start(&pipeline).await;
    assert_eq!(third.run, 3, "refused starts took no number");
    house.ends(&third, RunStatus::Successful).await;
    house.nothing_is_left().await;
    house.server.down().await;
}
