//! The graph of a pipeline by the numbers of its tasks. Nothing here recurses: the depth of a graph
//! must not become the depth of the stack.

use std::collections::BTreeMap;

use gofer_proto::sdk::v1 as pb;

/// Who waits for whom.
pub(super) struct Graph<'a> {
    /// The first task of each id, as a number from 0.
    first: BTreeMap<&'a str, usize>,
    /// For each task the parents that exist, each once, without the task itself.
    parents: Vec<Vec<usize>>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(tasks: impl IntoIterator<Item = &'a pb::Task>) -> Self {
        let tasks: Vec<&pb::Task> = tasks.into_iter().collect();
        let mut first = BTreeMap::new();
        for (at, task) in tasks.iter().enumerate() {
            first.entry(task.id.as_str()).or_insert(at);
        }
        let known = |(at, task): (usize, &&pb::Task)| {
            let edges = task.depends_on.iter();
            let known = edges.filter_map(|edge| first.get(edge.parent.as_str()).copied());
            let mut known: Vec<usize> = known.filter(|parent| *parent != at).collect();
            known.sort_unstable();
            known.dedup();
            known
        };
        let parents = tasks.iter().enumerate().map(known).collect();
        Self { first, parents }
    }

    /// The number of the first task with that id.
    pub(super) fn find(&self, id: &str) -> Option<usize> {
        self.first.get(id).copied()
    }

    /// The length of the longest way from each task up to a root; tasks on or behind a cycle get that
    /// of their finished parents.
    pub(super) fn ranks(&self) -> Vec<usize> {
        let mut ranks = vec![0; self.parents.len()];
        let mut n_waiting: Vec<usize> = self.parents.iter().map(Vec::len).collect();
        let mut children = vec![Vec::new(); self.parents.len()];
        for (child, parents) in self.parents.iter().enumerate() {
            for parent in parents {
                children
                    .get_mut(*parent)
                    .into_iter()
                    .for_each(|list: &mut Vec<usize>| list.push(child));
            }
        }
        let roots = n_waiting.iter().enumerate().filter(|(_, n)| **n == 0);
        let mut ready: Vec<usize> = roots.map(|(at, _)| at).collect();
        while let Some(at) = ready.pop() {
            let below = ranks.get(at).map_or(0, |rank| rank + 1);
            for child in children.get(at).into_iter().flatten() {
                let (Some(rank), Some(n)) = (ranks.get_mut(*child), n_waiting.get_mut(*child))
                else {
                    continue;
                };
                *rank = below.max(*rank);
                *n = n.saturating_sub(1);
                if *n == 0 {
                    ready.push(*child);
                }
            }
        }
        ranks
    }

    /// Cycles of the graph, at most `limit`: at least one in each part that has any. Each begins with
    /// the task declared first and goes on from child to parent; the closing task is not repeated.
    ///
    /// One walk, depth first; each edge that leads back onto the path of the walk closes a cycle.
    pub(super) fn cycles(&self, limit: usize) -> Vec<Vec<usize>> {
        let mut found = Vec::new();
        let mut marks = vec![Mark::New; self.parents.len()];
        for start in 0..self.parents.len() {
            let mut path: Vec<(usize, std::slice::Iter<'_, usize>)> = Vec::new();
            self.enter(start, &mut marks, &mut path);
            while let Some((at, rest)) = path.last_mut() {
                let Some(parent) = rest.next().copied() else {
                    set(&mut marks, *at, Mark::Done);
                    path.pop();
                    continue;
                };
                if marks.get(parent) == Some(&Mark::OnPath) {
                    let cycle = path.iter().map(|(at, _)| *at).skip_while(|at| *at != parent);
                    found.push(from_lowest(cycle.collect()));
                    if found.len() >= limit {
                        return found;
                    }
                } else {
                    self.enter(parent, &mut marks, &mut path);
                }
            }
        }
        found
    }

    /// Puts a task on the path if the walk was not there before.
    fn enter<'g>(
        &'g self,
        at: usize,
        marks: &mut [Mark],
        path: &mut Vec<(usize, std::slice::Iter<'g, usize>)>,
    ) {
        let parents = self.parents.get(at).filter(|_| marks.get(at) == Some(&Mark::New));
        if let Some(parents) = parents {
            set(marks, at, Mark::OnPath);
            path.push((at, parents.iter()));
        }
    }
}

