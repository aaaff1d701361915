//! One fault at a time and all at once, as authors see them; and garbage, which must come back as
//! faults.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::super::config::{Need, PullPolicy};
use super::super::draft::{DraftDependency, DraftPair, DraftRegistryAuth, DraftRetries, DraftTask};
use super::super::limits::FAULTS_MAX;
use super::*;

fn place(line: u32) -> Option<Place> {
    Some(Place { file: "src/main.rs".into(), line, column: 5 })
}

fn task(id: &str) -> DraftTask {
    DraftTask { id: id.into(), image: "alpine:3".into(), ..DraftTask::default() }
}

fn pair(key: &str, value: &str) -> DraftPair {
    DraftPair { key: key.into(), value: value.into(), place: None }
}

fn waits(parent: &str, need: &str) -> DraftDependency {
    DraftDependency { parent: parent.into(), need: need.into(), place: None }
}

fn with_parents(id: &str, parents: &[&str]) -> DraftTask {
    DraftTask {
        depends_on: parents.iter().map(|parent| waits(parent, "any")).collect(),
        ..task(id)
    }
}

/// A pipeline of these tasks; task n stands in line 10 n.
fn draft(tasks: Vec<DraftTask>) -> Draft {
    let tasks = tasks.into_iter().zip(1..).map(|(task, n)| {
        let place = task.place.clone().or_else(|| place(n * 10));
        DraftTask { place, ..task }
    });
    Draft {
        id: "simple".into(),
        name: "Simple".into(),
        tasks: tasks.collect(),
        place: place(1),
        ..Draft::default()
    }
}

/// The faults as a terminal would show them.
fn shown(draft: &Draft) -> String {
    let mut text = String::new();
    for fault in validate(draft).err().unwrap_or_default() {
        let place = fault.place.map(|place| place.to_string()).unwrap_or_default();
        writeln!(text, "error[{}]: {}\n  --> {place} ({})", fault.code, fault.message, fault.field)
            .unwrap();
        for related in &fault.related {
            let place = related.place.as_ref().map(ToString::to_string).unwrap_or_default();
            writeln!(text, "      {} ({place})", related.message).unwrap();
        }
        if let Some(help) = fault.help {
            writeln!(text, "  help: {help}").unwrap();
        }
    }
    text
}

/// One task with a change.
fn one(change: impl FnOnce(&mut DraftTask)) -> Draft {
    let mut build = task("build");
    change(&mut build);
    draft(vec![build])
}

/// A draft for each rule, each with little more wrong than that.
fn specimens() -> Vec<Draft> {
    let whole = |change: fn(&mut Draft)| {
        let mut whole = draft(vec![task("build")]);
        change(&mut whole);
        whole
    };
    let mut specimens = vec![
        whole(|d| d.id = "a-b\x1b[2J".into()),
        draft(vec![task("x"), task("build")]),
        draft(vec![task("build"), task("test"), task("build")]),
        draft(vec![
            task("build"),
            with_parents("deploy", &["biuld"]),
            with_parents("ship", &["zzz"]),
        ]),
        draft(vec![with_parents("build", &["build"])]),
        draft(vec![task("build"), with_parents("test", &["build", "build"])]),
        draft(vec![
            task("build"),
            DraftTask {
                depends_on: vec![waits("build", ""), waits("test", "done")],
                ..task("ship")
            },
            task("test"),
        ]),
        draft(vec![
            with_parents("aaa", &["bbb"]),
            with_parents("bbb", &["ccc"]),
            with_parents("ccc", &["aaa"]),
        ]),
        draft(vec![]),
        draft((0..1001).map(|n| task(&format!("task_{n}"))).collect()),
        whole(|d| d.name = " ".into()),
        whole(|d| d.name = "a\nb".into()),
        whole(|d| d.name = "x".repeat(129)),
        whole(|d| d.description = "x".repeat(16 * 1024 + 1)),
        whole(|d| d.tasks[0].description = "a\x07".into()),
        whole(|d| d.parallelism = 1_000_001),
        whole(|d| d.timeout_ms = Some(0)),
        whole(|d| d.description = "x".repeat(4 * 1024 * 1024)),
    ];
    specimens.extend(task_specimens());
    specimens
}

