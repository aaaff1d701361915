//! Random orders against a model that fits on a page: versions, deployments and runs keep their
//! numbers, and at most one version is live.

use gofer_core::pipeline::ConfigState::{self, Deprecated, Live, Unreleased};
use gofer_store::{DeployOrder, RollbackOrder, StartRun};
use proptest::prelude::*;

use crate::support::{World, ann, at, deploy_order, everything, key, page};

#[derive(Debug, Clone)]
enum Op {
    Register(u8),
    Deploy { version: u64, base: Option<u64> },
    Rollback,
    DeleteVersion(u64),
    Start { version: Option<u64>, idempotency_key: Option<u8> },
    Switch(bool),
    Reopen,
    Recreate,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        6 => (0_u8..4).prop_map(Op::Register),
        6 => (1_u64..9, prop::option::weighted(0.2, 0_u64..9))
            .prop_map(|(version, base)| Op::Deploy { version, base }),
        2 => Just(Op::Rollback),
        2 => (1_u64..9).prop_map(Op::DeleteVersion),
        4 => (prop::option::weighted(0.3, 1_u64..9), prop::option::of(0_u8..3))
            .prop_map(|(version, idempotency_key)| Op::Start { version, idempotency_key }),
        1 => any::<bool>().prop_map(Op::Switch),
        1 => Just(Op::Reopen),
        1 => Just(Op::Recreate),
    ];
    prop::collection::vec(op, 1..40)
}

const VERSION_LIMIT: usize = 3;

#[derive(Debug, Default, Clone, PartialEq)]
struct Model {
    exists: bool,
    disabled: bool,
    versions: Vec<(u64, u8, ConfigState)>,
    versions_made: u64,
    deployments: Vec<(Option<u64>, u64)>,
    /// Version and idempotency key of each run.
    runs: Vec<(u64, Option<u8>)>,
}

impl Model {
    fn live(&self) -> Option<u64> {
        self.versions.iter().find(|v| v.2 == Live).map(|v| v.0)
    }

    fn has(&self, version: u64) -> bool {
        self.versions.iter().any(|v| v.0 == version)
    }

    fn register(&mut self, content: u8) -> Option<u64> {
        self.exists = true;
        if let Some(newest) = self.versions.last().filter(|v| v.1 == content) {
            return Some(newest.0);
        }
        self.versions_made += 1;
        self.versions.push((self.versions_made, content, Unreleased));
        Some(self.versions_made)
    }

    fn deploy(&mut self, version: u64, base: Option<u64>) -> Option<u64> {
        let live = self.live();
        if !self.has(version) {
            return None;
        }
        if live == Some(version) {
            return Some(version);
        }
        if base.is_some_and(|base| base != live.unwrap_or(0)) {
            return None;
        }
        for v in &mut self.versions {
            v.2 = if v.0 == version {
                Live
            } else if v.2 == Live {
                Deprecated
            } else {
                v.2
            };
        }
        self.deployments.push((live, version));
        let newest = self.versions.last().map(|v| v.0);
        while self.versions.len() > VERSION_LIMIT {
            let old = self.versions.iter().position(|v| v.2 == Deprecated && Some(v.0) != newest);
            let Some(old) = old else { break };
            self.versions.remove(old);
        }
        Some(version)
    }

    fn rollback(&mut self) -> Option<u64> {
        let live = self.live()?;
        let before = self.versions.iter().rev().find(|v| v.2 == Deprecated && v.0 < live)?.0;
        self.deploy(before, None)
    }

    fn delete(&mut self, version: u64) -> Option<u64> {
        if !self.has(version) || self.live() == Some(version) {
            return None;
        }
        self.versions.retain(|v| v.0 != version);
        Some(version)
    }

    fn start(&mut self, version: Option<u64>, idempotency_key: Option<u8>) -> Option<u64> {
        let known = self.runs.iter().position(|run| run.1.is_some() && run.1 == idempotency_key);
        if let Some(known) = known {
            return Some(known as u64 + 1);
        }
        let live = self.live().filter(|_| !self.disabled)?;
        let version = Some(version.unwrap_or(live)).filter(|v| self.has(*v))?;
        self.runs.push((version, idempotency_key));
        Some(self.runs.len() as u64)
    }
}

