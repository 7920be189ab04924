//! Chooses packages so that every dependency of what was asked for is met and nothing conflicts.
//!
//! Rules. Dependencies are followed breadth first over `Pre-Depends` and `Depends`; `Recommends` never. Of alternatives
//! that nothing selected meets, the order is: a preferred package (the Essential set, so that a closure fits on top of
//! it), then as written; for a virtual package the provider of the most important priority, then the first by name. A
//! choice that leads nowhere is taken back, a bounded number of times. The same indexes give the same answer.
//! Must not know: where packages come from, the lock.

use std::collections::{HashMap, HashSet};

use super::dependency::Alternatives;
use super::index::{PackageId, Universe};

/// How many choices may be taken back. Real suites need none or a few.
const MAX_RETREATS: usize = 10_000;

/// How many packages one answer may have.
const MAX_SELECTED: usize = 50_000;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// A dependency that no package meets.
    Unmet {
        /// From an asked package to the one that has the dependency.
        chain: Vec<String>,
        /// The dependency.
        relation: String,
        /// What there is instead, each with its version or with who provides it.
        candidates: Vec<String>,
    },
    /// Two packages that exclude each other.
    Conflict {
        /// The one that says so.
        package: String,
        /// What it says.
        relation: String,
        /// The other one, with its version.
        other: String,
        /// Why the later one of them is wanted.
        chain: Vec<String>,
    },
    /// The search was given up.
    TooHard,
    /// A package that must be read has a field that cannot be.
    Malformed(String),
}

/// What an answer is measured against.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// Packages to prefer where there is a choice.
    pub(super) preferred: HashSet<PackageId>,
    /// Packages that will be there too, so that nothing may conflict with them; they meet no dependency.
    pub(super) beside: Vec<PackageId>,
}

/// One selected package and which selected one wanted it.
struct Selection {
    id: PackageId,
    parent: Option<usize>,
}

/// A point to which the search can return.
struct Choice {
    selected: usize,
    cursor: (usize, usize),
    candidates: std::vec::IntoIter<PackageId>,
}

struct Solver<'u, 't> {
    universe: &'u Universe<'t>,
    context: &'u Context,
    trail: Vec<Selection>,
    selected: HashSet<PackageId>,
    /// Per package, who of the selected excludes it, and by which relation.
    excluded: HashMap<PackageId, Vec<(PackageId, String)>>,
    dependencies: HashMap<PackageId, Vec<Alternatives<'t>>>,
    choices: Vec<Choice>,
    first_failure: Option<Failure>,
}

/// The asked packages and all they need, in the order they were found.
pub(super) fn resolve(
    universe: &Universe<'_>,
    asked: &[PackageId],
    context: &Context,
) -> Result<Vec<PackageId>, Failure> {
    let mut solver = Solver {
        universe,
        context,
        trail: Vec::new(),
        selected: HashSet::new(),
        excluded: HashMap::new(),
        dependencies: HashMap::new(),
        choices: Vec::new(),
        first_failure: None,
    };
    for &id in &context.beside {
        solver.exclude(id)?;
    }
    for &id in asked {
        if !solver.selected.contains(&id) {
            if let Some(failure) = solver.clash(id, None)? {
                return Err(failure);
            }
            solver.select(id, None)?;
        }
    }
    solver.run()?;
    Ok(solver.trail.iter().map(|selection| selection.id).collect())
}

