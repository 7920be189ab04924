//! What a name in a foreign archive means.

use sinter_graph::path::TreePath;

/// Begins the name of a deletion (OCI image-spec v1.1, `layer.md`, "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";
/// Says that lower layers show nothing in its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Begins names by which AUFS keeps notes of its own, which are no part of the tree.
const NOTES: &[u8] = b".wh..wh.";

/// A name, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// The root directory.
    Root,
    /// An entry: the directories on the way, and its own name.
    Entry(Vec<Vec<u8>>, Vec<u8>),
    /// A deletion of a name in a directory.
    Whiteout(Vec<Vec<u8>>, Vec<u8>),
    /// All of a directory.
    Opaque(Vec<Vec<u8>>),
    /// Nothing that concerns the tree.
    Ignored,
}

/// Takes a name apart: relative to the root however it is written, `.` and empty parts left out, `..` taken as text, since
/// that is how everybody unpacks them.
///
/// # Errors
/// If a directory on the way has the name of a deletion.
pub(super) fn parse(name: &[u8]) -> Result<Name, &'static str> {
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part.to_vec()),
        }
    }
    let Some(last) = parts.pop() else { return Ok(Name::Root) };
    if parts.iter().any(|part| part.starts_with(NOTES)) || (last.starts_with(NOTES) && last != OPAQUE) {
        return Ok(Name::Ignored);
    }
    if parts.iter().any(|part| part.starts_with(WHITEOUT)) {
        return Err("lies below the name of a deletion");
    }
    if last == OPAQUE {
        return Ok(Name::Opaque(parts));
    }
    match last.strip_prefix(WHITEOUT) {
        None => Ok(Name::Entry(parts, last)),
        Some(b"" | b"." | b"..") => Err("deletes nothing that has a name"),
        Some(deleted) => Ok(Name::Whiteout(parts, deleted.to_vec())),
    }
}

/// A name in a directory.
///
/// # Errors
/// If it is none.
pub(super) fn child(directory: &TreePath, name: &[u8]) -> Result<TreePath, &'static str> {
    let tail = TreePath::new(name).map_err(|_| "has a name that no path can hold")?;
    Ok(directory.join(&tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<Vec<u8>> {
        text.split('/').filter(|part| !part.is_empty()).map(|part| part.as_bytes().to_vec()).collect()
    }

    #[test]
    fn names_are_taken_apart() {
        let entry = |way: &str, name: &str| Ok(Name::Entry(parts(way), name.as_bytes().to_vec()));
        let whiteout = |way: &str, name: &str| Ok(Name::Whiteout(parts(way), name.as_bytes().to_vec()));
        for (name, expected) in [
            ("", Ok(Name::Root)),
            ("./", Ok(Name::Root)),
            ("/", Ok(Name::Root)),
            ("..", Ok(Name::Root)),
            ("a", entry("", "a")),
            ("./a/b/", entry("a", "b")),
            ("/a//./b", entry("a", "b")),
            ("../../a", entry("", "a")),
            ("a/../b", entry("", "b")),
            ("a/.wh.b", whiteout("a", "b")),
            (".wh..x", whiteout("", ".x")),
            ("a/.wh..wh..opq", Ok(Name::Opaque(parts("a")))),
            (".wh..wh..opq", Ok(Name::Opaque(vec![]))),
            (".wh..wh.plnk", Ok(Name::Ignored)),
            (".wh..wh.plnk/12.34", Ok(Name::Ignored)),
            (".wh.", Err("deletes nothing that has a name")),
            ("a/.wh...", Err("deletes nothing that has a name")),
            (".wh.a/b", Err("lies below the name of a deletion")),
        ] {
            assert_eq!(parse(name.as_bytes()), expected, "{name}");
        }
    }
}
