//! What changed from one lock to another, in lines for people.

use std::collections::BTreeMap;

use super::Lock;
use super::pins::Item;
use crate::digest::BlobDigest;

/// The table, then what it pins.
type Key = (String, String);

pub(super) fn diff(old: &Lock, new: &Lock) -> Vec<String> {
    let (old, new) = (items(old), items(new));
    let mut keys: Vec<&Key> = old.keys().chain(new.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter().filter_map(|key| line(key, old.get(key), new.get(key))).collect()
}

fn line((table, what): &Key, old: Option<&Item>, new: Option<&Item>) -> Option<String> {
    match (old, new) {
        (None, Some(new)) => Some(format!("+ {table}: {what} {}", new.shown)),
        (Some(old), None) => Some(format!("- {table}: {what} {}", old.shown)),
        (Some(old), Some(new)) if old.shown != new.shown => {
            Some(format!("~ {table}: {what} {} -> {}", old.shown, new.shown))
        }
        (Some(old), Some(new)) if old.digest != new.digest => {
            Some(format!("~ {table}: {what} {} sha256 {} -> {}", old.shown, short(&old.digest), short(&new.digest)))
        }
        _ => None,
    }
}

fn short(digest: &BlobDigest) -> String {
    digest.hex().chars().take(12).collect()
}

fn items(lock: &Lock) -> BTreeMap<Key, Item> {
    let kinds = lock.items().into_iter();
    let items = kinds.flat_map(|(kind, items)| items.into_iter().map(move |item| (kind, item)));
    items.map(|(kind, item)| ((format!("{kind} {}", item.table), item.what.clone()), item)).collect()
}
