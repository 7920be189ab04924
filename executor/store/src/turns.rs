//! Turns: equal work of two processes is done once.
//!
//! Whoever is to make the result of a content key takes the key's turn first and looks the result up again when it has
//! it. The file `turns/HEX` is removed by its holder, under the lock, so that the directory stays empty. Those of dead
//! processes are removed when a store is opened: whoever finds their result asks for no turn.
//!
//! Must not know: what is made.

use std::path::PathBuf;

use sinter_graph::digest::ContentKey;

use crate::error::StoreError;
use crate::named_lock::{NamedLock, WaitFor, is_named};
use crate::store::Store;

/// The turn of one key in this process; ends when dropped.
#[derive(Debug)]
pub struct Turn {
    path: PathBuf,
    _lock: NamedLock,
}

impl Store {
    /// Waits until no other process makes the result of `key`.
    ///
    /// # Errors
    /// If the file of the turn cannot be made or locked.
    pub fn turn(&self, key: &ContentKey) -> Result<Turn, StoreError> {
        let path = self.root().join("turns").join(key.hex());
        loop {
            let lock = NamedLock::acquire(&path, WaitFor::Step, self.wait_listener())?;
            // The holder before us removed the file that we have locked; whoever comes now locks another one.
            if lock.metadata().is_ok_and(|found| is_named(&path, &found)) {
                return Ok(Turn { path, _lock: lock });
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn one_at_a_time_and_nothing_is_left() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("store");
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let store = Store::open(&root).expect("a store");
                    for _ in 0..20 {
                        let _turn = store.turn(&ContentKey::from_bytes([7; 32])).expect("a turn");
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 1);
        assert_eq!(std::fs::read_dir(root.join("turns")).expect("a listing").count(), 0);
    }
    #[test]
    fn turns_of_the_dead_are_swept_and_living_ones_stay() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("store");
        let store = Store::open(&root).expect("a store");
        let living = store.turn(&ContentKey::from_bytes([7; 32])).expect("a turn");
        std::fs::write(root.join("turns/dead"), "1 2\n").expect("the turn of a dead process");
        let other = Store::open(&root).expect("a store");
        let left = || std::fs::read_dir(root.join("turns")).expect("a listing").count();
        assert_eq!(left(), 1);
        drop(living);
        assert_eq!(left(), 0);
        drop(other);
    }
}
