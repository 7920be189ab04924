//! Locks between processes that say who holds them.
//!
//! A lock is a file held with flock(2), which the kernel releases however the holder ends. The holder writes its process
//! id and the moment into the file, so that whoever waits long can be told for whom.
//!
//! Rules: a short wait is silent. Must not know: what a lock protects.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use sinter_graph::FsError;

use crate::moment::Moment;

/// A wait of this length is told.
const PATIENCE: Duration = Duration::from_secs(2);

/// What somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitFor {
    /// The moment in which another process makes an object visible.
    Store,
    /// The end of the same step in another process.
    Step,
}

/// A wait for another process that has lasted two seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// What it is for.
    pub what: WaitFor,
    /// The lock.
    pub path: PathBuf,
    /// The process that holds it, as it calls itself; `None` if it did not say.
    pub holder: Option<u32>,
    /// How long it has held it.
    pub held: Option<Duration>,
}

/// Is told about long waits.
pub type WaitListener = Arc<dyn Fn(&Wait) + Send + Sync>;

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub(crate) struct NamedLock {
    file: File,
}

impl NamedLock {
    /// Waits for the lock at `path`, which is made if it is not there.
    ///
    /// # Errors
    /// If the file cannot be opened or locked.
    pub(crate) fn acquire(path: &Path, what: WaitFor, listener: Option<&WaitListener>) -> Result<Self, FsError> {
        let file = open(path).map_err(|error| FsError::new(path, "open", error))?;
        let began = Instant::now();
        let (mut pause, mut told) = (Duration::from_micros(100), false);
        while !try_lock(&file).map_err(|error| FsError::new(path, "lock", error))? {
            if began.elapsed() >= PATIENCE && !told {
                told = true;
                let (holder, held) = holder(path);
                listener.iter().for_each(|tell| tell(&Wait { what, path: path.to_owned(), holder, held }));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
        let mut lock = Self { file };
        // Who cannot say it still holds it.
        let _ = lock.sign();
        Ok(lock)
    }

    /// What is known about the file that is locked.
    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    fn sign(&mut self) -> io::Result<()> {
        let text = format!("{} {}\n", std::process::id(), Moment::now().0);
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())?;
        self.file.set_len(text.len() as u64)
    }
}

/// Removes the locks of a directory that nobody holds: those of dead processes.
pub(crate) fn sweep(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        // Locked while it is removed: who waits for it finds that its name is gone.
        let _ = remove_free(&entry.path());
    }
}

fn remove_free(path: &Path) -> io::Result<()> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if try_lock(&file)? && is_named(path, &file.metadata()?) {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).custom_flags(flags).open(path)
}

fn try_lock(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(false),
        result => Ok(result.map(|()| true)?),
    }
}

fn holder(path: &Path) -> (Option<u32>, Option<Duration>) {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(64).read_to_string(&mut text));
    let mut words = text.split_whitespace();
    let holder = read.ok().and_then(|_| words.next()?.parse().ok());
    (holder, words.next().and_then(|word| word.parse().ok()).map(|moment| Moment(moment).elapsed()))
}

/// Whether `path` still names the file that `found` describes.
pub(crate) fn is_named(path: &Path, found: &Metadata) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|named| (named.dev(), named.ino()) == (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn long_waits_name_the_holder() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("lock");
        let held = NamedLock::acquire(&path, WaitFor::Store, None).expect("a lock");
        let told = Arc::new(Mutex::new(vec![]));
        let tell = told.clone();
        let listener: WaitListener = Arc::new(move |wait| tell.lock().expect("a lock").push(wait.clone()));
        let waiting = {
            let (path, listener) = (path.clone(), listener.clone());
            std::thread::spawn(move || NamedLock::acquire(&path, WaitFor::Step, Some(&listener)).map(drop))
        };
        std::thread::sleep(PATIENCE + Duration::from_millis(300));
        drop(held);
        waiting.join().expect("no panic").expect("the lock in the end");
        let told = told.lock().expect("a lock");
        let [wait] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((wait.what, wait.holder), (WaitFor::Step, Some(std::process::id())));
        assert!(wait.held.is_some_and(|held| held >= PATIENCE), "{wait:?}");
    }

    #[test]
    fn locks_follow_no_links() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("lock");
        std::os::unix::fs::symlink(directory.path().join("elsewhere"), &path).expect("a link");
        NamedLock::acquire(&path, WaitFor::Store, None).map(drop).expect_err("a link is no lock");
        assert!(!directory.path().join("elsewhere").exists());
    }
}
