//! Which run of the operating system this is, and how far its writes are known to be on the disk.
//!
//! A time namespace has a clock of its own, so it is part of the identity.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::moment::{Moment, unique_name};

/// The identity of one run of the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Boot([u8; 16]);

impl Boot {
    /// Takes any bytes as an identity; tests fake a power loss with it.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The current boot. Where the kernel does not tell, an identity nobody else has: then only what was settled is
    /// trusted by the next process.
    #[must_use]
    pub fn current() -> Self {
        let boot = std::fs::read("/proc/sys/kernel/random/boot_id");
        let clock = std::fs::read_link("/proc/self/ns/time").unwrap_or_default();
        let mut hasher = blake3::Hasher::new();
        hasher.update(clock.as_os_str().as_encoded_bytes());
        match boot {
            Ok(boot) => hasher.update(&boot),
            Err(_) => hasher.update(unique_name().as_bytes()),
        };
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        Self(bytes)
    }

    /// The 16 bytes.
    pub(crate) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// A file name.
    pub(crate) fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The notes `settled/HEX`: for each boot the moment up to which everything is on the disk.
#[derive(Debug)]
pub(crate) struct Settled {
    directory: PathBuf,
    current: Boot,
    notes: Mutex<HashMap<Boot, Option<Moment>>>,
}

impl Settled {
    pub(crate) fn new(directory: PathBuf, current: Boot) -> Self {
        Self { directory, current, notes: Mutex::default() }
    }

    /// Whether what was complete at `moment` of `boot` is there today.
    pub(crate) fn covers(&self, boot: Boot, moment: Moment) -> bool {
        boot == self.current || self.note(boot).is_some_and(|settled| moment <= settled)
    }

    /// The boot this store was opened in.
    pub(crate) const fn current(&self) -> Boot {
        self.current
    }

    /// Where the note of the current boot lies.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.join(self.current.hex())
    }

    fn note(&self, boot: Boot) -> Option<Moment> {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        *notes.entry(boot).or_insert_with(|| read_note(&self.directory.join(boot.hex())))
    }
}

/// The bytes of a note: the moment and a checksum.
pub(crate) fn encode_note(moment: Moment) -> [u8; 40] {
    let mut note = [0; 40];
    note[..8].copy_from_slice(&moment.0.to_le_bytes());
    note[8..].copy_from_slice(blake3::hash(&moment.0.to_le_bytes()).as_bytes());
    note
}

fn read_note(path: &Path) -> Option<Moment> {
    let note: [u8; 40] = std::fs::read(path).ok()?.try_into().ok()?;
    let mut moment = [0; 8];
    moment.copy_from_slice(&note[..8]);
    let moment = Moment(u64::from_le_bytes(moment));
    (encode_note(moment) == note).then_some(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settled_moments_of_other_boots_count() {
        let directory = tempfile::tempdir().expect("a directory");
        let (old, new) = (Boot::from_bytes([1; 16]), Boot::from_bytes([2; 16]));
        std::fs::write(directory.path().join(old.hex()), encode_note(Moment(10))).expect("a note");
        let settled = Settled::new(directory.path().to_owned(), new);
        let cases = [(old, 10, true), (old, 11, false), (new, u64::MAX, true), (Boot::from_bytes([3; 16]), 0, false)];
        for (boot, moment, expected) in cases {
            assert_eq!(settled.covers(boot, Moment(moment)), expected, "{boot:?} {moment}");
        }
    }

    #[test]
    fn torn_notes_settle_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let whole = encode_note(Moment(7));
        for length in 0..whole.len() {
            let path = directory.path().join("note");
            std::fs::write(&path, &whole[..length]).expect("a note");
            assert_eq!(read_note(&path), None, "{length}");
        }
    }

    #[test]
    fn boot_is_one_for_the_process() {
        assert_eq!(Boot::current(), Boot::current());
        assert!(Moment::now() <= Moment::now());
    }
}
