//! Doing one thing to several layers at once.
//!
//! Must not know: what is done.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::descriptor::LayerDescriptor;

/// Calls `work` for each layer, the longest first, on at most `threads` threads. After the first failure no other is begun,
/// and those that run see it in the flag that `work` is given.
///
/// # Errors
/// The first failure.
pub fn side_by_side<E: Send>(
    mut layers: Vec<LayerDescriptor>,
    threads: usize,
    work: impl Fn(&LayerDescriptor, &AtomicBool) -> Result<(), E> + Sync,
) -> Result<(), E> {
    layers.sort_by_key(|layer| std::cmp::Reverse(layer.size));
    let (next, stop, failure) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(None));
    let worker = || {
        while let Some(layer) = layers.get(next.fetch_add(1, Ordering::Relaxed)) {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            if let Err(error) = work(layer, &stop) {
                // Whoever comes second may have failed only because it was told to stop.
                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                stop.store(true, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(layers.len()) {
            scope.spawn(worker);
        }
        worker();
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::OciError;
    use sinter_graph::digest::LayerDigest;

    fn layers(count: u8) -> Vec<LayerDescriptor> {
        let layer = |number| LayerDescriptor::uncompressed(LayerDigest::from_bytes([number; 32]), number.into());
        (0..count).map(layer).collect()
    }

    #[test]
    fn every_layer_is_done_once() {
        for count in [0, 1, 2, 40] {
            let seen = Mutex::new(Vec::new());
            let done = side_by_side(layers(count), 4, |layer, _| {
                seen.lock().expect("a list").push(layer.size);
                Ok::<_, OciError>(())
            });
            let mut seen = seen.into_inner().expect("a list");
            seen.sort_unstable();
            assert!(done.is_ok());
            assert_eq!(seen, (0..u64::from(count)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_failure_ends_the_others() {
        let begun = AtomicUsize::new(0);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let failed = side_by_side(layers(200), threads, |layer, stop| {
            begun.fetch_add(1, Ordering::Relaxed);
            if layer.size == 199 {
                return Err(OciError::LayerSize { layer: layer.blob, expected: 1, found: 2 });
            }
            while !stop.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            Err(OciError::OtherDestination { destination: "second".into() })
        });
        assert!(matches!(failed, Err(OciError::LayerSize { .. })), "{failed:?}");
        assert!(begun.into_inner() <= threads);
    }
}
