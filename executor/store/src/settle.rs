//! Making what was written survive a power loss.
//!
//! One syncfs of the store's file system, then the note that says up to which moment of this boot everything is on the
//! disk. A build that takes long settles every minute, so that a crash of the machine costs minutes.

use std::fs::File;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::fs::syncfs;

use crate::boot::encode_note;
use crate::error::StoreError;
use crate::moment::Moment;
use crate::store::Store;

/// How long what a running build wrote may stay unsettled.
const INTERVAL: Duration = Duration::from_secs(60);

impl Store {
    /// Makes everything that was written so far survive a power loss. Does nothing if this value and its clones wrote
    /// nothing since the last time. A power loss before the kernel has written the note, seconds later, costs results,
    /// never their truth.
    ///
    /// # Errors
    /// If the file system cannot be synced or the note not be written.
    pub fn settle(&self) -> Result<(), StoreError> {
        if !self.written().swap(false, Ordering::AcqRel) {
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
        self.write_and_rename(&self.settled().path(), &encode_note(moment))
    }

    /// Settles every minute until the value is dropped.
    #[must_use]
    pub fn settle_meanwhile(&self) -> Settling {
        self.settle_every(INTERVAL)
    }

    pub(crate) fn settle_every(&self, interval: Duration) -> Settling {
        let (stop, stopped) = channel();
        let store = self.clone();
        let work = move || {
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                // One that fails is tried again a minute later, and at the end of the build.
                let _ = store.settle();
            }
        };
        let thread = std::thread::Builder::new().name("store-settle".to_owned()).spawn(work).ok();
        Settling { stop: Some(stop), thread }
    }
}

/// A thread that settles; ends when dropped.
#[derive(Debug)]
pub struct Settling {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Settling {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
