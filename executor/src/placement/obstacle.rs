//! What is in the way of a file that is to be placed, in words.

use sinter_graph::path::TreePath;
use sinter_graph::tree::{Kind, Tree};

use super::{ContentSource, Selected};

/// What stands where something of `kind` is to be, if it would be hidden or is no directory where one is needed.
/// A directory may stand on a directory, and whatever is none on whatever is none, but for files on links to directories:
/// what is reached through the link would be gone.
pub(super) fn obstacle(onto: &Tree, path: &TreePath, kind: &Kind) -> Option<String> {
    let below = path.ancestors().find_map(|parent| no_directory(onto, &parent));
    let here = if *kind == Kind::Directory { no_directory(onto, path) } else { hidden_directory(onto, path, kind) };
    below.or(here)
}

fn no_directory(onto: &Tree, path: &TreePath) -> Option<String> {
    let found = &onto.get(path)?.entry.kind;
    (*found != Kind::Directory).then(|| format!("`/{path}` of the tree is {}, and no directory", word(found)))
}

fn hidden_directory(onto: &Tree, path: &TreePath, kind: &Kind) -> Option<String> {
    if onto.is_directory(path) {
        return Some("the tree has a directory there".to_owned());
    }
    match &onto.get(path)?.entry.kind {
        Kind::Symlink { target } if !matches!(kind, Kind::Symlink { .. }) => {
            let behind = onto.resolve(path).filter(|behind| onto.is_directory(behind))?;
            let target = String::from_utf8_lossy(target);
            Some(format!("the tree has a link to `{target}` there, and so the directory `/{behind}`"))
        }
        _ => None,
    }
}

/// What is to be placed and where it comes from.
pub(super) fn thing(selected: &Selected) -> String {
    let origin = &selected.origin;
    match &selected.source {
        ContentSource::WorkTree { path, .. } => format!("`{path}` of `{origin}`"),
        ContentSource::Layer { path, .. } => format!("`/{path}` of `{origin}`"),
        ContentSource::Literal(_) => format!("`file(\"{origin}\")`"),
        ContentSource::Nothing => format!("{} of `{origin}`", word(&selected.kind)),
    }
}

fn word(kind: &Kind) -> &'static str {
    match kind {
        Kind::Directory => "a directory",
        Kind::File { .. } | Kind::HardLink { .. } => "a file",
        Kind::Symlink { .. } => "a link",
        Kind::Fifo => "a named pipe",
        Kind::CharacterDevice { .. } | Kind::BlockDevice { .. } => "a device",
        Kind::Whiteout => "nothing",
    }
}