/// How far the walk is with a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    OnPath,
    Done,
}

fn set(marks: &mut [Mark], at: usize, to: Mark) {
    if let Some(mark) = marks.get_mut(at) {
        *mark = to;
    }
}

/// The same cycle, begun at its lowest number.
fn from_lowest(mut cycle: Vec<usize>) -> Vec<usize> {
    let lowest = cycle.iter().enumerate().min_by_key(|(_, task)| **task).map(|(at, _)| at);
    cycle.rotate_left(lowest.unwrap_or(0));
    cycle
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn graph(parents: Vec<Vec<usize>>) -> Graph<'static> {
        Graph { first: BTreeMap::new(), parents }
    }

    #[track_caller]
    fn check(parents: &[&[usize]], cycles: &[&[usize]], ranks: &[usize]) {
        let graph = graph(parents.iter().map(|list| list.to_vec()).collect());
        assert_eq!(graph.cycles(10), cycles, "{parents:?}");
        assert_eq!(graph.ranks(), ranks, "{parents:?}");
    }

    #[test]
    fn a_cycle_begins_with_the_task_declared_first() {
        check(&[], &[], &[]);
        check(&[&[], &[0], &[0, 1]], &[], &[0, 1, 2]);
        check(&[&[1], &[0]], &[&[0, 1]], &[0, 0]);
        check(&[&[2], &[0], &[1], &[]], &[&[0, 2, 1]], &[0, 0, 0, 0]);
        check(&[&[], &[2], &[1, 0], &[1]], &[&[1, 2]], &[0, 0, 1, 0]);
    }

    #[test]
    fn a_deep_or_dense_graph_ends_soon() {
        let chain: Vec<Vec<usize>> =
            (0..100_000_usize).map(|at| at.checked_sub(1).into_iter().collect()).collect();
        assert!(graph(chain.clone()).cycles(10).is_empty());
        assert_eq!(graph(chain).ranks().last(), Some(&99_999));
        let dense =
            (0..1_000).map(|at| (0..1_000).filter(|other| *other != at).collect()).collect();
        assert_eq!(graph(dense).cycles(10).len(), 10);
    }

    /// Whether some order of the tasks has every parent before its child: slow and plain.
    fn has_order(parents: &[Vec<usize>]) -> bool {
        let mut done = vec![false; parents.len()];
        for _ in 0..parents.len() {
            for (at, list) in parents.iter().enumerate() {
                done[at] |= list.iter().all(|parent| done[*parent]);
            }
        }
        done.into_iter().all(|done| done)
    }

    proptest! {
        #[test]
        fn a_graph_has_an_order_or_a_true_cycle(
            edges in (1_usize..8).prop_flat_map(|n| {
                prop::collection::vec(prop::collection::btree_set(0..n, 0..4), n)
            }),
        ) {
            let parents: Vec<Vec<usize>> = edges
                .iter()
                .enumerate()
                .map(|(at, list)| list.iter().copied().filter(|to| *to != at).collect())
                .collect();
            let cycles = graph(parents.clone()).cycles(10);
            prop_assert_eq!(cycles.is_empty(), has_order(&parents));
            for cycle in &cycles {
                let closed = cycle.iter().skip(1).chain(cycle.first());
                for (child, parent) in cycle.iter().zip(closed) {
                    prop_assert!(parents[*child].contains(parent), "{cycle:?} in {parents:?}");
                }
            }
        }
    }
}
