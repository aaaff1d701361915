//! What each builder call puts into the message, and the faults as people read them.

use gofer_proto::sdk::v1 as pb;

use super::{decoded, only_task};
use crate::{Pipeline, PullPolicy, Retries, Status, Task, secret};

fn task() -> Task {
    Task::new("build", "alpine:3")
}

/// Compares a task built by calls with the message that they should make, places left out.
#[track_caller]
fn check(built: Task, want: pb::Task) {
    let mut got = only_task(&Pipeline::new("demo", "Demo").tasks([built]));
    assert!(got.source.take().is_some(), "a task has a place");
    let want = pb::Task { id: "build".into(), image: "alpine:3".into(), ..want };
    assert_eq!(got, want);
}

#[test]
fn each_call_fills_its_field() {
    let none = pb::Task::default;
    check(task(), none());
    check(task().description("d"), pb::Task { description: "d".into(), ..none() });
    let auth = pb::RegistryAuth { username: "ann".into(), password: "secret{{pull}}".into() };
    let want = pb::Task { registry_auth: Some(auth), ..none() };
    check(task().registry_auth("ann", secret("pull")), want);
    for (policy, want) in [
        (PullPolicy::IfNotPresent, pb::PullPolicy::IfNotPresent),
        (PullPolicy::Always, pb::PullPolicy::Always),
        (PullPolicy::Never, pb::PullPolicy::Never),
    ] {
        check(task().pull(policy), pb::Task { pull_policy: want.into(), ..none() });
    }
    let words = || vec!["a".to_owned(), "b c".to_owned()];
    check(task().entrypoint(["x"]).entrypoint(words()), pb::Task { entrypoint: words(), ..none() });
    check(task().command(["a", "b c"]), pb::Task { command: words(), ..none() });
    let script = |text: &str| pb::Task { script: Some(text.into()), ..none() };
    check(task().script(" echo"), script(" echo"));
    check(task().script("\n  echo a\n   b\n  "), script("echo a\n b\n"));
    check(task().user("1000:0"), pb::Task { user: Some("1000:0".into()), ..none() });
    check(task().user("").workdir(""), none());
    check(task().workdir("/src"), pb::Task { workdir: Some("/src".into()), ..none() });
    check(task().cpu("500m"), pb::Task { cpu_milli: Some(500), ..none() });
    check(task().cpu("500m").cpu("1.5"), pb::Task { cpu_milli: Some(1_500), ..none() });
    check(task().memory("2GiB"), pb::Task { memory_bytes: Some(2 << 30), ..none() });
    check(task().timeout("1h30m"), pb::Task { timeout_ms: Some(5_400_000), ..none() });
}

#[test]
fn retries_are_a_number_or_a_number_with_waits() {
    let want = |retries| pb::Task { retries: Some(retries), ..pb::Task::default() };
    check(task().retries(3), want(pb::Retries { count: 3, ..pb::Retries::default() }));
    check(task().retries(3_u32), want(pb::Retries { count: 3, ..pb::Retries::default() }));
    let all = pb::Retries { count: 3, delay_ms: Some(0), factor: Some(2.0), cap_ms: Some(60_000) };
    check(task().retries(Retries::new(3).delay("0s").factor(2.0).cap("1m")), want(all));
}

#[test]
fn variables_and_labels_keep_their_order_and_the_last_value_of_a_key() {
    let pair = |key: &str, value: &str| pb::Variable { key: key.into(), value: value.into() };
    let variables = vec![pair("mode", "slow"), pair("TOKEN", "x secret{{deploy}}"), pair("A", "")];
    let built = task()
        .variable("mode", "fast")
        .variables([("TOKEN", format!("x {}", secret("deploy"))), ("A", String::new())])
        .variable("mode", "slow");
    check(built, pb::Task { variables, ..pb::Task::default() });
    let labels = vec!["team=web=1".to_owned(), "nightly=".to_owned()];
    let built = task().label("team", "x").label("nightly", "").label("team", "web=1");
    check(built, pb::Task { labels, ..pb::Task::default() });
}

