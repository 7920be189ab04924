//! The name an image gets from the name of its target, one rule for every form it is written in.
//!
//! Two grammars must both be met: a repository name of the distribution reference (`[a-z0-9]+` joined by one `.` or `_`,
//! by `__`, or by any number of `-`; used as `RepoTags`), and the `ref.name` annotation of OCI image-spec v1.1,
//! `annotations.md` (`[A-Za-z0-9]+` joined by one of `-._:@+` or by `--`). What both allow is small letters and digits
//! joined by a single `_` or `-`.
//!
//! Must not know: destinations, documents.

use std::collections::BTreeMap;

/// A tag has at most 128 characters (distribution-spec v1.1, "Pulling manifests"), and some tools make a tag of the name.
const LONGEST: usize = 128;

/// The name of an image in layouts and archives: capitals become small, of several separators in a row the first one
/// stays, none stays at the ends, and what is longer than 128 characters is cut. A name without any letter or digit
/// becomes `image`.
#[must_use]
pub fn reference_name(target: &str) -> String {
    let mut name = String::with_capacity(target.len());
    let mut separator = None;
    for character in target.chars() {
        if character.is_ascii_alphanumeric() {
            name.extend(separator.take().filter(|_| !name.is_empty()));
            name.push(character.to_ascii_lowercase());
        } else {
            separator = separator.or(Some(if character == '_' { '_' } else { '-' }));
        }
    }
    // All is ASCII, so any length is a boundary.
    name.truncate(LONGEST);
    name.truncate(name.trim_end_matches(['_', '-']).len());
    if name.is_empty() { "image".to_owned() } else { name }
}

/// The first two different targets that would get one name, with that name.
pub(crate) fn shared_name(targets: &[String]) -> Option<(&str, &str, String)> {
    let mut named: BTreeMap<String, &str> = BTreeMap::new();
    targets.iter().find_map(|target| {
        let name = reference_name(target);
        let earlier = *named.entry(name.clone()).or_insert(target);
        (earlier != target).then_some((earlier, target.as_str(), name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_get_the_nearest_name() {
        for (target, expected) in [
            ("web", "web"),
            ("webServer", "webserver"),
            ("web_server", "web_server"),
            ("web-server", "web-server"),
            ("a1-b2_c3", "a1-b2_c3"),
            ("a__b", "a_b"),
            ("a-_-b", "a-b"),
            ("a--b", "a-b"),
            ("_a__b-", "a_b"),
            ("_1", "1"),
            ("___", "image"),
            ("_", "image"),
            ("é", "image"),
            ("", "image"),
        ] {
            assert_eq!(reference_name(target), expected, "{target}");
        }
    }

    /// The two grammars, written down as their specifications do.
    fn is_reference(name: &str) -> bool {
        let words: Vec<&str> = name.split(['_', '-']).collect();
        let is_word = |word: &&str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        name.len() <= 128 && words.iter().all(is_word)
    }

    #[test]
    fn every_name_meets_both_grammars() {
        let characters = ['a', 'Z', '0', '_', '-'];
        let grown = |names: &[String]| -> Vec<String> {
            names.iter().flat_map(|name| characters.map(|character| format!("{name}{character}"))).collect()
        };
        let mut names = vec![String::new()];
        for _ in 0..6 {
            names = grown(&names);
            names.iter().for_each(|target| assert!(is_reference(&reference_name(target)), "{target}"));
        }
        for long in
            ["a".repeat(300), format!("{}_b", "a".repeat(127)), format!("{}__{}", "a".repeat(126), "b".repeat(9))]
        {
            assert!(is_reference(&reference_name(&long)), "{long}");
        }
    }

    #[test]
    fn a_name_is_its_own_name() {
        for target in ["Web_1", "a__b", "___", "x-_y"] {
            let name = reference_name(target);
            assert_eq!(reference_name(&name), name);
        }
    }

    #[test]
    fn shared_names_tell_both_targets() {
        let found = |targets: &[&str]| {
            let targets: Vec<String> = targets.iter().map(|target| (*target).to_owned()).collect();
            shared_name(&targets).map(|(one, other, name)| format!("{one} {other} {name}"))
        };
        assert_eq!(found(&["web", "db", "Web"]).as_deref(), Some("web Web web"));
        assert_eq!(found(&["a__b", "a_b"]).as_deref(), Some("a__b a_b a_b"));
        assert_eq!(found(&["web", "db", "web"]), None);
    }
}
