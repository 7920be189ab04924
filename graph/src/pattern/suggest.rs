//! What was probably meant by a pattern that matches nothing.

use std::collections::BTreeSet;

use crate::path::TreePath;

/// The existing path that resembles a pattern most, a directory among them, if one does: the same name elsewhere, or a
/// few letters changed. `paths` are sorted.
pub fn nearest_path<'a>(pattern: &str, paths: impl IntoIterator<Item = &'a TreePath>) -> Option<String> {
    let wanted = pattern.trim_matches('/');
    let allowed = 1 + wanted.len() / 4;
    let mut seen_directories: BTreeSet<TreePath> = BTreeSet::new();
    let mut best: Option<(usize, String)> = None;
    for path in paths {
        consider(wanted, allowed, path, &mut best);
        for directory in path.ancestors() {
            if !seen_directories.insert(directory.clone()) {
                break;
            }
            consider(wanted, allowed, &directory, &mut best);
        }
    }
    best.map(|(_, path)| path)
}

/// What else may explain that a pattern matches nothing: characters that mean something else in other languages.
#[must_use]
pub fn advice(pattern: &str) -> Option<&'static str> {
    if pattern.contains('{') && pattern.contains('}') {
        return Some("braces stand for themselves: write one pattern for each alternative");
    }
    pattern.contains('[').then_some("`[...]` stands for one character: write `[[]` for the character `[` itself")
}

fn consider(wanted: &str, allowed: usize, path: &TreePath, best: &mut Option<(usize, String)>) {
    let limit = best.as_ref().map_or(allowed, |(distance, _)| distance.saturating_sub(1).min(allowed));
    let candidate = path.to_string();
    let found = match edit_distance(wanted.as_bytes(), candidate.as_bytes(), limit) {
        None if path.name() == Some(wanted.as_bytes()) && limit > 0 => Some(1),
        found => found,
    };
    if let Some(distance) = found
        && best.as_ref().is_none_or(|(known, _)| distance < *known)
    {
        *best = Some((distance, candidate));
    }
}

/// The number of bytes to insert, delete or replace to make one text the other; `None` beyond `limit`.
fn edit_distance(left: &[u8], right: &[u8], limit: usize) -> Option<usize> {
    if left.len().abs_diff(right.len()) > limit {
        return None;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
        if row.iter().min().is_none_or(|&least| least > limit) {
            return None;
        }
    }
    row.last().copied().filter(|&distance| distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_path_is_suggested() {
        let paths: Vec<TreePath> = ["package.json", "src/main.rs", "web/src/index.html"]
            .iter()
            .map(|text| TreePath::new(text).expect("a test path"))
            .collect();
        for (pattern, expected) in [
            ("packge.json", Some("package.json")),
            ("index.html", Some("web/src/index.html")),
            ("scr/main.rs", Some("src/main.rs")),
            ("wev", Some("web")),
            ("/src/main.r", Some("src/main.rs")),
            ("nothing/like/it", None),
        ] {
            assert_eq!(nearest_path(pattern, &paths).as_deref(), expected, "{pattern}");
        }
    }

    #[test]
    fn foreign_pattern_characters_are_explained() {
        for (pattern, explained) in [("*.{js,ts}", true), ("pages/[id].tsx", true), ("plain", false)] {
            assert_eq!(advice(pattern).is_some(), explained, "{pattern}");
        }
    }
}