impl<'t> Solver<'_, 't> {
    fn run(&mut self) -> Result<(), Failure> {
        let (mut cursor, mut retreats) = ((0, 0), 0);
        while let Some(selection) = self.trail.get(cursor.0) {
            let Some(group) = self.group(selection.id, cursor.1)? else {
                cursor = (cursor.0 + 1, 0);
                continue;
            };
            if self.is_met(&group) {
                cursor.1 += 1;
                continue;
            }
            let mut candidates = self.candidates(&group, cursor.0)?.into_iter();
            if let Some(id) = candidates.next() {
                self.choices.push(Choice { selected: self.trail.len(), cursor, candidates });
                self.select(id, Some(cursor.0))?;
                cursor.1 += 1;
                continue;
            }
            retreats += 1;
            cursor = self.retreat(retreats)?;
        }
        Ok(())
    }

    /// Goes back to the last point that has another way, and takes it.
    fn retreat(&mut self, retreats: usize) -> Result<(usize, usize), Failure> {
        if retreats > MAX_RETREATS {
            return Err(Failure::TooHard);
        }
        while let Some(mut choice) = self.choices.pop() {
            let Some(id) = choice.candidates.next() else { continue };
            self.take_back(choice.selected)?;
            let cursor = choice.cursor;
            self.choices.push(choice);
            self.select(id, Some(cursor.0))?;
            return Ok((cursor.0, cursor.1 + 1));
        }
        Err(self.first_failure.take().unwrap_or(Failure::TooHard))
    }

    fn take_back(&mut self, length: usize) -> Result<(), Failure> {
        for selection in self.trail.drain(length..).rev().collect::<Vec<_>>() {
            self.selected.remove(&selection.id);
            for (excluded, _) in self.exclusions(selection.id)? {
                if let Some(owners) = self.excluded.get_mut(&excluded) {
                    owners.pop();
                }
            }
        }
        Ok(())
    }

    fn select(&mut self, id: PackageId, parent: Option<usize>) -> Result<(), Failure> {
        if self.trail.len() == MAX_SELECTED {
            return Err(Failure::TooHard);
        }
        self.trail.push(Selection { id, parent });
        self.selected.insert(id);
        self.exclude(id)
    }

    fn exclude(&mut self, id: PackageId) -> Result<(), Failure> {
        for (excluded, relation) in self.exclusions(id)? {
            self.excluded.entry(excluded).or_default().push((id, relation));
        }
        Ok(())
    }

    /// What a package conflicts with or breaks, itself excepted (Policy 7.4: a package may conflict with what it
    /// provides).
    fn exclusions(&self, id: PackageId) -> Result<Vec<(PackageId, String)>, Failure> {
        let mut exclusions = Vec::new();
        for relation in self.universe.conflicts(id).map_err(Failure::Malformed)?.iter().flat_map(|group| &group.0) {
            let met = self.universe.meeting(relation).filter(|&met| met != id);
            exclusions.extend(met.map(|met| (met, relation.to_string())));
        }
        Ok(exclusions)
    }

    fn group(&mut self, id: PackageId, index: usize) -> Result<Option<Alternatives<'t>>, Failure> {
        if !self.dependencies.contains_key(&id) {
            let dependencies = self.universe.dependencies(id).map_err(Failure::Malformed)?;
            self.dependencies.insert(id, dependencies);
        }
        Ok(self.dependencies.get(&id).and_then(|groups| groups.get(index)).cloned())
    }

    fn is_met(&self, group: &Alternatives<'_>) -> bool {
        group.0.iter().any(|relation| self.universe.meeting(relation).any(|id| self.selected.contains(&id)))
    }

    /// The packages that meet a dependency and conflict with nothing, best first.
    fn candidates(&mut self, group: &Alternatives<'_>, owner: usize) -> Result<Vec<PackageId>, Failure> {
        let mut meeting: Vec<PackageId> = Vec::new();
        for id in group.0.iter().flat_map(|relation| self.universe.meeting(relation)) {
            if !meeting.contains(&id) {
                meeting.push(id);
            }
        }
        if meeting.is_empty() {
            let failure = self.unmet(group, owner);
            self.first_failure.get_or_insert(failure);
        }
        let mut fitting = Vec::with_capacity(meeting.len());
        for id in meeting {
            match self.clash(id, Some(owner))? {
                None => fitting.push(id),
                Some(clash) => drop(self.first_failure.get_or_insert(clash)),
            }
        }
        fitting.sort_by_key(|id| !self.context.preferred.contains(id));
        Ok(fitting)
    }

    /// Whether a package excludes what is there, or is excluded by it.
    fn clash(&self, id: PackageId, wanted_by: Option<usize>) -> Result<Option<Failure>, Failure> {
        let conflict = |package: PackageId, relation: &str, other: PackageId| Failure::Conflict {
            package: self.shown(package),
            relation: relation.to_owned(),
            other: self.shown(other),
            chain: self.chain(wanted_by, Some(id)),
        };
        if let Some((owner, relation)) = self.excluded.get(&id).and_then(|owners| owners.last()) {
            return Ok(Some(conflict(*owner, relation, id)));
        }
        let is_there = |other: &PackageId| self.selected.contains(other) || self.context.beside.contains(other);
        let exclusions = self.exclusions(id)?;
        let hit = exclusions.iter().find(|(other, _)| is_there(other));
        Ok(hit.map(|(other, relation)| conflict(id, relation, *other)))
    }

    fn shown(&self, id: PackageId) -> String {
        let package = self.universe.package(id);
        format!("{} {}", package.name, package.version)
    }

    /// The names from an asked package down to the selected one, and one more.
    fn chain(&self, from: Option<usize>, last: Option<PackageId>) -> Vec<String> {
        let mut ids: Vec<PackageId> = last.into_iter().collect();
        let parents = std::iter::successors(from, |&index| self.trail[index].parent);
        ids.extend(parents.map(|index| self.trail[index].id));
        ids.iter().rev().map(|&id| self.universe.package(id).name.to_owned()).collect()
    }

    fn unmet(&self, group: &Alternatives<'_>, owner: usize) -> Failure {
        let mut candidates = Vec::new();
        for relation in &group.0 {
            candidates.extend(self.universe.find(relation.name).map(|id| self.shown(id)));
            for &(id, version) in self.universe.providers(relation.name) {
                let provided = version.map_or_else(|| "no version".to_owned(), |version| format!("version {version}"));
                candidates.push(format!("{} (provides {} in {provided})", self.shown(id), relation.name));
            }
        }
        Failure::Unmet { chain: self.chain(Some(owner), None), relation: group.to_string(), candidates }
    }
}