/// The same for the fields of a task.
fn task_specimens() -> Vec<Draft> {
    let auth = |username: &str, password: &str| {
        Some(DraftRegistryAuth {
            username: username.into(),
            password: password.into(),
            place: place(12),
        })
    };
    vec![
        one(|t| t.image = String::new()),
        one(|t| t.image = "Alpine:3".into()),
        one(|t| t.variables = vec![pair("9-a", "x"), pair("A-B", "x"), pair("", "x")]),
        one(|t| {
            t.variables = vec![pair("A", "x"), DraftPair { place: place(11), ..pair("A", "y") }];
        }),
        one(|t| t.variables = vec![pair("A", "x\0")]),
        one(|t| t.variables = vec![pair("A", &"x".repeat(128 * 1024))]),
        one(|t| t.variables = vec![pair("A", "a secrets{{key}} b foo{{key}}")]),
        one(|t| t.variables = vec![pair("A", "secret{{key")]),
        one(|t| t.variables = vec![pair("A", "secret{{a b}} run_object{{ab}}")]),
        one(|t| t.timeout_ms = Some(31 * 24 * 60 * 60 * 1000)),
        one(|t| {
            t.retries = Some(DraftRetries {
                count: Some(101),
                delay_ms: Some(100_000_000),
                factor: Some(f64::NAN),
                cap_ms: Some(5),
                place: place(13),
            });
        }),
        one(|t| t.pull_policy = "sometimes".into()),
        one(|t| t.registry_auth = auth("", "secret{{key")),
        one(|t| t.registry_auth = auth("a\n", "")),
        one(|t| t.cpu_milli = Some(0)),
        one(|t| t.memory_bytes = Some(1024)),
        one(|t| t.user = "a b".into()),
        one(|t| t.workdir = "app".into()),
        one(|t| (t.script, t.command) = (Some("make".into()), vec!["make".into()])),
        one(|t| t.script = Some(String::new())),
        one(|t| (t.entrypoint, t.command) = (vec![String::new()], vec!["a".into(), "\0".into()])),
        one(|t| {
            t.labels =
                vec![pair("gofer.run", "x"), pair("a b", "\n"), pair("t", ""), pair("t", "")];
        }),
        one(|t| t.inject_api_token = true),
    ]
}

#[test]
fn every_fault_as_authors_see_it() {
    let text: Vec<String> = specimens().iter().map(shown).collect();
    insta::assert_snapshot!(text.join("---\n"));
}

#[test]
fn every_code_has_a_specimen() {
    let mut drafts = specimens();
    let images =
        (0..FAULTS_MAX).map(|n| DraftTask { image: String::new(), ..task(&format!("{n:03}_a")) });
    drafts.push(Draft { name: String::new(), ..draft(images.collect()) });
    let faults = drafts.iter().flat_map(|draft| validate(draft).err().unwrap_or_default());
    let seen: BTreeSet<&str> = faults.map(|fault| fault.code).collect();
    let known: BTreeSet<&str> = CODES.iter().map(|(code, _)| *code).collect();
    assert_eq!(seen, known);
}

/// Codes of the faults with their lines, in order.
#[track_caller]
fn check(draft: &Draft, want: &[(&str, u32)]) {
    let faults = validate(draft).err().unwrap_or_default();
    let line = |fault: &Fault| fault.place.as_ref().map_or(0, |place| place.line);
    let got: Vec<(&str, u32)> = faults.iter().map(|fault| (fault.code, line(fault))).collect();
    assert_eq!(got, want, "{faults:#?}");
}

