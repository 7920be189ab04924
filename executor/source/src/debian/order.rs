//! The order in which packages are placed and their scripts run: what a package needs comes before it.
//!
//! Rules: a cycle is broken where a depth-first walk closes it, and walks start from the same packages in the same order, so
//! the same packages always give the same order. `base-passwd` and `base-files` come first, as in every bootstrap: the
//! scripts of all others may name users.
//! Must not know: files.

use std::collections::HashMap;

use super::control::Control;
use super::dependency::parse_relations;

const FIRST: [&str; 2] = ["base-passwd", "base-files"];

/// Indexes of `packages` in order.
pub(super) fn dependency_order(packages: &[&Control], architecture: &str) -> Vec<usize> {
    let needs = needs(packages, architecture);
    let mut roots: Vec<usize> = (0..packages.len()).collect();
    roots.sort_by_cached_key(|&index| {
        let package = packages[index];
        let first = FIRST.iter().position(|&name| name == package.name).unwrap_or(FIRST.len());
        (first, !package.is_essential(), package.name.clone(), package.architecture.clone())
    });
    let mut order = Vec::with_capacity(packages.len());
    let mut seen = vec![false; packages.len()];
    for root in roots {
        walk(root, &needs, &mut seen, &mut order);
    }
    order
}

/// Depth first without recursion: chains of dependencies are as long as an index allows.
fn walk(root: usize, needs: &[Vec<usize>], seen: &mut [bool], order: &mut Vec<usize>) {
    if std::mem::replace(&mut seen[root], true) {
        return;
    }
    let mut path = vec![(root, 0)];
    while let Some((index, position)) = path.last_mut() {
        let Some(&next) = needs[*index].get(*position) else {
            order.push(*index);
            path.pop();
            continue;
        };
        *position += 1;
        if !std::mem::replace(&mut seen[next], true) {
            path.push((next, 0));
        }
    }
}

/// For each package those of the others that meet its dependencies, `Pre-Depends` first.
pub(super) fn needs(packages: &[&Control], architecture: &str) -> Vec<Vec<usize>> {
    let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, package) in packages.iter().enumerate() {
        by_name.entry(package.name.clone()).or_default().push(index);
        // What a malformed field would provide is not known; whoever needs it then waits for nobody.
        for group in parse_relations(package.field("Provides"), architecture).unwrap_or_default() {
            for relation in group.0 {
                by_name.entry(relation.name.to_owned()).or_default().push(index);
            }
        }
    }
    packages.iter().map(|package| needs_of(package, architecture, &by_name)).collect()
}

fn needs_of(package: &Control, architecture: &str, by_name: &HashMap<String, Vec<usize>>) -> Vec<usize> {
    let mut needs = Vec::new();
    for field in ["Pre-Depends", "Depends"] {
        for group in parse_relations(package.field(field), architecture).unwrap_or_default() {
            let met = group.0.iter().filter_map(|relation| by_name.get(relation.name)).flatten();
            needs.extend(met.copied());
        }
    }
    needs
}