#[cfg(test)]
mod tests {
    use super::super::index::IndexText;
    use super::*;

    /// Resolves `asked` in a universe written as one line per package: `name version; Field: value; ...`.
    fn answer(lines: &[&str], asked: &[&str]) -> Result<Vec<String>, Failure> {
        answer_beside(lines, asked, &[])
    }

    fn answer_beside(lines: &[&str], asked: &[&str], beside: &[&str]) -> Result<Vec<String>, Failure> {
        let paragraph = |line: &&str| {
            let (head, fields) = line.split_once(';').unwrap_or((line, ""));
            let (name, version) = head.split_once(' ').unwrap_or((head, "1"));
            let fields: String = fields.split(';').map(|field| format!("{}\n", field.trim())).collect();
            format!("Package: {name}\nVersion: {version}\nArchitecture: all\n{}\n", fields.trim_start_matches('\n'))
        };
        let text: String = lines.iter().map(paragraph).collect();
        let indexes = [IndexText { archive: "debian".to_owned(), suite: "test".to_owned(), text }];
        let universe = Universe::read(&indexes, "amd64").expect("a valid index");
        let ids = |names: &[&str]| names.iter().map(|name| universe.find(name).expect("known")).collect::<Vec<_>>();
        let context = Context { preferred: ids(beside).into_iter().collect(), beside: ids(beside) };
        let mut names: Vec<String> = resolve(&universe, &ids(asked), &context)?
            .iter()
            .map(|&id| format!("{} {}", universe.package(id).name, universe.package(id).version))
            .map(|shown| shown.trim_end_matches(" 1").to_owned())
            .collect();
        names.sort();
        Ok(names)
    }

    fn assert_answer(lines: &[&str], asked: &[&str], expected: &[&str]) {
        assert_eq!(answer(lines, asked), Ok(expected.iter().map(|&name| name.to_owned()).collect()), "{lines:?}");
    }

    #[test]
    fn closures_follow_depends_not_recommends() {
        let lines =
            ["aa 1; Depends: bb, cc (>= 2); Recommends: dd", "bb 1; Pre-Depends: ee", "cc 2", "cc 3", "dd 1", "ee 1"];
        assert_answer(&lines, &["aa"], &["aa", "bb", "cc 3", "ee"]);
        assert_answer(&["aa; Depends: bb", "bb; Depends: aa"], &["aa"], &["aa", "bb"]);
    }

