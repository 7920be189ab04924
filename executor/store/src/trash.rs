//! Deleting without making anybody wait: what is discarded is out of sight at once and deleted by a thread.
//!
//! Rules: the thread starts with the first thing to delete and has deleted all of them when the value is dropped. What a
//! dead process left is deleted by the next that opens the store.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SendError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use crate::remove::remove_tree;
use crate::workspace::unique_name;

/// The store's `trash` directory.
#[derive(Debug)]
pub(crate) struct Trash {
    directory: PathBuf,
    cleaner: Mutex<Option<Cleaner>>,
}

#[derive(Debug)]
struct Cleaner {
    doomed: Sender<PathBuf>,
    thread: JoinHandle<()>,
}

impl Trash {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, cleaner: Mutex::default() }
    }

    /// Moves a file or directory of the same file system away; it is deleted soon.
    pub(crate) fn discard(&self, path: &Path) -> io::Result<()> {
        let target = self.directory.join(unique_name());
        std::fs::rename(path, &target)?;
        let mut cleaner = self.cleaner.lock().unwrap_or_else(PoisonError::into_inner);
        if cleaner.is_none() {
            *cleaner = Cleaner::start();
        }
        match cleaner.as_ref().map(|cleaner| cleaner.doomed.send(target.clone())) {
            Some(Ok(())) => Ok(()),
            Some(Err(SendError(_))) | None => remove_tree(&target),
        }
    }
}

impl Drop for Trash {
    fn drop(&mut self) {
        let cleaner = self.cleaner.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Cleaner { doomed, thread }) = cleaner {
            drop(doomed);
            // A thread that panicked leaves its work to the next open.
            let _ = thread.join();
        }
    }
}

impl Cleaner {
    /// `None` if the system gives no thread.
    fn start() -> Option<Self> {
        let (doomed, receiver) = channel();
        let thread = Builder::new().name("store-trash".to_owned()).spawn(move || delete_all(&receiver)).ok()?;
        Some(Self { doomed, thread })
    }
}

fn delete_all(doomed: &Receiver<PathBuf>) {
    for path in doomed {
        // What cannot be deleted stays for a later open.
        let _ = remove_tree(&path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discarded_things_are_gone_in_the_end() {
        let directory = tempfile::tempdir().expect("a directory");
        let (bin, file, tree) = (directory.path().join("bin"), directory.path().join("f"), directory.path().join("t"));
        std::fs::create_dir(&bin).expect("a directory");
        std::fs::write(&file, "x").expect("a file");
        std::fs::create_dir_all(tree.join("a/b")).expect("a tree");
        let trash = Trash::new(bin.clone());
        for path in [&file, &tree] {
            trash.discard(path).expect("a move");
            assert!(!path.exists());
        }
        assert!(trash.discard(&file).is_err());
        drop(trash);
        assert_eq!(std::fs::read_dir(&bin).expect("a listing").count(), 0);
    }
}
