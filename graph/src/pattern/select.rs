//! Selecting from a sorted list of paths.
//!
//! Each positive pattern looks only at the range of paths that begin like it, so that a selection of a few files out of
//! 100,000 does not look at the others.

use std::ops::Range;

use super::glob::Glob;
use super::{Matcher, Patterns};
use crate::path::TreePath;

/// Which rules a selection follows besides its patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SourceRules {
    /// None: the paths are a tree's.
    #[default]
    Tree,
    /// The paths are a source's: files named `*.build` or `sinter.lock` are taken only if a pattern without wildcards
    /// names them, so that editing the recipe does not rerun what it describes.
    Source,
}

/// What a selection found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// The indices of the paths that are wanted, ascending.
    pub matched: Vec<usize>,
    /// Positive patterns that matched nothing, as they were written. What an exclude takes away counts as matched.
    pub unmatched: Vec<String>,
}

impl Matcher {
    /// Selects from `items`, which are sorted by `path`, each path once.
    pub fn select<T>(&self, items: &[T], path: impl Fn(&T) -> &TreePath, rules: SourceRules) -> Selection {
        let mut selection = Selection::default();
        if self.include.is_empty() {
            let wanted = |index: &usize| rules.admit(None, path(&items[*index]));
            selection.matched = (0..items.len()).filter(wanted).collect();
        }
        for glob in &self.include {
            let before = selection.matched.len();
            let candidates = candidates(glob, items, &path);
            let wanted = |index: &usize| {
                let path = path(&items[*index]);
                glob.matches(path) && rules.admit(Some(glob), path)
            };
            selection.matched.extend(candidates.filter(wanted));
            if selection.matched.len() == before {
                selection.unmatched.push(glob.text.clone());
            }
        }
        selection.matched.sort_unstable();
        selection.matched.dedup();
        selection.matched.retain(|&index| !self.excludes(path(&items[index])));
        selection
    }
}

impl Patterns {
    /// Compiles for a source and selects from its sorted paths.
    ///
    /// # Errors
    /// As [`Patterns::validate_relative`].
    pub fn select_from_source<T>(
        &self,
        items: &[T],
        path: impl Fn(&T) -> &TreePath,
    ) -> Result<Selection, super::InvalidPattern> {
        self.validate_relative()?;
        Ok(self.compile(&TreePath::root()).select(items, path, SourceRules::Source))
    }
}

impl SourceRules {
    fn admit(self, glob: Option<&Glob>, path: &TreePath) -> bool {
        let named = glob.is_some_and(|glob| glob.is_literal() && glob.prefix == *path);
        self == Self::Tree || named || !is_recipe(path)
    }
}

fn is_recipe(path: &TreePath) -> bool {
    path.name().is_some_and(|name| name == b"sinter.lock" || name.ends_with(b".build"))
}

/// The indices of all paths that begin like the pattern. A directory and what is below it are no neighbours in byte
/// order (`web`, `web-old`, `web/a`), so a pattern without wildcards has two ranges.
fn candidates<T>(
    glob: &Glob,
    items: &[T],
    path: &impl Fn(&T) -> &TreePath,
) -> std::iter::Chain<Range<usize>, Range<usize>> {
    let range = |prefix: &[u8], exact: bool| {
        let start = items.partition_point(|item| path(item).as_bytes() < prefix);
        let rest = &items[start..];
        let length = if exact {
            rest.partition_point(|item| path(item).as_bytes() == prefix)
        } else {
            rest.partition_point(|item| path(item).as_bytes().starts_with(prefix))
        };
        start..start + length
    };
    let mut prefix = glob.literal_prefix();
    if !glob.is_literal() || prefix.is_empty() {
        return range(&prefix, false).chain(0..0);
    }
    let exact = range(&prefix, true);
    prefix.push(b'/');
    exact.chain(range(&prefix, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn paths(texts: &[&str]) -> Vec<TreePath> {
        let mut paths: Vec<TreePath> = texts.iter().map(|text| TreePath::new(text).expect("a test path")).collect();
        paths.sort();
        paths
    }

    fn selected(
        include: &[&str],
        exclude: &[&str],
        files: &[TreePath],
        rules: SourceRules,
    ) -> (Vec<String>, Vec<String>) {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let matcher = Patterns::new(owned(include), owned(exclude)).expect("test patterns").compile(&TreePath::root());
        let selection = matcher.select(files, |path| path, rules);
        (selection.matched.iter().map(|&index| files[index].to_string()).collect(), selection.unmatched)
    }

    #[test]
    fn neighbours_of_a_directory_stay_out() {
        let files = paths(&["web", "web-old/a", "web.txt", "web/a", "web/b/c", "webx"]);
        let (matched, unmatched) = selected(&["web", "none", "none/*"], &["web/b"], &files, SourceRules::Tree);
        assert_eq!(matched, ["web", "web/a"]);
        assert_eq!(unmatched, ["none", "none/*"]);
    }

    #[test]
    fn recipes_are_taken_only_by_name() {
        let files = paths(&[".build/x", "a", "lib/x.build", "sinter.lock", "sub/sinter.lock", "x.build"]);
        for (include, expected, unmatched) in [
            (&[][..], &[".build/x", "a"][..], &[][..]),
            (&["*"], &[".build/x", "a"], &[]),
            (&["*.build"], &[".build/x"], &[]),
            (&["lib"], &[], &["lib"]),
            (&["lib/x.build", "sinter.lock"], &["lib/x.build", "sinter.lock"], &[]),
            (&["**/sinter.lock"], &[], &["**/sinter.lock"]),
        ] {
            let found = selected(include, &[], &files, SourceRules::Source);
            assert_eq!(
                (found.0, found.1),
                (
                    expected.iter().map(|s| (*s).to_owned()).collect(),
                    unmatched.iter().map(|s: &&str| (*s).to_owned()).collect()
                ),
                "{include:?}"
            );
        }
        let (everything, _) = selected(&["**"], &[], &files, SourceRules::Tree);
        assert_eq!(everything.len(), files.len());
    }

    proptest! {
        #[test]
        fn ranges_find_what_scanning_finds(
            texts in proptest::collection::btree_set("[ab.-]{1,2}(/[ab.-]{1,2}){0,3}", 0..40),
            pattern in "[ab*?.-]{1,2}(/([ab*?-]{1,2}|\\*\\*)){0,3}",
        ) {
            let files: Vec<TreePath> = texts.iter().filter_map(|text| TreePath::new(text).ok()).collect();
            let Ok(patterns) = Patterns::new([pattern], []) else { return Ok(()) };
            let matcher = patterns.compile(&TreePath::root());
            let scanned: Vec<usize> = (0..files.len()).filter(|&index| matcher.matches(&files[index])).collect();
            prop_assert_eq!(matcher.select(&files, |path| path, SourceRules::Tree).matched, scanned);
        }
    }
}
