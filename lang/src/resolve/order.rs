//! The order in which the declarations of a file can be made, and the cycles that forbid one.

use std::collections::HashMap;

use super::references::{Reference, references};
use crate::hir::Module;
use crate::source::TextRange;

/// What depends on what in one file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Order {
    /// Indices of declarations; each comes after those it refers to. Members of cycles come where they were met.
    pub sequence: Vec<usize>,
    /// Each cycle once: the declarations on it, and where each refers to the next.
    pub cycles: Vec<Vec<Link>>,
    /// For each declaration, whether another one (or itself) refers to it.
    pub used: Vec<bool>,
}

/// One step of a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Index of the declaration.
    pub declaration: usize,
    /// Where it refers to the next one.
    pub reference: TextRange,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    Open,
    Done,
}

struct Visit<'a> {
    edges: &'a [Vec<(usize, TextRange)>],
    marks: Vec<Mark>,
    /// The way from the first declaration to the current one, and the next edge to follow from each.
    path: Vec<(usize, usize)>,
    order: Order,
}

/// Orders the declarations of a file. `declared` gives the declaration a name stands for: the first of that name.
#[must_use]
pub fn order(module: &Module, declared: &HashMap<&str, usize>) -> Order {
    let edges: Vec<Vec<(usize, TextRange)>> = module
        .declarations
        .iter()
        .map(|declaration| {
            let known = |r: Reference<'_>| declared.get(r.name).map(|index| (*index, r.range));
            references(declaration).into_iter().filter_map(known).collect()
        })
        .collect();
    let mut visit =
        Visit { edges: &edges, marks: vec![Mark::New; edges.len()], path: Vec::new(), order: Order::default() };
    visit.order.used = vec![false; edges.len()];
    for (target, _) in edges.iter().flatten() {
        visit.order.used[*target] = true;
    }
    for index in 0..edges.len() {
        visit.from(index);
    }
    visit.order
}

impl Visit<'_> {
    // An explicit stack: a file may chain thousands of declarations.
    fn from(&mut self, start: usize) {
        self.open(start);
        while let Some((current, next)) = self.path.last_mut() {
            let current = *current;
            let edge = self.edges[current].get(*next).copied();
            *next += 1;
            match edge {
                Some((target, _)) => self.follow(target),
                None => self.close(current),
            }
        }
    }

    fn open(&mut self, index: usize) {
        if self.marks[index] == Mark::New {
            self.marks[index] = Mark::Open;
            self.path.push((index, 0));
        }
    }

    fn follow(&mut self, target: usize) {
        match self.marks[target] {
            Mark::New => self.open(target),
            Mark::Open => self.cycle(target),
            Mark::Done => {}
        }
    }

    fn close(&mut self, index: usize) {
        self.marks[index] = Mark::Done;
        self.path.pop();
        self.order.sequence.push(index);
    }

    fn cycle(&mut self, target: usize) {
        let start = self.path.iter().position(|(index, _)| *index == target).unwrap_or(0);
        let links: Vec<Link> = self.path[start..]
            .iter()
            .map(|(index, next)| Link { declaration: *index, reference: self.edges[*index][next - 1].1 })
            .collect();
        let known = |link: &Link| self.order.cycles.iter().flatten().any(|l| l.declaration == link.declaration);
        if !links.iter().all(known) {
            self.order.cycles.push(links);
        }
    }
}
