//! In which order the layers of merged trees are stacked.

use std::collections::{BTreeMap, BTreeSet};

use sinter_graph::digest::LayerDigest;

/// One place of a layer in a stack. A stack may hold a layer twice: something made, deleted and made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Occurrence {
    pub(super) digest: LayerDigest,
    nth: usize,
}

/// That the first goes below the second.
pub(super) type Edge = (Occurrence, Occurrence);

pub(super) fn occurrences(layers: &[LayerDigest]) -> Vec<Occurrence> {
    let mut seen: BTreeMap<LayerDigest, usize> = BTreeMap::new();
    layers
        .iter()
        .map(|&digest| {
            let nth = seen.entry(digest).or_default();
            *nth += 1;
            Occurrence { digest, nth: *nth }
        })
        .collect()
}

/// The layers that all stacks contain, in the order of the first stack.
pub(super) fn common(stacks: &[Vec<Occurrence>]) -> Vec<Occurrence> {
    let Some((first, others)) = stacks.split_first() else { return Vec::new() };
    let others: Vec<BTreeSet<&Occurrence>> = others.iter().map(|stack| stack.iter().collect()).collect();
    first.iter().filter(|layer| others.iter().all(|stack| stack.contains(layer))).copied().collect()
}

/// Whether `part` is `whole` with some items left out.
pub(super) fn is_subsequence<T: PartialEq>(part: &[T], whole: &[T]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|item| rest.any(|candidate| candidate == item))
}

/// All layers of all stacks: each stack's order and `edges` are kept, then layers of `base` come first, then those with
/// the smaller digest. Where the stacks contradict each other, the first remaining layer by those two rules is taken.
pub(super) fn order(stacks: &[&[Occurrence]], base: &[Occurrence], edges: &BTreeSet<Edge>) -> Vec<Occurrence> {
    let base: BTreeSet<&Occurrence> = base.iter().collect();
    let pairs = stacks.iter().flat_map(|stack| stack.windows(2).map(|pair| (pair[0], pair[1])));
    let edges: BTreeSet<Edge> = pairs.chain(edges.iter().copied()).collect();
    let ranked = |layer: Occurrence| (!base.contains(&layer), layer);
    let mut remaining: BTreeSet<(bool, Occurrence)> = stacks.iter().copied().flatten().copied().map(ranked).collect();
    let mut waiting: BTreeMap<Occurrence, usize> = BTreeMap::new();
    let mut above: BTreeMap<Occurrence, Vec<Occurrence>> = BTreeMap::new();
    for (below, top) in edges {
        *waiting.entry(top).or_default() += 1;
        above.entry(below).or_default().push(top);
    }
    let mut ready: BTreeSet<(bool, Occurrence)> =
        remaining.iter().filter(|(_, layer)| !waiting.contains_key(layer)).copied().collect();
    let mut ordered = Vec::with_capacity(remaining.len());
    while let Some(next) = ready.pop_first().or_else(|| remaining.first().copied()) {
        remaining.remove(&next);
        ordered.push(next.1);
        for layer in above.get(&next.1).into_iter().flatten() {
            let count = waiting.entry(*layer).or_default();
            *count = count.saturating_sub(1);
            if *count == 0 && remaining.contains(&ranked(*layer)) {
                ready.insert(ranked(*layer));
            }
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(bytes: &[u8]) -> Vec<LayerDigest> {
        bytes.iter().map(|&byte| LayerDigest::from_bytes([byte; 32])).collect()
    }

    fn ordered(stacks: &[&[u8]], edges: &[(u8, u8)]) -> Vec<u8> {
        let stacks: Vec<Vec<Occurrence>> = stacks.iter().map(|stack| occurrences(&digests(stack))).collect();
        let one = |byte| Occurrence { digest: LayerDigest::from_bytes([byte; 32]), nth: 1 };
        let edges = edges.iter().map(|&(below, above)| (one(below), one(above))).collect();
        let slices: Vec<&[Occurrence]> = stacks.iter().map(Vec::as_slice).collect();
        order(&slices, &common(&stacks), &edges).iter().map(|layer| layer.digest.as_bytes()[0]).collect()
    }

    #[test]
    fn order_follows_the_documented_rules() {
        for (stacks, edges, expected) in [
            (&[&[9, 5][..], &[9, 3]][..], &[][..], &[9, 3, 5][..]),
            (&[&[9, 5, 1], &[9, 3]], &[], &[9, 3, 5, 1]),
            (&[&[9, 7, 8], &[9, 8]], &[], &[9, 7, 8]),
            (&[&[9, 5], &[9, 3]], &[(5, 3)], &[9, 5, 3]),
            (&[&[9, 5, 9], &[9, 3]], &[], &[9, 3, 5, 9]),
            (&[&[9, 5, 3], &[9, 3, 5]], &[], &[9, 3, 5]),
        ] {
            assert_eq!(ordered(stacks, edges), expected, "{stacks:?} {edges:?}");
        }
    }

    #[test]
    fn subsequences_keep_their_order() {
        for (part, whole, expected) in [("", "", true), ("ac", "abc", true), ("ca", "abc", false), ("aa", "abc", false)]
        {
            assert_eq!(is_subsequence(part.as_bytes(), whole.as_bytes()), expected, "{part} {whole}");
        }
    }
}
