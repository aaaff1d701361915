//! Who may start: one lane per pipeline, first come first served, never more at once than the
//! limit of the run at the head. The lanes are derived: a restarted server fills them from the
//! runs it finds, so nothing here is ever stored.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{PipelineKey, RunId, RunKey};

/// The lanes of all pipelines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Admission {
    lanes: BTreeMap<PipelineKey, Lane>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Lane {
    active: BTreeSet<RunId>,
    /// Waiting runs by number, which is the order of their acceptance, with their limit.
    queue: BTreeMap<RunId, Option<u32>>,
}

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// 1 is next.
    pub position: u64,
    /// Most runs of the pipeline at once.
    pub limit: u32,
}

impl Admission {
    /// A run waits for a slot; `limit` is the most runs of its pipeline at once, none for no limit.
    /// Returns the runs that may start now.
    pub fn queue(&mut self, run: &RunKey, limit: Option<u32>) -> Vec<RunKey> {
        let lane = self.lanes.entry(run.pipeline.clone()).or_default();
        if !lane.active.contains(&run.run) {
            lane.queue.insert(run.run, limit);
        }
        self.admit(&run.pipeline)
    }

    /// A run that was found with a slot already, after a restart.
    pub fn restore(&mut self, run: &RunKey) {
        let lane = self.lanes.entry(run.pipeline.clone()).or_default();
        lane.queue.remove(&run.run);
        lane.active.insert(run.run);
    }

    /// A run no longer needs a slot or a place: it ended or was cancelled while it waited.
    /// Returns the runs that may start now.
    pub fn release(&mut self, run: &RunKey) -> Vec<RunKey> {
        let Some(lane) = self.lanes.get_mut(&run.pipeline) else { return Vec::new() };
        lane.active.remove(&run.run);
        lane.queue.remove(&run.run);
        let admitted = self.admit(&run.pipeline);
        if self.lanes.get(&run.pipeline).is_some_and(Lane::is_empty) {
            self.lanes.remove(&run.pipeline);
        }
        admitted
    }

    /// Where a run waits; none where it does not.
    #[must_use]
    pub fn place(&self, run: &RunKey) -> Option<Place> {
        let lane = self.lanes.get(&run.pipeline)?;
        let limit = (*lane.queue.get(&run.run)?)?;
        let ahead = lane.queue.range(..run.run).count();
        Some(Place { position: u64::try_from(ahead).ok()?.saturating_add(1), limit })
    }

    /// How many runs of a pipeline have a slot.
    #[must_use]
    pub fn n_active(&self, pipeline: &PipelineKey) -> usize {
        self.lanes.get(pipeline).map_or(0, |lane| lane.active.len())
    }

    fn admit(&mut self, pipeline: &PipelineKey) -> Vec<RunKey> {
        let Some(lane) = self.lanes.get_mut(pipeline) else { return Vec::new() };
        let mut admitted = Vec::new();
        while let Some((&run, &limit)) = lane.queue.first_key_value() {
            if limit.is_some_and(|limit| lane.active.len() >= limit as usize) {
                break;
            }
            lane.queue.remove(&run);
            lane.active.insert(run);
            admitted.push(RunKey { pipeline: pipeline.clone(), run });
        }
        admitted
    }
}

impl Lane {
    fn is_empty(&self) -> bool {
        self.active.is_empty() && self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{NamespaceId, PipelineId};

    fn key(run: RunId) -> RunKey {
        let namespace = NamespaceId::parse("default").unwrap();
        let pipeline = PipelineId::parse("simple").unwrap();
        RunKey { pipeline: PipelineKey { namespace, pipeline }, run }
    }

    #[test]
    fn a_limit_of_one_runs_exactly_one_at_once_in_order() {
        let mut admission = Admission::default();
        assert_eq!(admission.queue(&key(1), Some(1)), [key(1)]);
        assert_eq!(admission.queue(&key(3), Some(1)), []);
        assert_eq!(admission.queue(&key(2), Some(1)), []);
        assert_eq!(admission.place(&key(2)), Some(Place { position: 1, limit: 1 }));
        assert_eq!(admission.place(&key(3)), Some(Place { position: 2, limit: 1 }));
        assert_eq!(admission.release(&key(1)), [key(2)]);
        assert_eq!(admission.release(&key(3)), [], "cancelled while it waited");
        assert_eq!(admission.release(&key(2)), []);
        assert_eq!(admission, Admission::default(), "an empty lane is dropped");
    }

    #[test]
    fn a_run_is_admitted_once_however_often_it_is_queued() {
        let mut admission = Admission::default();
        assert_eq!(admission.queue(&key(1), Some(2)), [key(1)]);
        assert_eq!(admission.queue(&key(1), Some(2)), []);
        assert_eq!(admission.n_active(&key(1).pipeline), 1);
    }

    #[test]
    fn no_limit_admits_all() {
        let mut admission = Admission::default();
        for run in 1..=50 {
            assert_eq!(admission.queue(&key(run), None), [key(run)]);
        }
    }
}
