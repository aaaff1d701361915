//! The lanes of admission with the identity of whoever stands in them. A run's name may come again:
//! a pipeline that was deleted and made anew counts from 1. So a place belongs to a run's uid, and
//! what an earlier run of the same name gives back late frees nobody's slot.

use std::collections::BTreeMap;

use gofer_core::admission::{Admission, Place};
use gofer_core::ids::{RunKey, RunUid};
use gofer_core::run::Run;

/// The lanes of all pipelines.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    admission: Admission,
    /// Whose the place under a name is.
    holders: BTreeMap<RunKey, RunUid>,
}

impl Lanes {
    /// A run waits for a slot. Returns the runs that may start now.
    pub(crate) fn queue(&mut self, run: &Run) -> Vec<RunKey> {
        let key = &run.spec.key;
        let mut admitted = self.take_over(run);
        admitted.extend(self.admission.queue(key, run.spec.policy.parallelism));
        admitted
    }

    /// A run that was found with a slot already, after a restart.
    pub(crate) fn restore(&mut self, run: &Run) {
        self.holders.insert(run.spec.key.clone(), run.spec.uid.clone());
        self.admission.restore(&run.spec.key);
    }

    /// A run needs neither slot nor place any more; none where it had none, or another run of its
    /// name has it now. Else the runs that may start now.
    pub(crate) fn release(&mut self, key: &RunKey, uid: &RunUid) -> Option<Vec<RunKey>> {
        if self.holders.get(key) != Some(uid) {
            return None;
        }
        self.holders.remove(key);
        Some(self.admission.release(key))
    }

    /// Nobody of this name is left: its place is given back. Returns the runs that may start now.
    pub(crate) fn forget(&mut self, key: &RunKey) -> Vec<RunKey> {
        self.holders.remove(key);
        self.admission.release(key)
    }

    /// Where a run waits; none where it does not.
    pub(crate) fn place(&self, key: &RunKey) -> Option<Place> {
        self.admission.place(key)
    }

    /// Gives a namesake's place back, which it had not done yet itself.
    fn take_over(&mut self, run: &Run) -> Vec<RunKey> {
        let key = &run.spec.key;
        let before = self.holders.insert(key.clone(), run.spec.uid.clone());
        if before.is_none_or(|uid| uid == run.spec.uid) {
            return Vec::new();
        }
        self.admission.release(key)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gofer_core::ids::{NamespaceId, PipelineId, PipelineKey, RunId};
    use gofer_core::pipeline::{Draft, DraftTask, validate};
    use gofer_core::run::{Actor, ActorKind, RunPolicy, RunSpec};
    use gofer_core::time::Timestamp;

    use super::*;

    /// The names of runs.
    fn keys(runs: &[&Run]) -> Vec<RunKey> {
        runs.iter().map(|run| run.spec.key.clone()).collect()
    }

    fn run(number: RunId, uid: char) -> Run {
        let task = DraftTask { id: "build".into(), image: "x".into(), ..DraftTask::default() };
        let draft = Draft {
            id: "simple".into(),
            name: "Simple".into(),
            tasks: vec![task],
            ..Draft::default()
        };
        let namespace = NamespaceId::parse("default").unwrap();
        let pipeline = PipelineId::parse("simple").unwrap();
        Run::new(Arc::new(RunSpec {
            key: RunKey { pipeline: PipelineKey { namespace, pipeline }, run: number },
            uid: RunUid::parse(&uid.to_string().repeat(26)).unwrap(),
            version: 1,
            config: Arc::new(validate(&draft).unwrap()),
            variables: BTreeMap::new(),
            initiator: Actor { kind: ActorKind::User, name: "ann".into() },
            reason: String::new(),
            created: Timestamp::from_ms(0),
            retry_of: None,
            policy: RunPolicy { parallelism: Some(1), ..RunPolicy::default() },
        }))
    }

    #[test]
    fn a_late_release_frees_no_slot_of_a_later_run_of_the_same_name() {
        let mut lanes = Lanes::default();
        let (old, new, next) = (run(1, 'a'), run(1, 'b'), run(2, 'c'));
        assert_eq!(lanes.queue(&old), keys(&[&old]));
        assert_eq!(lanes.queue(&new), keys(&[&new]), "the namesake's slot is its own");
        assert_eq!(lanes.queue(&next), keys(&[]));
        assert_eq!(lanes.release(&old.spec.key, &old.spec.uid), None);
        assert_eq!(lanes.place(&next.spec.key).unwrap().position, 1, "the slot is still taken");
        assert_eq!(lanes.release(&new.spec.key, &new.spec.uid), Some(keys(&[&next])));
    }

    #[test]
    fn a_slot_is_given_back_once() {
        let mut lanes = Lanes::default();
        let (one, two, three) = (run(1, 'a'), run(2, 'b'), run(3, 'c'));
        lanes.restore(&one);
        assert_eq!(lanes.queue(&two), keys(&[]));
        assert_eq!(lanes.queue(&three), keys(&[]));
        let freed = lanes.release(&one.spec.key, &one.spec.uid);
        assert_eq!(freed, Some(keys(&[&two])));
        assert_eq!(lanes.release(&one.spec.key, &one.spec.uid), None);
        assert_eq!(lanes.forget(&two.spec.key), keys(&[&three]));
    }
}
