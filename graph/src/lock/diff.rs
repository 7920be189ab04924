//! What changed from one lock to another, in lines for people.

use std::collections::BTreeMap;

use super::{Lock, PinnedPackage};
use crate::digest::BlobDigest;

/// What is compared under one key: a version to show, and a digest that tells equal versions apart.
struct Item {
    shown: String,
    digest: BlobDigest,
}

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
    let mut items = BTreeMap::new();
    for (suite, release) in &lock.debian_releases {
        let table = format!("debian {suite}");
        for archive in &release.archives {
            let shown = archive.version.iter().chain([&archive.date]).cloned().collect::<Vec<_>>().join(" of ");
            let what = format!("release {}", archive.suite);
            items.insert((table.clone(), what), Item { shown, digest: archive.sha256 });
            for (architecture, &digest) in &archive.indexes {
                let what = format!("index {} ({architecture})", archive.suite);
                items.insert((table.clone(), what), Item { shown: archive.date.clone(), digest });
            }
        }
        add_packages(&mut items, &table, &release.essential);
    }
    for (question, pin) in &lock.debian {
        add_packages(&mut items, &format!("debian {question}"), &pin.packages);
    }
    items
}

fn add_packages(items: &mut BTreeMap<Key, Item>, table: &str, lists: &BTreeMap<String, Vec<PinnedPackage>>) {
    for (architecture, packages) in lists {
        for package in packages {
            let what = format!("{} ({architecture})", package.name);
            let item = Item { shown: package.version.clone(), digest: package.sha256 };
            items.insert((table.to_owned(), what), item);
        }
    }
}