#[test]
fn all_faults_come_at_once_in_the_order_of_their_places() {
    let mut deploy = with_parents("deploy", &["biuld", "deploy"]);
    deploy.depends_on[0].place = place(14);
    deploy.image = String::new();
    deploy.inject_api_token = true;
    let bad = Draft {
        name: String::new(),
        ..draft(vec![
            deploy,
            DraftTask { id: "a".into(), ..one(|t| t.cpu_milli = Some(0)).tasks.remove(0) },
        ])
    };
    check(
        &bad,
        &[
            (code::NAME, 1),
            (code::PARENT_SELF, 10),
            (code::IMAGE_EMPTY, 10),
            (code::API_TOKEN, 10),
            (code::ID, 10),
            (code::CPU, 10),
            (code::PARENT_UNKNOWN, 14),
        ],
    );
}

#[test]
fn a_bad_id_hides_no_other_fault_of_its_task() {
    let bad = one(|t| {
        t.id = "x".into();
        t.cpu_milli = Some(0);
        t.pull_policy = "x".into();
        t.labels = vec![pair("", "")];
    });
    check(&bad, &[(code::ID, 10), (code::PULL_POLICY, 10), (code::LABEL, 10), (code::CPU, 10)]);
}

#[test]
fn a_refused_task_hides_no_fault_of_the_next() {
    let next = DraftTask { cpu_milli: Some(0), ..task("build") };
    check(&draft(vec![task("x"), next]), &[(code::ID, 10), (code::CPU, 20)]);
}

#[test]
fn limits_hold_at_their_edges() {
    check(&draft((0..1000).map(|n| task(&format!("task_{n}"))).collect()), &[]);
    check(&one(|t| t.cpu_milli = Some(1)), &[]);
    check(&one(|t| t.cpu_milli = Some(1_000_000)), &[]);
    check(&one(|t| t.cpu_milli = Some(1_000_001)), &[(code::CPU, 10)]);
    check(&one(|t| t.memory_bytes = Some(6 * 1024 * 1024)), &[]);
    check(&one(|t| t.memory_bytes = Some(6 * 1024 * 1024 - 1)), &[(code::MEMORY, 10)]);
    check(&one(|t| t.timeout_ms = Some(30 * 24 * 60 * 60 * 1000)), &[]);
    check(&one(|t| t.timeout_ms = Some(30 * 24 * 60 * 60 * 1000 + 1)), &[(code::TIMEOUT, 10)]);
    check(&one(|t| t.variables = vec![pair("A", &"x".repeat(128 * 1024 - 3))]), &[]);
    let retries = |count, factor| DraftRetries {
        count: Some(count),
        factor: Some(factor),
        ..DraftRetries::default()
    };
    check(&one(|t| t.retries = Some(retries(100, 100.0))), &[]);
    check(&one(|t| t.retries = Some(retries(100, 0.99))), &[(code::RETRIES, 10)]);
    check(&one(|t| t.retries = Some(retries(100, 100.01))), &[(code::RETRIES, 10)]);
    let name = |n: usize| Draft { name: "é".repeat(n), ..draft(vec![task("build")]) };
    check(&name(128), &[]);
    check(&name(129), &[(code::NAME, 1)]);
}

#[test]
fn only_ten_cycles_are_reported() {
    let ids: Vec<String> = (0..1000).map(|n| format!("task_{n}")).collect();
    let dense = |task: &String| {
        with_parents(task, &ids.iter().take(200).map(String::as_str).collect::<Vec<_>>())
    };
    let faults = validate(&draft(ids.iter().take(200).map(dense).collect())).unwrap_err();
    let cycles: Vec<&Fault> = faults.iter().filter(|fault| fault.code == code::CYCLE).collect();
    assert_eq!(cycles.len(), 10);
    assert!(cycles[0].help.as_ref().unwrap().contains("further cycles"));
    assert_eq!(faults.iter().filter(|fault| fault.code == code::PARENT_SELF).count(), 200);
}

