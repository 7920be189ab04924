//! The store itself: opening, layout, atomic files, the publication lock, settling.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with, syncfs};
use rustix::io::Errno;
use sinter_graph::digest::{ContentKey, LayerDigest};
use sinter_graph::tree::Manifest;

use crate::boot::{Boot, Moment, Settled, encode_note};
use crate::error::StoreError;
use crate::record::NAMESPACES;
use crate::trash::Trash;
use crate::workspace::{Workspace, empty_trash, sweep, unique_name};

/// Number of the layout drawn in the head of this crate.
const LAYOUT: u64 = 1;

const DIRECTORIES: [&str; 9] = ["layers", "blobs", "views", "records", "settled", "logs", "index", "work", "trash"];

/// How to open a store. [`Options::default`] is right for everyone but tests.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The boot the process believes to live in.
    pub boot: Boot,
}

impl Default for Options {
    fn default() -> Self {
        Self { boot: Boot::current() }
    }
}

/// The content-addressed store of this machine. Cheap to clone; may be used by any number of threads and processes at
/// once.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// A place in the store and the record that vouches for what is there.
pub(crate) struct Object<'a> {
    pub(crate) path: PathBuf,
    pub(crate) namespace: &'static str,
    pub(crate) key: &'a str,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    settled: Settled,
    written: AtomicBool,
    trash: Arc<Trash>,
    scratch: OnceLock<Workspace>,
    manifests: Mutex<HashMap<LayerDigest, Arc<Manifest>>>,
}