/// Does the same to the store; the number that came out, or none where it was refused.
fn perform(world: &mut World, op: &Op) -> Option<u64> {
    match *op {
        Op::Register(content) => {
            Some(world.register("simple", &content.to_string()).unwrap().version)
        }
        Op::Deploy { version, base } => {
            let order = DeployOrder { base, version_limit: 3, ..deploy_order("simple", version) };
            let deployed = world.run(move |tx| tx.deploy(&order, at(9)));
            deployed.ok().map(|deployed| deployed.deployment.to)
        }
        Op::Rollback => {
            let (key, by, reason) = (key("simple"), ann(), String::new());
            let order = RollbackOrder { key, base: None, version_limit: 3, by, reason };
            let deployed = world.run(move |tx| tx.rollback(&order, at(9)));
            deployed.ok().map(|deployed| deployed.deployment.to)
        }
        Op::DeleteVersion(version) => {
            let deleted = world.run(move |tx| tx.delete_config(&key("simple"), version, at(9)));
            deleted.ok().map(|()| version)
        }
        Op::Start { version, idempotency_key } => {
            let idempotency_key = idempotency_key.map(|key| key.to_string());
            let order = StartRun { version, idempotency_key, ..world.order("simple") };
            world.start_order(order).ok().map(|started| started.run.spec.key.run)
        }
        Op::Switch(enabled) => {
            let switched =
                world.run(move |tx| tx.set_pipeline_enabled(&key("simple"), enabled, at(9)));
            switched.ok().map(u64::from)
        }
        Op::Reopen => {
            world.reopen();
            Some(0)
        }
        Op::Recreate => {
            for run in world.reader().active_runs().unwrap() {
                world.settle(&run);
            }
            world.run(|tx| tx.begin_delete_pipeline(&key("simple"), at(9))).ok()?;
            let finished = world.run(|tx| tx.finish_delete_pipeline(&key("simple"), at(9)));
            finished.ok().map(|_| 0)
        }
    }
}

/// The same on the model.
fn expect(model: &mut Model, op: &Op) -> Option<u64> {
    if !model.exists && !matches!(op, Op::Register(_) | Op::Reopen) {
        return None;
    }
    match *op {
        Op::Register(content) => model.register(content),
        Op::Deploy { version, base } => model.deploy(version, base),
        Op::Rollback => model.rollback(),
        Op::DeleteVersion(version) => model.delete(version),
        Op::Start { version, idempotency_key } => model.start(version, idempotency_key),
        Op::Switch(enabled) => {
            let changed = model.disabled == enabled;
            model.disabled = !enabled;
            Some(u64::from(changed))
        }
        Op::Reopen => Some(0),
        Op::Recreate => {
            *model = Model::default();
            Some(0)
        }
    }
}

/// What the store shows, in the model's words.
fn observe(world: &World) -> Model {
    let reader = world.reader();
    let Ok(pipeline) = reader.pipeline(&key("simple")) else { return Model::default() };
    let all = page(500, None);
    let versions = reader.configs(&key("simple"), &all).unwrap().items;
    let deployments = reader.deployments(&key("simple"), &all).unwrap().items;
    let runs = reader.runs(&everything(), &all).unwrap().items;
    let numbers: Vec<u64> = deployments.iter().rev().map(|d| d.deployment).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    let mut runs = runs;
    runs.sort_by_key(|run| run.key.run);
    let numbers: Vec<u64> = runs.iter().map(|run| run.key.run).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    Model {
        exists: true,
        disabled: !pipeline.enabled,
        versions: versions
            .iter()
            .rev()
            .map(|v| (v.version, v.config.description.parse().unwrap(), v.state))
            .collect(),
        versions_made: 0,
        deployments: deployments.iter().rev().map(|d| (d.from, d.to)).collect(),
        runs: runs.iter().map(|run| (run.version, None)).collect(),
    }
}

/// The model without what the store does not show.
fn shown(model: &Model) -> Model {
    let runs = model.runs.iter().map(|run| (run.0, None)).collect();
    Model { versions_made: 0, runs, ..model.clone() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_a_model_does(ops in ops()) {
        let mut world = World::new();
        let mut model = Model::default();
        for op in &ops {
            let got = perform(&mut world, op);
            let want = expect(&mut model, op);
            prop_assert_eq!(got, want, "{:?}", op);
            prop_assert_eq!(observe(&world), shown(&model), "after {:?}", op);
            prop_assert!(model.versions.iter().filter(|v| v.2 == Live).count() <= 1);
        }
    }
}
