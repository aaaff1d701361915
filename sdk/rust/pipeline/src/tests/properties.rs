//! Whatever an author calls with whatever arguments: nothing panics, the message can be read, and a
//! program without faults is one whose graph can run.

use std::collections::BTreeSet;

use gofer_proto::sdk::v1 as pb;
use proptest::prelude::*;

use super::decoded;
use crate::{Pipeline, Plan, PullPolicy, Retries, Status, Task};

/// One builder call on a task.
#[derive(Debug, Clone)]
enum Call {
    Text(u8, String, String),
    List(u8, Vec<String>),
    Edge(u8, String),
    Retries(i32, String, f64, String),
}

/// Ids that often meet each other, and any other text.
fn id() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-d]{3}", 1 => any::<String>()]
}

/// Values that are often nearly right.
fn value() -> impl Strategy<Value = String> {
    prop_oneof!["[0-9]{0,3}(\\.[0-9]{0,2})?[a-zA-Z]{0,3}", "\n[ \ta\n#é]*", any::<String>()]
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        3 => (any::<u8>(), value(), value()).prop_map(|(n, a, b)| Call::Text(n, a, b)),
        1 => (any::<u8>(), prop::collection::vec(value(), 0..3)).prop_map(|(n, l)| Call::List(n, l)),
        3 => (any::<u8>(), id()).prop_map(|(n, parent)| Call::Edge(n, parent)),
        1 => (any::<i32>(), value(), any::<f64>(), value())
            .prop_map(|(n, delay, factor, cap)| Call::Retries(n, delay, factor, cap)),
    ]
}

fn apply(task: Task, call: Call) -> Task {
    match call {
        Call::Text(n, a, b) => match n % 11 {
            0 => task.description(a),
            1 => task.registry_auth(a, b),
            2 => task.script(a),
            3 => task.user(a),
            4 => task.workdir(a),
            5 => task.cpu(a),
            6 => task.memory(a),
            7 => task.timeout(a),
            8 => task.label(a, b),
            9 => task.variable(a, b),
            _ => task.pull(PullPolicy::Always),
        },
        Call::List(n, list) => match n % 4 {
            0 => task.entrypoint(list),
            1 => task.command(list),
            2 => task.on_success(list),
            _ => task.variables(list.into_iter().map(|text| (text.clone(), text))),
        },
        Call::Edge(n, parent) => match n % 4 {
            0 => task.after(parent),
            1 => task.on_success(parent),
            2 => task.on_failure(&parent),
            _ => task.depends_on_many([(parent, Status::Any)]),
        },
        Call::Retries(count, delay, factor, cap) if count % 2 == 0 => {
            let retries = Retries::new(count.unsigned_abs()).delay(delay).factor(factor).cap(cap);
            task.retries(retries)
        }
        Call::Retries(count, ..) => task.retries(count),
    }
}

fn task() -> impl Strategy<Value = Task> {
    (id(), "[a-z]{0,2}", prop::collection::vec(call(), 0..5))
        .prop_map(|(id, image, calls)| calls.into_iter().fold(Task::new(id, image), apply))
}

fn pipeline() -> impl Strategy<Value = Pipeline> {
    (id(), any::<String>(), value(), any::<u32>(), prop::collection::vec(task(), 0..5)).prop_map(
        |(id, name, timeout, n, tasks)| {
            let pipeline = Pipeline::new(id, name).description(timeout.clone()).parallelism(n);
            let pipeline = if n % 2 == 0 { pipeline.timeout(timeout) } else { pipeline };
            pipeline.tasks(tasks)
        },
    )
}

/// A graph of well-formed tasks, often without a fault.
fn graph() -> impl Strategy<Value = Pipeline> {
    let parents = prop::collection::vec(0_usize..6, 0..3);
    prop::collection::vec(parents, 1..6).prop_map(|tasks| {
        let id = |at: usize| format!("task_{at}");
        let tasks = tasks.into_iter().enumerate().map(|(at, parents)| {
            let parents: Vec<String> = parents.into_iter().map(id).collect();
            Task::new(id(at), "alpine:3").on_success(parents)
        });
        Pipeline::new("graph", "Graph").tasks(tasks)
    })
}

/// Whether the tasks can run one after the other, each after all of its parents, as a naive scheduler
/// would do it.
fn can_run(pipeline: &pb::Pipeline) -> bool {
    let mut done = BTreeSet::new();
    for _ in &pipeline.tasks {
        for task in &pipeline.tasks {
            if task.depends_on.iter().all(|edge| done.contains(&edge.parent)) {
                done.insert(task.id.clone());
            }
        }
    }
    done.len() == pipeline.tasks.len()
}

/// Whether some task names a parent twice, which alone keeps a graph from being registered.
fn names_twice(pipeline: &pb::Pipeline) -> bool {
    pipeline.tasks.iter().any(|task| {
        let parents: BTreeSet<&str> =
            task.depends_on.iter().map(|edge| edge.parent.as_str()).collect();
        parents.len() < task.depends_on.len()
    })
}

proptest! {
    #[test]
    fn whatever_is_called_makes_a_message_that_can_be_read(
        pipelines in prop::collection::vec(pipeline(), 0..3),
    ) {
        let n_pipelines = pipelines.len();
        let plan = Plan::of(pipelines);
        let program = decoded(&plan);
        prop_assert_eq!(&program.kind, gofer_proto::PROGRAM_KIND);
        prop_assert_eq!(program.pipelines.len(), n_pipelines);
        prop_assert_eq!(plan.is_valid(), program.diagnostics.is_empty());
        let text = plan.text() + &plan.fault_text();
        prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        for fault in &program.diagnostics {
            prop_assert!(fault.code.starts_with("G0"), "{fault:?}");
            prop_assert_eq!(fault.source.is_none(), n_pipelines == 0, "{:?}", fault);
        }
        if plan.is_valid() {
            prop_assert!(program.pipelines.iter().all(can_run), "{text}");
        }
    }

    #[test]
    fn a_graph_is_a_fault_exactly_if_it_cannot_run(pipeline in graph()) {
        let plan = pipeline.plan();
        let program = decoded(&plan);
        let sound = can_run(&program.pipelines[0]) && !names_twice(&program.pipelines[0]);
        prop_assert_eq!(plan.is_valid(), sound, "{}\n{}", plan.text(), plan.fault_text());
    }
}