#[test]
fn a_good_draft_becomes_its_config() {
    let ship = DraftTask {
        pull_policy: "NEVER".into(),
        depends_on: vec![waits("build", "SUCCESS")],
        variables: vec![pair("B", "secret{{key}}"), pair("A", "")],
        retries: Some(DraftRetries {
            count: Some(2),
            factor: Some(1.5),
            ..DraftRetries::default()
        }),
        script: Some("#!/bin/bash -eu\nmake".into()),
        ..task("ship")
    };
    let config = validate(&draft(vec![task("build"), ship])).unwrap();
    let [build, ship] = config.tasks.as_slice() else { panic!("two tasks") };
    assert_eq!(build.pull_policy, PullPolicy::IfNotPresent);
    assert_eq!((build.user.as_ref(), build.workdir.as_ref()), (None, None));
    assert_eq!(ship.pull_policy, PullPolicy::Never);
    assert_eq!(ship.depends_on[0].need, Need::Success);
    assert_eq!(ship.variables["B"], "secret{{key}}");
    assert_eq!((ship.retries.count, ship.retries.factor_milli), (2, 1500));
    assert_eq!(ship.entrypoint, ["/bin/bash", "-eu", "-c"]);
    assert_eq!(ship.command, ["#!/bin/bash -eu\nmake"]);
    assert_eq!(ship.script.as_deref(), Some("#!/bin/bash -eu\nmake"));
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("build".to_owned()),
        "[a-c]{3}",
        "(secret|run_object|x)?\\{\\{[a-z ]{0,4}(\\}\\})?",
        "(any|success|always|#!/bin/sh|/)",
        any::<String>(),
    ]
}

fn number() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![Just(None), (0_u64..2000).prop_map(Some), any::<u64>().prop_map(Some)]
}

fn pairs() -> impl Strategy<Value = Vec<DraftPair>> {
    let pair = (text(), text()).prop_map(|(key, value)| DraftPair { key, value, place: None });
    prop::collection::vec(pair, 0..3)
}

prop_compose! {
    fn any_task()(
        [id, description, image, pull_policy, user, workdir] in [text(), text(), text(), text(), text(), text()],
        parents in prop::collection::vec((text(), text()), 0..4),
        (variables, labels) in (pairs(), pairs()),
        (entrypoint, command, script) in
            (prop::collection::vec(text(), 0..3), prop::collection::vec(text(), 0..3), prop::option::of(text())),
        auth in prop::option::of((text(), text())),
        retries in prop::option::of((number(), number(), prop::option::of(any::<f64>()), number())),
        [timeout_ms, cpu_milli, memory_bytes] in [number(), number(), number()],
        inject_api_token in any::<bool>(),
        line in 0_u32..3,
    ) -> DraftTask {
        let depends_on = parents.iter().map(|(parent, need)| waits(parent, need)).collect();
        let auth = auth.map(|(username, password)| DraftRegistryAuth { username, password, place: None });
        let retries = retries.map(|(count, delay_ms, factor, cap_ms)| DraftRetries {
            count, delay_ms, factor, cap_ms, place: place(line),
        });
        DraftTask {
            id, description, image, registry_auth: auth, pull_policy, depends_on, variables, entrypoint,
            command, script, retries, timeout_ms, cpu_milli, memory_bytes, user, workdir,
            inject_api_token, labels, place: place(line).filter(|_| line > 0),
        }
    }
}

proptest! {
    #[test]
    fn garbage_is_refused_with_printable_faults(
        tasks in prop::collection::vec(any_task(), 0..5),
        (id, name, description) in (text(), text(), text()),
        (parallelism, timeout_ms) in (any::<u64>(), number()),
    ) {
        let garbage = Draft { id, name, description, parallelism, timeout_ms, tasks, place: None };
        let again = validate(&garbage);
        match validate(&garbage) {
            Ok(config) => prop_assert_eq!(config.tasks.len(), garbage.tasks.len()),
            Err(faults) => {
                prop_assert!(!faults.is_empty());
                for fault in &faults {
                    let said = [&fault.message, &fault.field, fault.help.as_ref().unwrap_or(&fault.field)];
                    prop_assert!(!said.iter().any(|text| text.chars().any(is_hidden)), "{fault:?}");
                    prop_assert!(fault.message.len() < 2000, "{fault:?}");
                }
                let places: Vec<_> = faults.iter().map(|fault| fault.place.clone()).collect();
                prop_assert!(places.is_sorted());
                prop_assert_eq!(again, Err(faults));
            }
        }
    }
}
