//! What is remembered about a step that ran, and what a second result of it means.
//!
//! A key that yields two results belongs to a step that is not reproducible. The result that is there already keeps
//! counting, so that everybody who looks it up gets the same one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sinter_graph::digest::{ContentKey, LayerDigest};
use sinter_graph::tree::{Entry, Manifest};

use crate::context::Context;
use crate::error::BuildError;
use crate::events::Event;
use crate::record::ContentRecord;

/// Turns for content keys: two derivations whose scripts see the same run one script.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    known: Mutex<HashMap<ContentKey, Arc<Mutex<()>>>>,
}

impl Turns {
    /// The lock to hold while a result for `key` is looked up and made.
    pub(crate) fn of(&self, key: &ContentKey) -> Arc<Mutex<()>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).entry(*key).or_default().clone()
    }
}

/// Remembers the layer that step `name` left and gives the one that counts: that of an older result which came out
/// differently, if it is still there.
///
/// # Errors
/// If the record cannot be written.
pub(crate) fn remember(
    context: &Context,
    name: &str,
    key: &ContentKey,
    layer: Option<LayerDigest>,
) -> Result<Option<LayerDigest>, BuildError> {
    if let Some(older) = context.records.content_said(key)
        && older.layer != layer
    {
        let first_difference = compare(context, older.layer, layer);
        context.listener.on(Event::NotReproducible { name: name.to_owned(), first_difference });
        if let Some(present) = context.records.content(key) {
            return Ok(present.layer);
        }
    }
    context.records.put_content(key, &ContentRecord { layer })?;
    Ok(layer)
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

    #[test]
    fn one_key_has_one_turn() {
        let turns = Turns::default();
        let (first, second) = (ContentKey::from_bytes([1; 32]), ContentKey::from_bytes([2; 32]));
        assert!(Arc::ptr_eq(&turns.of(&first), &turns.of(&first)));
        assert!(!Arc::ptr_eq(&turns.of(&first), &turns.of(&second)));
    }
}
