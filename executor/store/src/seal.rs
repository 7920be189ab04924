//! What a published directory looked like to the kernel, so that damage is seen without reading a byte of content.
//!
//! A seal holds, for each entry of a manifest in its order, the inode and the time of its last change (ctime), which no
//! unprivileged program can set. An entry whose inode, ctime, kind and size are still those of the seal is the one that
//! was published; a directory's ctime covers its list of names. Anything else is a suspicion, not a proof: whoever finds
//! one reads the contents, and either seals anew (the store was copied, a file got another name) or drops the object.
//!
//! Format of the file: `sinter-seal\n`, a version byte, the number of entries (u64), for each the inode (u64), the seconds
//! (i64) and nanoseconds (u32) of the ctime, all little-endian, and BLAKE3 of all that.
//!
//! Rules: a seal is taken when nothing will touch the entries any more; the root is stamped after the last rename.
//! Must not know: what the directory is for.

use std::io;

use rustix::fd::OwnedFd;
use rustix::fs::Stat;
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Kind, Manifest};

use crate::tree_io::stat;

const MAGIC: &[u8; 13] = b"sinter-seal\n\x01";
const STAMP_LENGTH: usize = 20;
const CHECKSUM_LENGTH: usize = 32;

/// The identity of one entry at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stamp {
    inode: u64,
    seconds: i64,
    nanoseconds: u32,
}

impl Stamp {
    /// The stamp of what `stat` describes.
    #[allow(clippy::useless_conversion, reason = "the types of a stat differ between architectures")]
    pub(crate) fn of(stat: &Stat) -> Self {
        let nanoseconds = u32::try_from(stat.st_ctime_nsec).unwrap_or(0);
        Self { inode: stat.st_ino.into(), seconds: stat.st_ctime.into(), nanoseconds }
    }
}

/// Stamps of all entries of a directory, in the order of its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seal(Vec<Stamp>);

impl Seal {
    /// Takes stamps that somebody has collected.
    pub(crate) const fn new(stamps: Vec<Stamp>) -> Self {
        Self(stamps)
    }

    /// The stamps.
    pub(crate) fn stamps(&self) -> &[Stamp] {
        &self.0
    }

    /// Looks at every entry of the directory now.
    ///
    /// # Errors
    /// If an entry cannot be looked at.
    pub(crate) fn take(root: &OwnedFd, manifest: &Manifest) -> io::Result<Self> {
        let stamp = |entry: &sinter_graph::tree::Entry| Ok(Stamp::of(&stat(root, &entry.path)?));
        manifest.entries().iter().map(stamp).collect::<io::Result<_>>().map(Self)
    }

    /// Looks at the root again, whose own rename changed it.
    ///
    /// # Errors
    /// If it cannot be looked at.
    pub(crate) fn restamp_root(&mut self, root: &OwnedFd, manifest: &Manifest) -> io::Result<()> {
        if let (Some(first), Some(stamp)) = (manifest.entries().first(), self.0.first_mut())
            && first.path.is_root()
        {
            *stamp = Stamp::of(&stat(root, &TreePath::root())?);
        }
        Ok(())
    }

    /// The first entry that is not what was sealed; `None` if all are.
    ///
    /// # Errors
    /// If an entry cannot be looked at for another reason than that it is gone: that says nothing about it.
    pub(crate) fn broken(&self, root: &OwnedFd, manifest: &Manifest) -> io::Result<Option<TreePath>> {
        if self.0.len() != manifest.entries().len() {
            return Ok(Some(TreePath::root()));
        }
        for (entry, stamp) in manifest.entries().iter().zip(&self.0) {
            let found = match stat(root, &entry.path) {
                Err(error) if is_absence(&error) => return Ok(Some(entry.path.clone())),
                result => result?,
            };
            let resized = matches!(entry.kind, Kind::File { size, .. } if u64::try_from(found.st_size) != Ok(size));
            if resized || Stamp::of(&found) != *stamp {
                return Ok(Some(entry.path.clone()));
            }
        }
        Ok(None)
    }