#[test]
fn edges_are_the_same_whatever_names_the_parent() {
    let by_name = [("one", Status::Any), ("two", Status::Success), ("two_b", Status::Failure)];
    let mut pipeline = Pipeline::new("demo", "Demo");
    let one = pipeline.task(Task::new("one", "alpine:3"));
    let [two, two_b] = ["two", "two_b"].map(|id| Task::new(id, "alpine:3"));
    let handles = task().after(&one).on_success(&two).on_failure([&two_b]);
    let ids = task().after("one").on_success(["two"]).on_failure(String::from("two_b"));
    let single = by_name.iter().fold(task(), |task, (id, status)| task.depends_on(*id, *status));
    let list: Vec<&str> = Vec::new();
    let many = task().depends_on_many(by_name).after(list);
    let want: Vec<(String, i32)> = [
        ("one", pb::RequiredStatus::Any),
        ("two", pb::RequiredStatus::Success),
        ("two_b", pb::RequiredStatus::Failure),
    ]
    .map(|(id, status)| (id.to_owned(), status.into()))
    .into();
    for built in [handles, ids, single, many] {
        let plan = pipeline.clone().tasks([two.clone(), two_b.clone(), built]).plan();
        assert_eq!(plan.fault_text(), "");
        let tasks = decoded(&plan).pipelines.remove(0).tasks;
        let edges = tasks[3].depends_on.iter();
        assert_eq!(edges.map(|edge| (edge.parent.clone(), edge.status)).collect::<Vec<_>>(), want);
    }
}

#[test]
fn a_pipeline_has_its_own_fields() {
    let built = Pipeline::new("demo", "").description("d").parallelism(2).timeout("1d");
    let program = decoded(&built.clone().tasks([task()]).plan());
    let got = &program.pipelines[0];
    assert_eq!(
        (got.id.as_str(), got.name.as_str(), got.description.as_str()),
        ("demo", "demo", "d")
    );
    assert_eq!((got.parallelism, got.timeout_ms), (Some(2), Some(86_400_000)));
    let program = decoded(&built.parallelism(0).plan());
    assert_eq!(program.pipelines[0].parallelism, None);
}

#[test]
fn every_node_and_edge_has_its_own_place() {
    let line = line!();
    let one = Task::new("one", "alpine:3");
    let two = Task::new("two", "alpine:3");
    let two = two.after("one");
    let pipeline = Pipeline::new("demo", "Demo");
    let pipeline = pipeline.tasks([one, two]);
    let program = decoded(&pipeline.plan());
    let got = &program.pipelines[0];
    let edge = got.tasks[1].depends_on[0].source.as_ref();
    let all =
        [got.source.as_ref(), got.tasks[0].source.as_ref(), got.tasks[1].source.as_ref(), edge];
    let lines = all.map(|place| {
        let place = place.unwrap();
        assert!(place.file.ends_with("src/tests/calls.rs"), "{}", place.file);
        place.line - line
    });
    assert_eq!(lines, [4, 1, 2, 3]);
}

#[test]
fn debug_output_shows_no_password() {
    let pipeline = Pipeline::new("demo", "Demo").tasks([task().registry_auth("ann", "hunter2")]);
    assert!(!format!("{pipeline:?}").contains("hunter2"));
    assert!(!format!("{:?}", pipeline.plan()).contains("hunter2"));
    assert!(!pipeline.plan().text().contains("hunter2"));
}

#[test]
fn a_plan_reads_as_a_graph() {
    let mut demo = Pipeline::new("demo", "Demo").description("For show.").timeout("90m");
    demo = demo.parallelism(2);
    let fetch = demo.task(Task::new("fetch", "alpine:3").cpu("1.5").memory("1GB").timeout("1s"));
    let build = demo.task(task().retries(2).on_success(&fetch));
    demo.task(Task::new("alarm", "alpine:3").on_failure([&fetch, &build]));
    demo.task(Task::new("lint", "alpine\x1b[2J"));
    demo.task(Task::new("report", "alpine:3").after(&fetch).on_success("nobody"));
    insta::assert_snapshot!(demo.plan().text());
}

#[test]
fn faults_are_shown_with_place_and_help() {
    let faults = Pipeline::new("demo", "Demo").tasks([
        task().timeout("30"),
        Task::new("deploy", "").on_success("biuld"),
        Task::new("hen", "alpine:3").on_success("egg"),
        Task::new("egg", "alpine:3").on_success("hen"),
    ]);
    insta::assert_snapshot!(faults.plan().fault_text());
}

#[test]
fn a_program_without_pipelines_is_a_fault_without_a_place() {
    let plan = crate::Plan::of(Vec::new());
    assert_eq!(plan.fault_text(), "error[G0202]: the program declares no pipeline\n");
    assert_eq!(decoded(&plan).diagnostics[0].source, None);
}
