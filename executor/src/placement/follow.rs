//! Patterns that walk over links to directories.
//!
//! In a tree where `/bin` is a link to `usr/bin`, nothing is below `/bin`, and everybody writes `/bin/ls`. So the part of
//! a pattern before its first wildcard is followed as the kernel would, but for the last component: a link that a
//! pattern names itself is selected as the link it is.

use std::collections::BTreeMap;

use sinter_graph::path::TreePath;
use sinter_graph::pattern::{Matcher, Patterns};
use sinter_graph::tree::Tree;

/// Patterns that were followed in a tree.
pub(super) struct Followed {
    pub(super) matcher: Matcher,
    /// What was written, by what was made of it, where that is something else.
    written: BTreeMap<String, String>,
}

impl Followed {
    /// A pattern as it was written.
    pub(super) fn as_written<'a>(&'a self, pattern: &'a str) -> &'a str {
        self.written.get(pattern).map_or(pattern, String::as_str)
    }
}

/// Compiles patterns for a tree; what does not start with `/` is relative to `base`.
pub(super) fn follow(patterns: &Patterns, base: &TreePath, tree: &Tree) -> Followed {
    let mut written = BTreeMap::new();
    let mut all = |texts: &[String]| -> Vec<String> {
        let follow = |text: &String| match followed(text, base, tree) {
            Some(real) => {
                written.entry(real.clone()).or_insert_with(|| text.clone());
                real
            }
            None => text.clone(),
        };
        texts.iter().map(follow).collect()
    };
    let (include, exclude) = (all(patterns.include()), all(patterns.exclude()));
    // A name behind a link may be none that a pattern can spell.
    match Patterns::new(include, exclude) {
        Ok(real) => Followed { matcher: real.compile(base), written },
        Err(_) => Followed { matcher: patterns.compile(base), written: BTreeMap::new() },
    }
}

/// The pattern without links on its way; `None` if there are none.
fn followed(text: &str, base: &TreePath, tree: &Tree) -> Option<String> {
    let segments: Vec<&str> = text.split('/').filter(|segment| !segment.is_empty()).collect();
    let literal = segments.iter().take_while(|segment| !segment.contains(['*', '?', '['])).count();
    let directories = literal.min(segments.len().checked_sub(1)?);
    let base = if text.starts_with('/') { TreePath::root() } else { base.clone() };
    let way = base.join(&TreePath::new(segments[..directories].join("/")).ok()?);
    let real = tree.resolve_directory(&way).filter(|real| *real != way)?;
    let mut pattern = String::new();
    for name in real.components() {
        pattern.push('/');
        std::str::from_utf8(name).ok()?.chars().for_each(|character| spell(&mut pattern, character));
    }
    Some(format!("{pattern}/{}", segments[directories..].join("/")))
}

/// Adds a character that shall stand for itself.
fn spell(pattern: &mut String, character: char) {
    match character {
        '*' | '?' | '[' => pattern.extend(['[', character, ']']),
        _ => pattern.push(character),
    }
}
