//! Merges the logs of several attempts by time, for a reader of a whole run.

use gofer_core::ids::AttemptNumber;

use crate::place::LineFrame;

/// Whose frame it is, and who comes first at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// The task's position in its run.
    pub task_position: usize,
    /// The attempt.
    pub attempt: AttemptNumber,
}

/// Merges batches of frames by time; at the same time the smaller tag comes first. Each batch keeps
/// its own order: a frame with an earlier time than one before it in its batch counts as having that
/// one's time. The result does not depend on the order of the batches, if their tags differ.
#[must_use]
pub fn merge_by_time(batches: Vec<(Tag, Vec<LineFrame>)>) -> Vec<(Tag, LineFrame)> {
    let n_frames = batches.iter().map(|(_, frames)| frames.len()).sum();
    let mut keyed = Vec::with_capacity(n_frames);
    for (tag, frames) in batches {
        let mut latest_ns = i64::MIN;
        for frame in frames {
            latest_ns = latest_ns.max(frame.frame.time_ns);
            keyed.push((latest_ns, tag, frame));
        }
    }
    // The sort is stable, which keeps the order within a batch.
    keyed.sort_by_key(|(time_ns, tag, _)| (*time_ns, *tag));
    keyed.into_iter().map(|(_, tag, frame)| (tag, frame)).collect()
}
