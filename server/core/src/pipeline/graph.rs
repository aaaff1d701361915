//! Cycles in a graph of tasks. The search is Johnson's (*Finding all the elementary circuits of a
//! directed graph*, 1975): the time between two cycles found is linear in the size of the graph,
//! so that a limit on the number of cycles is a limit on the time, whatever the draft looks like.
//! Nothing here recurses: the depth of a hostile graph must not become the depth of the stack.

/// The elementary cycles of a graph, each once, at most `limit`. `edges[n]` are the nodes to which
/// node `n` points. A cycle begins with its lowest node; the closing node is not repeated. Edges
/// from a node to itself and to nodes that do not exist are left out of account.
pub(super) fn find_cycles(edges: &[Vec<usize>], limit: usize) -> Vec<Vec<usize>> {
    let edges = tidy(edges);
    let mut found = Vec::new();
    let mut first = 0;
    while found.len() < limit {
        // The lowest node that lies on a cycle among the nodes from `first` on, with all nodes
        // that share a cycle with it.
        let Some((start, members)) = lowest_component(&edges, first) else { break };
        Search::new(&edges, &members, start).run(limit, &mut found);
        first = start + 1;
    }
    found
}

/// The same edges, each once, without loops and without targets that do not exist.
fn tidy(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let clean = |(from, targets): (usize, &Vec<usize>)| {
        let mut targets: Vec<usize> =
            targets.iter().copied().filter(|to| *to != from && *to < edges.len()).collect();
        targets.sort_unstable();
        targets.dedup();
        targets
    };
    edges.iter().enumerate().map(clean).collect()
}

/// The targets of a node; none for a node that does not exist.
fn targets(edges: &[Vec<usize>], node: usize) -> &[usize] {
    edges.get(node).map_or(&[], Vec::as_slice)
}

/// Whether the mark of a node is set.
fn is_set(marks: &[bool], node: usize) -> bool {
    marks.get(node).copied().unwrap_or(false)
}

/// Sets or clears the mark of a node; says whether that changed it.
fn mark(marks: &mut [bool], node: usize, to: bool) -> bool {
    marks.get_mut(node).is_some_and(|held| std::mem::replace(held, to) != to)
}

/// Among the nodes from `first` on: the lowest node of any strongly connected component with more
/// than one node, and the marks of that component's nodes (Kosaraju's two walks).
fn lowest_component(edges: &[Vec<usize>], first: usize) -> Option<(usize, Vec<bool>)> {
    let mut reversed = vec![Vec::new(); edges.len()];
    for (from, to) in
        edges.iter().enumerate().flat_map(|(from, to)| to.iter().map(move |to| (from, *to)))
    {
        if let Some(sources) = reversed.get_mut(to) {
            sources.push(from);
        }
    }
    let mut seen: Vec<bool> = (0..edges.len()).map(|node| node < first).collect();
    let mut finished = Vec::new();
    for node in first..edges.len() {
        walk(edges, node, &mut seen, &mut finished);
    }
    let mut seen: Vec<bool> = (0..edges.len()).map(|node| node < first).collect();
    let mut lowest: Option<(usize, Vec<usize>)> = None;
    for node in finished.into_iter().rev() {
        let mut component = Vec::new();
        walk(&reversed, node, &mut seen, &mut component);
        let Some(low) = component.iter().copied().min() else { continue };
        if component.len() > 1 && lowest.as_ref().is_none_or(|(best, _)| low < *best) {
            lowest = Some((low, component));
        }
    }
    let (low, component) = lowest?;
    let mut members = vec![false; edges.len()];
    for node in component {
        mark(&mut members, node, true);
    }
    Some((low, members))
}

/// Walks depth first from `start` over nodes not yet seen and adds them in the order in which they
/// are finished.
fn walk(edges: &[Vec<usize>], start: usize, seen: &mut [bool], finished: &mut Vec<usize>) {
    if !mark(seen, start, true) {
        return;
    }
    let mut stack = vec![(start, targets(edges, start).iter())];
    while let Some((node, rest)) = stack.last_mut() {
        match rest.next() {
            Some(to) if mark(seen, *to, true) => stack.push((*to, targets(edges, *to).iter())),
            Some(_) => {}
            None => {
                finished.push(*node);
                stack.pop();
            }
        }
    }
}

/// One node of the path under search.
struct Step<'a> {
    node: usize,
    rest: std::slice::Iter<'a, usize>,
    /// Whether a cycle was found beyond this node.
    closed: bool,
}

/// The search for all cycles through one node within one component.
struct Search<'a> {
    edges: &'a [Vec<usize>],
    members: &'a [bool],
    start: usize,
    /// Nodes that lie on the path, or from which the start cannot be reached past the path.
    blocked: Vec<bool>,
    /// Nodes to unblock when the node itself is unblocked.
    waiting: Vec<Vec<usize>>,
}

impl<'a> Search<'a> {
    fn new(edges: &'a [Vec<usize>], members: &'a [bool], start: usize) -> Self {
        Self {
            edges,
            members,
            start,
            blocked: vec![false; edges.len()],
            waiting: vec![Vec::new(); edges.len()],
        }
    }

