//! The order in which things that depend on one another come.

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// The order of a graph's nodes, given as indexes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// Every node that doesn't depend on a cycle, each after all that it depends on; of those
    /// that could come next, the one with the lowest index does.
    pub(crate) sorted: Vec<usize>,
    /// The cycles, each as its members in the order of their indexes.
    pub(crate) cycles: Vec<Vec<usize>>,
}

/// Orders the nodes `0..needs.len()`, of which each needs others to come before it.
pub(crate) fn order(needs: &[Vec<usize>]) -> Order {
    let mut placed = vec![false; needs.len()];
    let mut sorted = Vec::new();
    let ready = |placed: &[bool], node: usize| {
        !placed.get(node).copied().unwrap_or(true)
            && needs.get(node).is_some_and(|needs| {
                needs
                    .iter()
                    .all(|&need| placed.get(need).copied().unwrap_or(true))
            })
    };
    while let Some(next) = (0..needs.len()).find(|&node| ready(&placed, node)) {
        if let Some(place) = placed.get_mut(next) {
            *place = true;
        }
        sorted.push(next);
    }
    let cycles = if sorted.len() < needs.len() {
        cycles(needs)
    } else {
        Vec::new()
    };
    Order { sorted, cycles }
}

fn cycles(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut graph = DiGraph::<(), ()>::new();
    for _ in needs {
        graph.add_node(());
    }
    for (node, needs) in needs.iter().enumerate() {
        for &need in needs {
            graph.add_edge(NodeIndex::new(node), NodeIndex::new(need), ());
        }
    }
    let mut cycles: Vec<Vec<usize>> = tarjan_scc(&graph)
        .into_iter()
        .filter(|members| {
            members.len() > 1
                || members
                    .iter()
                    .any(|&member| graph.contains_edge(member, member))
        })
        .map(|members| {
            let mut members: Vec<usize> = members.into_iter().map(NodeIndex::index).collect();
            members.sort_unstable();
            members
        })
        .collect();
    cycles.sort();
    cycles
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_needed_comes_first_and_ties_keep_their_order() {
        assert_eq!(order(&[vec![2], vec![], vec![]]).sorted, [1, 2, 0]);
    }

    #[test]
    fn cycles_are_told_apart_from_what_only_depends_on_them() {
        let order = order(&[vec![1], vec![0], vec![0], vec![3], vec![]]);
        assert_eq!(
            order,
            Order {
                sorted: vec![4],
                cycles: vec![vec![0, 1], vec![3]]
            }
        );
    }

    proptest! {
        #[test]
        fn every_node_is_sorted_or_hangs_on_a_cycle(
            needs in prop::collection::vec(prop::collection::vec(0usize..8, 0..3), 8)
        ) {
            let order = order(&needs);
            for (place, node) in order.sorted.iter().enumerate() {
                for need in &needs[*node] {
                    prop_assert!(order.sorted[..place].contains(need));
                }
            }
            prop_assert_eq!(order.cycles.is_empty(), order.sorted.len() == needs.len());
        }
    }
}
