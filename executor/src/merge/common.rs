//! What each two operands have in common.
//!
//! Operands that share the same layers with others form a class: what two operands have in common depends on their
//! classes alone. Thousands of steps on one tree are one class. Trees are made when they are first asked for.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use sinter_graph::tree::Tree;

use super::forest::{Forest, extended};
use super::order::Occurrence;
use super::{Branch, Manifests};

/// The layers that two operands contain, and what those show.
pub(super) struct Common {
    pub(super) layers: Vec<Occurrence>,
    pub(super) tree: Tree,
}

/// The classes of all operands, and what each two of them have in common.
pub(super) struct Commons<'a> {
    manifests: &'a Manifests<'a>,
    base: &'a Tree,
    base_layers: &'a [Occurrence],
    /// For each class the layers above the base that others contain too.
    shared: Vec<Vec<Occurrence>>,
    /// For each class its operands, in order.
    members: Vec<Vec<usize>>,
    by_classes: RefCell<BTreeMap<(usize, usize), Rc<Common>>>,
    by_layers: RefCell<BTreeMap<Vec<Occurrence>, Rc<Common>>>,
}

impl<'a> Commons<'a> {
    pub(super) fn new(branches: &'a [Branch<'_>], forest: &'a Forest, manifests: &'a Manifests<'a>) -> Self {
        let above = |branch: &'a Branch<'_>| &branch.layers[forest.base_depth..];
        let mut count: BTreeMap<Occurrence, usize> = BTreeMap::new();
        branches.iter().flat_map(above).for_each(|layer| *count.entry(*layer).or_default() += 1);
        let mut known: BTreeMap<Vec<Occurrence>, usize> = BTreeMap::new();
        let mut members: Vec<Vec<usize>> = Vec::new();
        for (index, branch) in branches.iter().enumerate() {
            let shared = above(branch).iter().filter(|layer| count[layer] > 1).copied().collect();
            let class = *known.entry(shared).or_insert(members.len());
            members.resize_with(members.len().max(class + 1), Vec::new);
            members[class].push(index);
        }
        let mut shared = vec![Vec::new(); members.len()];
        known.into_iter().for_each(|(layers, class)| shared[class] = layers);
        let base_layers = branches.first().map_or(&[][..], |first| &first.layers[..forest.base_depth]);
        let (by_classes, by_layers) = (RefCell::default(), RefCell::default());
        Self { manifests, base: &forest.base, base_layers, shared, members, by_classes, by_layers }
    }

    /// The operands of each class, in order.
    pub(super) fn classes(&self) -> impl Iterator<Item = (usize, &[usize])> {
        self.members.iter().map(Vec::as_slice).enumerate()
    }

    /// What an operand of one class and another one of another class, or of the same, have in common.
    pub(super) fn of(&self, one: usize, other: usize) -> Rc<Common> {
        let classes = (one.min(other), one.max(other));
        if let Some(known) = self.by_classes.borrow().get(&classes) {
            return Rc::clone(known);
        }
        let others: BTreeSet<&Occurrence> = self.shared[classes.1].iter().collect();
        let layers: Vec<Occurrence> =
            self.shared[classes.0].iter().filter(|layer| others.contains(layer)).copied().collect();
        let mut by_layers = self.by_layers.borrow_mut();
        let common = by_layers.entry(layers).or_insert_with_key(|layers| Rc::new(self.make(layers)));
        self.by_classes.borrow_mut().insert(classes, Rc::clone(common));
        Rc::clone(common)
    }

    fn make(&self, above: &[Occurrence]) -> Common {
        let tree = extended(self.base.clone(), above, self.base_layers.len(), self.manifests);
        Common { layers: [self.base_layers, above].concat(), tree }
    }
}
