//! Manifests that were read already.
//!
//! Rules: what nobody uses is kept only up to a number of entries, the oldest goes first. Must not know: where manifests
//! come from.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use sinter_graph::digest::LayerDigest;
use sinter_graph::tree::Manifest;

/// How many entries are kept for nobody: some 50 MB.
const ENTRIES: usize = 200_000;

/// Decoded manifests by layer.
#[derive(Debug, Default)]
pub(crate) struct Manifests(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    all: HashMap<LayerDigest, Weak<Manifest>>,
    kept: VecDeque<Arc<Manifest>>,
    entries: usize,
}

impl Manifests {
    pub(crate) fn get(&self, digest: &LayerDigest) -> Option<Arc<Manifest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all.get(digest)?.upgrade()
    }

    pub(crate) fn insert(&self, digest: LayerDigest, manifest: Arc<Manifest>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.entries += manifest.entries().len();
        known.all.insert(digest, Arc::downgrade(&manifest));
        known.kept.push_back(manifest);
        while known.entries > ENTRIES {
            let Some(oldest) = known.kept.pop_front() else { break };
            known.entries -= oldest.entries().len();
        }
    }

    pub(crate) fn remove(&self, digest: &LayerDigest) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all.remove(digest);
    }
}

#[cfg(test)]
mod tests {
    use sinter_graph::path::TreePath;
    use sinter_graph::tree::Entry;

    use super::*;

    #[test]
    fn what_is_used_is_known_and_the_rest_bounded() {
        let manifests = Manifests::default();
        let path = |number: usize| TreePath::new(format!("{number:06}")).expect("a path");
        let many = || Arc::new(Manifest::new((0..ENTRIES / 2).map(|number| Entry::directory(path(number)))));
        let digest = |byte| LayerDigest::from_bytes([byte; 32]);
        let used = many();
        manifests.insert(digest(0), used.clone());
        for byte in 1..4 {
            manifests.insert(digest(byte), many());
        }
        let known: Vec<bool> = (0..4).map(|byte| manifests.get(&digest(byte)).is_some()).collect();
        assert_eq!(known, [true, false, true, true]);
    }
}