impl Store {
    /// Opens the store at `root`, which is created if it is not there, and sweeps what dead processes left; if there is
    /// something to delete, a thread does it. So enter a user namespace before, not after.
    ///
    /// # Errors
    /// If `root` holds a newer layout or something that is no store, or cannot be created or read.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        Self::open_with(root, Options::default())
    }

    /// As [`Store::open`], with the boot the caller names.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(root: &Path, options: Options) -> Result<Self, StoreError> {
        let root = std::path::absolute(root).map_err(|error| StoreError::io(root, "resolve", error))?;
        prepare(&root)?;
        sweep_in_background(&root)?;
        let settled = Settled::new(root.join("settled"), options.boot);
        let inner = Inner {
            trash: Arc::new(Trash::new(root.join("trash"))),
            root,
            settled,
            written: AtomicBool::new(false),
            scratch: OnceLock::new(),
            manifests: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
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
        Workspace::create(&self.root().join("work"), self.trash())
    }

    /// Keeps the output of a step under its content key; an older output is replaced.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn put_log(&self, key: &ContentKey, output: &[u8]) -> Result<(), StoreError> {
        self.replace_file(&self.log_path(key), output)
    }

    /// Keeps a file of a workspace as the output of a step; the file is moved away.
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

    /// Makes everything that was written so far survive a power loss: one syncfs of the store's file system, then the
    /// note that says so. Does nothing if this value and its clones wrote nothing since the last time. A power loss
    /// before the kernel has written the note, seconds later, costs results, never their truth.
    ///
    /// # Errors
    /// If the file system cannot be synced or the note not be written.
    pub fn settle(&self) -> Result<(), StoreError> {
        if !self.inner.written.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let result = self.sync_and_note();
        if result.is_err() {
            self.note_write();
        }
        result
    }

    fn sync_and_note(&self) -> Result<(), StoreError> {
        let root = self.root();
        let moment = Moment::now();
        let directory = File::open(root).map_err(|error| StoreError::io(root, "open", error))?;
        syncfs(&directory).map_err(|error| StoreError::io(root, "sync", error))?;
        self.write_and_rename(&self.inner.settled.path(), &encode_note(moment))
    }

    pub(crate) fn settled(&self) -> &Settled {
        &self.inner.settled
    }

    pub(crate) fn manifests(&self) -> std::sync::MutexGuard<'_, HashMap<LayerDigest, Arc<Manifest>>> {
        self.inner.manifests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note_write(&self) {
        self.inner.written.store(true, Ordering::Release);
    }

    pub(crate) fn trash(&self) -> &Arc<Trash> {
        &self.inner.trash
    }

    /// Writes a file beside and renames it into place: readers see the old or the new one, whole.
    pub(crate) fn replace_file(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        self.note_write();
        self.write_and_rename(path, bytes)
    }

    fn write_and_rename(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let beside = self.scratch_path()?;
        let result = write_new(&beside, bytes).and_then(|()| std::fs::rename(&beside, path));
        result.map_err(|error| {
            let _ = std::fs::remove_file(&beside);
            StoreError::io(path, "write", error)
        })
    }

    /// A fresh name in this process's own workspace.
    pub(crate) fn scratch_path(&self) -> Result<PathBuf, StoreError> {
        if let Some(scratch) = self.inner.scratch.get() {
            return Ok(scratch.path().join(unique_name()));
        }
        let made = self.workspace()?;
        Ok(self.inner.scratch.get_or_init(|| made).path().join(unique_name()))
    }

    /// Gives a complete file or directory its name and then its record. If `is_there` says that the object is there
    /// already, `made` is discarded; anything else under that name is replaced.
    pub(crate) fn publish(
        &self,
        made: &Path,
        object: &Object<'_>,
        is_there: impl FnOnce() -> bool,
        payload: &[u8],
    ) -> Result<(), StoreError> {
        self.note_write();
        let lock = self.lock()?;
        if is_there() {
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

    fn displace(&self, made: &Path, object: &Path) -> Result<(), StoreError> {
        let old = self.scratch_path()?;
        rename(object, &old)?;
        rename(made, object)?;
        let _ = self.trash().discard(&old);
        Ok(())
    }

    /// Forgets an object: its record first, then its bytes.
    pub(crate) fn withdraw(&self, object: &Object<'_>) -> Result<(), StoreError> {
        let _lock = self.lock()?;
        self.drop_fact(object.namespace, object.key)?;
        let _ = self.trash().discard(&object.path);
        Ok(())
    }

    fn lock(&self) -> Result<File, StoreError> {
        let path = self.root().join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(|error| StoreError::io(&path, "open", error))?;
        loop {
            match flock(&lock, FlockOperation::LockExclusive) {
                Err(Errno::INTR) => {}
                result => return result.map(|()| lock).map_err(|error| StoreError::io(&path, "lock", error)),
            }
        }
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    std::fs::rename(from, to).map_err(|error| StoreError::io(to, "publish", error))
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    File::create_new(path)?.write_all(bytes)
}

fn sweep_in_background(root: &Path) -> Result<(), StoreError> {
    let (work, trash) = (root.join("work"), root.join("trash"));
    if sweep(&work, &trash).map_err(|error| StoreError::io(&work, "read", error))? {
        // Without a thread the trash simply waits for the next open.
        let _ = std::thread::Builder::new().name("store-sweep".to_owned()).spawn(move || empty_trash(&trash));
    }
    Ok(())
}

/// Checks the version of an existing store, or makes a new one. The version is written first: a directory that holds
/// anything but has no version is not ours.
fn prepare(root: &Path) -> Result<(), StoreError> {
    std::fs::create_dir_all(root).map_err(|error| StoreError::io(root, "create", error))?;
    let version = root.join("version");
    if read_version(root, &version)?.is_none() {
        create_version(root, &version)?;
    }
    let below = NAMESPACES.map(|name| Path::new("records").join(name));
    for directory in DIRECTORIES.map(PathBuf::from).into_iter().chain(below) {
        create_directory(&root.join(directory))?;
    }
    Ok(())
}

fn create_directory(path: &Path) -> Result<(), StoreError> {
    match std::fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(StoreError::io(path, "create", error)),
        _ => Ok(()),
    }
}

const VERSION_DRAFT: &str = ".version-";

fn create_version(root: &Path, version: &Path) -> Result<(), StoreError> {
    let entries = std::fs::read_dir(root).map_err(|error| StoreError::io(root, "read", error))?;
    let foreign = entries.flatten().any(|e| !e.file_name().to_string_lossy().starts_with(VERSION_DRAFT));
    // Another process may have made the store since we looked.
    if foreign && read_version(root, version)?.is_none() {
        return Err(StoreError::NotAStore { path: root.to_owned() });
    }
    let draft = root.join(format!("{VERSION_DRAFT}{}", unique_name()));
    // The one file that is synced: without it the whole store would be foreign after a power loss.
    let written = File::create_new(&draft).and_then(|mut file| {
        file.write_all(format!("{LAYOUT}\n").as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&draft, version)
    });
    written.map_err(|error| StoreError::io(version, "write", error))
}

fn read_version(root: &Path, version: &Path) -> Result<Option<u64>, StoreError> {
    let text = match std::fs::read_to_string(version) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => result.map_err(|error| StoreError::io(version, "read", error))?,
    };
    match text.trim_end().parse::<u64>() {
        Ok(found) if found <= LAYOUT => Ok(Some(found)),
        Ok(found) => Err(StoreError::NewerLayout { path: root.to_owned(), found, known: LAYOUT }),
        Err(_) => Err(StoreError::NotAStore { path: root.to_owned() }),
    }
}

#[cfg(test)]
mod tests;
