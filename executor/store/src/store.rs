//! The store itself: opening, workspaces, atomic files, publishing and withdrawing.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use sinter_graph::digest::{BlobDigest, ContentKey, LayerDigest};

use crate::boot::{Boot, Settled};
use crate::elsewhere::Elsewhere;
use crate::error::StoreError;
use crate::held::Seen;
use crate::layout::prepare;
use crate::leases::Leases;
use crate::manifests::Manifests;
use crate::moment::unique_name;
use crate::named_lock::{self, NamedLock, WaitFor, WaitListener};
use crate::trash::Trash;
use crate::withdrawals::Withdrawals;
use crate::workspace::{Workspace, sweep};

/// How to open a store. [`Options::default`] is right for everyone but the executor and tests.
#[derive(Clone)]
pub struct Options {
    /// The boot the process believes to live in.
    pub boot: Boot,
    /// Where bytes of layers may be that are not on this disk.
    pub elsewhere: Option<Arc<dyn Elsewhere>>,
    /// Is told when another process makes this one wait.
    pub on_wait: Option<WaitListener>,
}

impl Default for Options {
    fn default() -> Self {
        Self { boot: Boot::current(), elsewhere: None, on_wait: None }
    }
}

/// The content-addressed store of this machine. Cheap to clone; may be used by any number of threads and processes at
/// once. What it leases stays leased until the last clone is dropped.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.root()).finish()
    }
}

/// A place in the store and the record that vouches for what is there.
pub(crate) struct Object<'a> {
    pub(crate) path: PathBuf,
    pub(crate) namespace: &'static str,
    pub(crate) key: &'a str,
}

struct Inner {
    root: PathBuf,
    options: Options,
    settled: Settled,
    written: AtomicBool,
    trash: Arc<Trash>,
    leases: Arc<Leases>,
    withdrawals: Withdrawals,
    seen: Mutex<Seen>,
    /// The one leased directory of this process; all its drafts and workspaces lie in it.
    scratch: OnceLock<Arc<Workspace>>,
    manifests: Manifests,
    /// Layers that were held against their seals by this build.
    examined: Mutex<HashSet<LayerDigest>>,
    /// Merged directories that this build has looked at or made.
    known_merged: Mutex<HashSet<BlobDigest>>,
}

