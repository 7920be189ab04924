//! Deleting without making anybody wait: what is discarded is out of sight at once and deleted by a thread.
//!
//! Names: `UNIQUE` is deleted at once; `HEX.UNIQUE` holds the bytes of the object HEX, which a build may have mounted, and
//! is deleted when no living build leases that object.
//!
//! Rules: the thread starts with the first thing to delete and has deleted all of them when the value is dropped. What a
//! dead process left is deleted by the next that opens the store.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SendError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use crate::leases::{Leased, Leases};
use crate::moment::unique_name;
use crate::remove::remove_tree;

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
    pub(crate) const fn new(directory: PathBuf) -> Self {
        Self { directory, cleaner: Mutex::new(None) }
    }

    /// Moves a file or directory of the same file system away; it is deleted soon.
    pub(crate) fn discard(&self, path: &Path) -> io::Result<()> {
        let target = self.directory.join(unique_name());
        std::fs::rename(path, &target)?;
        self.delete(target)
    }

    /// Moves the bytes of an object away; they are deleted when nobody leases the object.
    pub(crate) fn discard_object(&self, path: &Path, digest: &Leased, leases: &Leases) -> io::Result<()> {
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let target = self.directory.join(format!("{hex}.{}", unique_name()));
        std::fs::rename(path, &target)?;
        // What cannot be told is taken for leased: the next sweep asks again.
        if leases.holds(digest).unwrap_or(true) { Ok(()) } else { self.delete(target) }
    }

    /// Deletes what earlier processes, and leases that have ended, left here.
    pub(crate) fn sweep(&self, leases: &Leases) {
        for entry in std::fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let leased = object_of(&entry.file_name()).is_some_and(|digest| leases.holds(&digest).unwrap_or(true));
            if !leased {
                // What cannot be deleted stays for the next time.
                let _ = remove_tree(&entry.path());
            }
        }
    }

    fn delete(&self, target: PathBuf) -> io::Result<()> {
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

/// The object whose bytes a name says to hold.
fn object_of(name: &std::ffi::OsStr) -> Option<Leased> {
    let (hex, _) = name.to_str()?.split_once('.')?;
    let digest: sinter_graph::digest::LayerDigest = format!("sha256:{hex}").parse().ok()?;
    Some(*digest.as_bytes())
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

    #[test]
    fn leased_objects_outlive_their_withdrawal() {
        let directory = tempfile::tempdir().expect("a directory");
        let (bin, leases) = (directory.path().join("bin"), directory.path().join("leases"));
        std::fs::create_dir(&bin).expect("a directory");
        std::fs::create_dir(&leases).expect("a directory");
        let (leases, trash) = (Leases::new(leases), Trash::new(bin.clone()));
        leases.add([[1; 32]]).expect("a lease");
        for digest in [[1; 32], [2; 32]] {
            let layer = directory.path().join("layer");
            std::fs::create_dir_all(layer.join("fs")).expect("a layer");
            trash.discard_object(&layer, &digest, &leases).expect("a move");
        }
        let left = || std::fs::read_dir(&bin).expect("a listing").count();
        trash.sweep(&leases);
        drop(trash);
        assert_eq!(left(), 1);
        assert!(leases.end());
        Trash::new(bin.clone()).sweep(&leases);
        assert_eq!(left(), 0);
    }
}