    /// The bytes of the file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MAGIC.len() + 8 + self.0.len() * STAMP_LENGTH + CHECKSUM_LENGTH);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&(self.0.len() as u64).to_le_bytes());
        for stamp in &self.0 {
            bytes.extend_from_slice(&stamp.inode.to_le_bytes());
            bytes.extend_from_slice(&stamp.seconds.to_le_bytes());
            bytes.extend_from_slice(&stamp.nanoseconds.to_le_bytes());
        }
        let checksum = blake3::hash(&bytes);
        bytes.extend_from_slice(checksum.as_bytes());
        bytes
    }

    /// Reads what [`Seal::encode`] wrote; `None` for anything else.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_LENGTH)?)?;
        if blake3::hash(body).as_bytes() != checksum {
            return None;
        }
        let (count, stamps) = body.strip_prefix(MAGIC)?.split_first_chunk::<8>()?;
        let (stamps, rest) = stamps.as_chunks::<STAMP_LENGTH>();
        let whole = rest.is_empty() && u64::try_from(stamps.len()) == Ok(u64::from_le_bytes(*count));
        whole.then(|| Self(stamps.iter().map(read_stamp).collect()))
    }
}

/// Whether an error says that nothing of that name is there, rather than that nobody could look.
pub(crate) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn read_stamp(bytes: &[u8; STAMP_LENGTH]) -> Stamp {
    let (mut eight, mut four) = ([0; 8], [0; 4]);
    eight.copy_from_slice(&bytes[..8]);
    let inode = u64::from_le_bytes(eight);
    eight.copy_from_slice(&bytes[8..16]);
    four.copy_from_slice(&bytes[16..]);
    Stamp { inode, seconds: i64::from_le_bytes(eight), nanoseconds: u32::from_le_bytes(four) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use sinter_graph::digest::ContentHash;
    use sinter_graph::tree::Entry;

    use super::*;
    use crate::tree_io::open_root;

    fn directory() -> (tempfile::TempDir, OwnedFd, Manifest) {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("d")).expect("a directory");
        fs::write(directory.path().join("d/f"), "hello").expect("a file");
        let path = |text: &str| TreePath::new(text).expect("a path");
        let kind = Kind::File { size: 5, content: ContentHash::of(b"hello") };
        let manifest = Manifest::new([
            Entry::directory(TreePath::root()),
            Entry::directory(path("d")),
            Entry::new(path("d/f"), kind, 0o644),
        ]);
        let root = open_root(directory.path()).expect("a root");
        (directory, root, manifest)
    }

    type Damage = fn(&Path);

    #[test]
    fn every_change_breaks_the_seal() {
        let changes: [(Damage, Option<&str>); 7] = [
            (|_| {}, None),
            (|d| fs::write(d.join("d/f"), "jello").expect("a write"), Some("d/f")),
            (|d| fs::write(d.join("d/f"), "hello, world").expect("a write"), Some("d/f")),
            (|d| fs::write(d.join("d/new"), "").expect("a write"), Some("d")),
            (|d| fs::remove_file(d.join("d/f")).expect("a removal"), Some("d")),
            (|d| fs::rename(d.join("d"), d.join("e")).expect("a rename"), Some("")),
            (
                |d| {
                    let same = fs::metadata(d.join("d/f")).expect("metadata").mode();
                    fs::set_permissions(d.join("d/f"), std::os::unix::fs::PermissionsExt::from_mode(same))
                        .expect("a mode");
                },
                Some("d/f"),
            ),
        ];
        for (number, (change, expected)) in changes.into_iter().enumerate() {
            let (directory, root, manifest) = directory();
            let seal = Seal::take(&root, &manifest).expect("a seal");
            std::thread::sleep(std::time::Duration::from_millis(10));
            change(directory.path());
            let broken = seal.broken(&root, &manifest).expect("a look");
            assert_eq!(broken.map(|path| path.to_string()).as_deref(), expected, "change {number}");
        }
    }

    #[test]
    fn seals_round_trip_and_damage_is_seen() {
        let (_directory, root, manifest) = directory();
        let seal = Seal::take(&root, &manifest).expect("a seal");
        let whole = seal.encode();
        assert_eq!(Seal::decode(&whole), Some(seal));
        for length in 0..whole.len() {
            assert_eq!(Seal::decode(&whole[..length]), None, "cut at {length}");
        }
        for index in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[index] ^= 1;
            assert_eq!(Seal::decode(&bytes), None, "flipped at {index}");
        }
    }
}