    #[test]
    fn alternatives_prefer_what_is_there() {
        let lines = ["aa; Depends: bb | cc", "bb", "cc", "dd; Depends: xx | bb"];
        assert_answer(&lines, &["aa"], &["aa", "bb"]);
        assert_answer(&lines, &["aa", "cc"], &["aa", "cc"]);
        assert_answer(&lines, &["dd"], &["bb", "dd"]);
    }

    #[test]
    fn virtual_packages_choose_by_priority_then_name() {
        let lines = [
            "aa; Depends: vv",
            "p1; Provides: vv; Priority: extra",
            "p3; Provides: vv; Priority: optional",
            "p2; Provides: vv (= 2); Priority: optional",
            "bb; Depends: vv (>= 2)",
            "cc; Depends: vv:any",
        ];
        assert_answer(&lines, &["aa"], &["aa", "p2"]);
        assert_answer(&lines, &["aa", "p1"], &["aa", "p1"]);
        assert_answer(&lines, &["bb", "p1"], &["bb", "p1", "p2"]);
        assert!(matches!(answer(&lines, &["cc"]), Err(Failure::Unmet { .. })));
    }

    #[test]
    fn choices_that_fail_are_taken_back() {
        let lines = [
            "aa; Depends: bb | cc, dd",
            "bb; Depends: missing",
            "cc",
            "dd; Depends: ee | ff",
            "ee; Conflicts: cc",
            "ff",
        ];
        assert_answer(&lines, &["aa"], &["aa", "cc", "dd", "ff"]);
    }

    #[test]
    fn unmet_dependency_shows_the_chain() {
        let lines = ["aa; Depends: bb", "bb; Depends: cc (>= 2) | vv (= 3)", "cc 1", "pp; Provides: vv"];
        let expected = Failure::Unmet {
            chain: vec!["aa".to_owned(), "bb".to_owned()],
            relation: "cc (>= 2) | vv (= 3)".to_owned(),
            candidates: vec!["cc 1".to_owned(), "pp 1 (provides vv in no version)".to_owned()],
        };
        assert_eq!(answer(&lines, &["aa"]), Err(expected));
    }

    #[test]
    fn conflicts_name_both_packages() {
        let lines =
            ["aa; Depends: bb", "bb; Breaks: cc (<< 2)", "cc 1; Conflicts: vv; Provides: vv", "dd; Provides: vv"];
        let conflict = |asked: &[&str]| match answer(&lines, asked) {
            Err(Failure::Conflict { package, relation, other, .. }) => format!("{package} / {relation} / {other}"),
            other => format!("{other:?}"),
        };
        assert_eq!(conflict(&["aa", "cc"]), "bb 1 / cc (<< 2) / cc 1");
        assert_eq!(conflict(&["cc", "dd"]), "cc 1 / vv / dd 1");
        assert_answer(&lines, &["cc"], &["cc"]);
    }

    #[test]
    fn what_stands_beside_is_preferred_and_respected() {
        let lines = ["aa; Depends: bb | cc", "bb", "cc", "dd; Conflicts: cc", "ee; Depends: bb | dd"];
        assert_eq!(answer_beside(&lines, &["aa"], &["cc"]), Ok(vec!["aa".to_owned(), "cc".to_owned()]));
        assert!(matches!(answer_beside(&lines, &["dd"], &["cc"]), Err(Failure::Conflict { .. })));
        assert_eq!(answer_beside(&lines, &["ee"], &["cc"]), Ok(vec!["bb".to_owned(), "ee".to_owned()]));
    }

    #[test]
    fn hopeless_searches_end() {
        let mut lines: Vec<String> = (0..40)
            .map(|i| format!("n{i:02}; Depends: n{:02} | n{:02}", i + 1, i + 2))
            .chain(["n40; Depends: missing".to_owned(), "n41; Depends: missing".to_owned()])
            .collect();
        lines.push("n42".to_owned());
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert!(answer(&lines, &["n00"]).is_err());
    }
}