    fn run(mut self, limit: usize, found: &mut Vec<Vec<usize>>) {
        let mut path = vec![self.enter(self.start)];
        while found.len() < limit {
            let Some(step) = path.last_mut() else { break };
            match step.rest.next().copied() {
                Some(to) if to == self.start => {
                    step.closed = true;
                    found.push(path.iter().map(|step| step.node).collect());
                }
                Some(to) if is_set(self.members, to) && !is_set(&self.blocked, to) => {
                    path.push(self.enter(to));
                }
                Some(_) => {}
                None => {
                    let (node, closed) = (step.node, step.closed);
                    path.pop();
                    self.leave(node, closed);
                    if let Some(before) = path.last_mut() {
                        before.closed |= closed;
                    }
                }
            }
        }
    }

    /// Puts a node on the path.
    fn enter(&mut self, node: usize) -> Step<'a> {
        mark(&mut self.blocked, node, true);
        Step { node, rest: targets(self.edges, node).iter(), closed: false }
    }

    /// Takes a node off the path. Where no cycle went through it, it stays blocked until one of its
    /// targets is unblocked: before that, it leads nowhere.
    fn leave(&mut self, node: usize, closed: bool) {
        if closed {
            self.unblock(node);
            return;
        }
        for to in targets(self.edges, node) {
            // A node may wait twice for the same one; unblocking it twice does nothing more.
            if is_set(self.members, *to)
                && let Some(waiting) = self.waiting.get_mut(*to)
            {
                waiting.push(node);
            }
        }
    }

    /// Unblocks a node and everything that waits for it.
    fn unblock(&mut self, node: usize) {
        let mut stack = vec![node];
        while let Some(node) = stack.pop() {
            if mark(&mut self.blocked, node, false)
                && let Some(waiting) = self.waiting.get_mut(node)
            {
                stack.append(waiting);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(edges: &[&[usize]], want: &[&[usize]]) {
        let edges: Vec<Vec<usize>> = edges.iter().map(|to| to.to_vec()).collect();
        assert_eq!(find_cycles(&edges, 100), want, "{edges:?}");
    }

    #[test]
    fn each_cycle_is_found_once_and_begins_with_its_lowest_node() {
        check(&[], &[]);
        check(&[&[1], &[2], &[]], &[]);
        check(&[&[1], &[0]], &[&[0, 1]]);
        check(&[&[2], &[0], &[1]], &[&[0, 2, 1]]);
        check(&[&[1, 2], &[0], &[0]], &[&[0, 1], &[0, 2]]);
        check(&[&[], &[2], &[1, 3], &[2]], &[&[1, 2], &[2, 3]]);
    }

    #[test]
    fn loops_and_unknown_targets_are_left_out() {
        check(&[&[0, 7]], &[]);
    }

    #[test]
    fn a_dense_graph_of_a_thousand_tasks_ends_at_the_limit() {
        let n = 1_000;
        let edges: Vec<Vec<usize>> = (0..n).map(|_| (0..n).collect()).collect();
        assert_eq!(find_cycles(&edges, 10).len(), 10);
        // A graph without cycles costs one walk.
        let edges: Vec<Vec<usize>> = (0..n).map(|from| (from + 1..n).collect()).collect();
        assert!(find_cycles(&edges, 10).is_empty());
        // One cycle through everything.
        let edges: Vec<Vec<usize>> = (0..n).map(|from| vec![(from + 1) % n]).collect();
        assert_eq!(find_cycles(&edges, 10), [(0..n).collect::<Vec<_>>()]);
    }

    /// Every simple path from every start, kept when an edge closes it: slow and plain.
    fn naive(edges: &[Vec<usize>]) -> BTreeSet<Vec<usize>> {
        fn extend(edges: &[Vec<usize>], path: &mut Vec<usize>, found: &mut BTreeSet<Vec<usize>>) {
            for &to in &edges[path[path.len() - 1]] {
                if to == path[0] && path.len() > 1 {
                    found.insert(path.clone());
                } else if to > path[0] && !path.contains(&to) {
                    path.push(to);
                    extend(edges, path, found);
                    path.pop();
                }
            }
        }
        let mut found = BTreeSet::new();
        for start in 0..edges.len() {
            extend(edges, &mut vec![start], &mut found);
        }
        found
    }

    proptest! {
        #[test]
        fn the_search_agrees_with_the_naive_model(
            edges in (1_usize..7).prop_flat_map(|n| {
                prop::collection::vec(prop::collection::vec(0..n, 0..5), n)
            }),
            limit in 1_usize..20,
        ) {
            let want = naive(&edges);
            let all = find_cycles(&edges, usize::MAX);
            prop_assert_eq!(all.len(), want.len());
            prop_assert_eq!(all.iter().cloned().collect::<BTreeSet<_>>(), want);
            let some = find_cycles(&edges, limit);
            prop_assert_eq!(some.as_slice(), &all[..all.len().min(limit)]);
        }
    }
}