impl Store {
    /// Opens the store at `root`, which is created if it is not there, and sweeps what dead processes left; if there is
    /// something to delete, a thread does it. So enter a user namespace before, not after.
    ///
    /// # Errors
    /// If `root` is another user's, holds another layout or something that is no store, or cannot be created or read.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        Self::open_with(root, Options::default())
    }

    /// As [`Store::open`], with options.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(root: &Path, options: Options) -> Result<Self, StoreError> {
        let root = std::path::absolute(root).map_err(|error| StoreError::io(root, "resolve", error))?;
        prepare(&root)?;
        let inner = Inner {
            trash: Arc::new(Trash::new(root.join("trash"))),
            leases: Arc::new(Leases::new(root.join("leases"))),
            withdrawals: Withdrawals::new(root.join("withdrawals")),
            seen: Mutex::default(),
            settled: Settled::new(root.join("settled"), options.boot),
            options,
            root,
            written: AtomicBool::new(false),
            scratch: OnceLock::new(),
            manifests: Manifests::default(),
            examined: Mutex::default(),
            known_merged: Mutex::default(),
        };
        let failed = |error| StoreError::io(&inner.root.join("withdrawals"), "create", error);
        inner.withdrawals.create().map_err(failed)?;
        let store = Self { inner: Arc::new(inner) };
        store.sweep_in_background()?;
        Ok(store)
    }

    /// The directory the store lives in; absolute.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// The directory for caches of other crates, which may be deleted at any time.
    #[must_use]
    pub fn index_directory(&self) -> PathBuf {
        self.root().join("index")
    }

    /// A new private directory.
    ///
    /// # Errors
    /// If it cannot be created or locked.
    pub fn workspace(&self) -> Result<Workspace, StoreError> {
        Workspace::within(self.scratch()?)
    }

    /// Keeps a file of a workspace as the output of a step; the file is moved away, an older output is replaced.
    ///
    /// # Errors
    /// If it cannot be moved.
    pub fn adopt_log(&self, key: &ContentKey, file: &Path) -> Result<(), StoreError> {
        self.note_write();
        let path = self.log_path(key);
        std::fs::rename(file, &path).map_err(|error| StoreError::io(&path, "write", error))
    }

    /// Where the output of a step lies, if it was kept.
    #[must_use]
    pub fn log(&self, key: &ContentKey) -> Option<PathBuf> {
        Some(self.log_path(key)).filter(|path| path.exists())
    }

    fn log_path(&self, key: &ContentKey) -> PathBuf {
        self.root().join("logs").join(key.hex())
    }

    pub(crate) fn settled(&self) -> &Settled {
        &self.inner.settled
    }

    pub(crate) fn written(&self) -> &AtomicBool {
        &self.inner.written
    }

    pub(crate) fn manifests(&self) -> &Manifests {
        &self.inner.manifests
    }

    pub(crate) fn examined(&self) -> MutexGuard<'_, HashSet<LayerDigest>> {
        self.inner.examined.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn known_merged(&self) -> MutexGuard<'_, HashSet<BlobDigest>> {
        self.inner.known_merged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn leases(&self) -> &Leases {
        &self.inner.leases
    }

    pub(crate) fn withdrawals(&self) -> &Withdrawals {
        &self.inner.withdrawals
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.inner.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn elsewhere(&self) -> Option<&dyn Elsewhere> {
        self.inner.options.elsewhere.as_deref()
    }

    pub(crate) fn wait_listener(&self) -> Option<&WaitListener> {
        self.inner.options.on_wait.as_ref()
    }

    pub(crate) fn note_write(&self) {
        self.inner.written.store(true, std::sync::atomic::Ordering::Release);
    }

    pub(crate) fn trash(&self) -> &Arc<Trash> {
        &self.inner.trash
    }

    /// Writes a file beside and renames it into place: readers see the old or the new one, whole.
    pub(crate) fn replace_file(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        self.note_write();
        self.write_and_rename(path, bytes)
    }

    pub(crate) fn write_and_rename(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let beside = self.scratch_path()?;
        let result = write_new(&beside, bytes).and_then(|()| self.put_in_place(&beside, path));
        result.map_err(|error| {
            let _ = std::fs::remove_file(&beside);
            StoreError::io(path, "write", error)
        })
    }

    /// Renames a file over another one, or over whatever else stands there.
    fn put_in_place(&self, file: &Path, path: &Path) -> io::Result<()> {
        match std::fs::rename(file, path) {
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                self.trash().discard(path)?;
                std::fs::rename(file, path)
            }
            result => result,
        }
    }

    /// A fresh name in a private directory, for a file that is to be moved into the store. What stays there goes with the
    /// last clone of this value.
    ///
    /// # Errors
    /// If the directory cannot be made or locked.
    pub fn scratch_path(&self) -> Result<PathBuf, StoreError> {
        Ok(self.scratch()?.path().join(unique_name()))
    }

    fn scratch(&self) -> Result<&Arc<Workspace>, StoreError> {
        if let Some(scratch) = self.inner.scratch.get() {
            return Ok(scratch);
        }
        let made = Arc::new(Workspace::create(&self.root().join("work"), self.trash())?);
        Ok(self.inner.scratch.get_or_init(|| made))
    }

    /// Gives a complete file or directory its name and then its record. If `is_there` says that the object is there
    /// already, `made` is discarded; anything else under that name is replaced.
    pub(crate) fn publish(
        &self,
        made: &Path,
        object: &Object<'_>,
        is_there: impl FnOnce() -> Result<bool, StoreError>,
        payload: &[u8],
    ) -> Result<(), StoreError> {
        self.note_write();
        let lock = self.lock()?;
        if is_there()? {
            drop(lock);
            // A copy that cannot be deleted now is swept with its workspace.
            let _ = self.trash().discard(made);
            return Ok(());
        }
        let path = object.path.as_path();
        match renameat_with(CWD, made, CWD, path, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST | Errno::NOTEMPTY) => self.displace(made, path)?,
            // File systems without the flag: nobody else publishes while the lock is held.
            Err(Errno::INVAL | Errno::NOSYS) if !path.exists() => rename(made, path)?,
            result => result.map_err(|error| StoreError::io(path, "publish", error))?,
        }
        self.put_fact(object.namespace, object.key, payload)
    }

    /// What stands in the place of an object without being one may still be mounted by somebody.
    fn displace(&self, made: &Path, object: &Path) -> Result<(), StoreError> {
        self.discard_object(object).map_err(|error| StoreError::io(object, "publish", error))?;
        rename(made, object)
    }

    /// Moves the bytes of an object to the trash, where they stay while somebody leases it.
    pub(crate) fn discard_object(&self, path: &Path) -> io::Result<()> {
        let hex = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        self.withdrawals().announce(|| match format!("sha256:{hex}").parse::<LayerDigest>() {
            Ok(digest) => self.trash().discard_object(path, digest.as_bytes(), self.leases()),
            Err(_) => self.trash().discard(path),
        })
    }

    pub(crate) fn lock(&self) -> Result<NamedLock, StoreError> {
        Ok(NamedLock::acquire(&self.root().join("lock"), WaitFor::Store, self.wait_listener())?)
    }

    fn sweep_in_background(&self) -> Result<(), StoreError> {
        let (work, trash) = (self.root().join("work"), self.root().join("trash"));
        sweep(&work, &trash).map_err(|error| StoreError::io(&work, "read", error))?;
        self.leases().sweep();
        named_lock::sweep(&self.root().join("turns"));
        let left = std::fs::read_dir(&trash).map_err(|error| StoreError::io(&trash, "read", error))?;
        if left.count() > 0 {
            let (trash, leases) = (self.inner.trash.clone(), self.inner.leases.clone());
            // Without a thread the trash simply waits for the next open.
            let _ = std::thread::Builder::new().name("store-sweep".to_owned()).spawn(move || trash.sweep(&leases));
        }
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let had = self.leases.end();
        if had {
            self.trash.sweep(&self.leases);
        }
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    std::fs::rename(from, to).map_err(|error| StoreError::io(to, "publish", error))
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    File::create_new(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests;
