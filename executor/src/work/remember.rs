//! What is remembered about a step that ran, and what a second result of it means.
//!
//! A key that yields two results belongs to a step that is not reproducible. The result that is there already keeps
//! counting, so that everybody who looks it up gets the same one.

use std::sync::Arc;

use sinter_graph::digest::{ContentKey, LayerDigest};
use sinter_graph::tree::{Entry, Manifest};

use crate::context::Context;
use crate::error::BuildError;
use crate::events::Event;
use crate::record::ContentRecord;

/// Remembers what step `name` came to, and gives the result that counts: an older one that came out differently, if its
/// layer is still known.
///
/// # Errors
/// If records cannot be read or written.
pub(crate) fn remember(
    context: &Context,
    name: &str,
    key: &ContentKey,
    record: ContentRecord,
    older: Option<ContentRecord>,
) -> Result<ContentRecord, BuildError> {
    if let Some(older) = older
        && older.layer != record.layer
    {
        let first_difference = compare(context, older.layer, record.layer);
        context.listener.on(Event::NotReproducible { name: name.to_owned(), first_difference });
        if is_known(context, &older)? {
            return Ok(older);
        }
    }
    context.records.put_content(key, &record)?;
    Ok(record)
}

/// Whether the layer of a record can be had.
///
/// # Errors
/// If nobody can tell.
pub(crate) fn is_known(context: &Context, record: &ContentRecord) -> Result<bool, BuildError> {
    record.layer.map_or(Ok(true), |layer| context.can_be_had(&[layer]))
}

/// The first path in which two layers differ; `None` if one of them is gone.
fn compare(context: &Context, older: Option<LayerDigest>, newer: Option<LayerDigest>) -> Option<String> {
    let entries = |layer: Option<LayerDigest>| match layer {
        Some(layer) => context.manifest(&layer).ok(),
        None => Some(Arc::new(Manifest::new([]))),
    };
    first_difference(entries(older)?.entries(), entries(newer)?.entries())
}

/// The first path, in order, that one list has and the other has not, or has differently.
fn first_difference(left: &[Entry], right: &[Entry]) -> Option<String> {
    let same = left.iter().zip(right).take_while(|(left, right)| left == right).count();
    let next = [left, right].into_iter().filter_map(|entries| Some(&entries.get(same)?.path));
    next.min().map(|path| format!("/{path}"))
}

#[cfg(test)]
mod tests {
    use sinter_graph::path::TreePath;

    use super::*;

    fn entries(paths: &[(&str, u32)]) -> Vec<Entry> {
        let entry = |&(path, mode): &(&str, u32)| {
            let path = TreePath::new(path).expect("a path");
            Entry { mode, ..Entry::directory(path) }
        };
        paths.iter().map(entry).collect()
    }

    #[test]
    fn first_difference_is_the_first_path_in_order() {
        for (left, right, expected) in [
            (&[("a", 0o755), ("b", 0o755)][..], &[("a", 0o755), ("b", 0o700)][..], Some("/b")),
            (&[("a", 0o755)], &[("a", 0o755), ("c", 0o755)], Some("/c")),
            (&[("b", 0o755)], &[("a", 0o755), ("b", 0o755)], Some("/a")),
            (&[], &[("a", 0o755)], Some("/a")),
            (&[("a", 0o755)], &[("a", 0o755)], None),
        ] {
            assert_eq!(first_difference(&entries(left), &entries(right)).as_deref(), expected);
            assert_eq!(first_difference(&entries(right), &entries(left)).as_deref(), expected);
        }
    }
}
