//! What the store remembers of a directory that it exported to.
//!
//! Format: device, inode and birth of the directory (four u64, little-endian); the length (u64) and the bytes of the
//! manifest of what is there; for each of its entries what the operating system said about it (inode, change and
//! modification time, size: six u64; mode, owner, group: three u32; an inode of 0 means that it was not looked at); and
//! the manifest of what an unfinished export was about to write.
//!
//! Names of one file are files of their own here: that they are one is seen by their inode.

use sinter_graph::tree::{Entry, Manifest};

use super::place::{Identity, Seen};

const SHORT_FIELDS: usize = 6 * 8;
const SEEN_LENGTH: usize = SHORT_FIELDS + 3 * 4;

/// What may be in a directory because exports put it there.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Memory {
    /// What is there: in order of the paths, with what was seen after writing.
    pub(super) there: Vec<(Entry, Option<Seen>)>,
    /// What may be there as well, if an export was interrupted.
    pub(super) coming: Vec<Entry>,
}

impl Memory {
    pub(super) fn encode(self, identity: Identity) -> Vec<u8> {
        let (entries, seen): (Vec<Entry>, Vec<Option<Seen>>) = self.there.into_iter().unzip();
        let there = Manifest::new(entries).encode();
        let mut bytes: Vec<u8> = identity.iter().flat_map(|number| number.to_le_bytes()).collect();
        bytes.extend((there.len() as u64).to_le_bytes());
        bytes.extend(there);
        seen.iter().for_each(|seen| encode_seen(seen.as_ref(), &mut bytes));
        bytes.extend(Manifest::new(self.coming).encode());
        bytes
    }

    /// `None` if the bytes are no memory, or of another directory.
    pub(super) fn decode(bytes: &[u8], identity: Identity) -> Option<Self> {
        let (head, bytes) = bytes.split_at_checked(size_of::<Identity>())?;
        let (numbers, _) = head.as_chunks::<8>();
        if !numbers.iter().copied().map(u64::from_le_bytes).eq(identity) {
            return None;
        }
        let (length, bytes) = bytes.split_first_chunk::<8>()?;
        let (there, bytes) = bytes.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        let there = Manifest::decode(there).ok()?;
        let (seen, coming) = bytes.split_at_checked(there.entries().len().checked_mul(SEEN_LENGTH)?)?;
        let (seen, _) = seen.as_chunks::<SEEN_LENGTH>();
        let there = there.entries().iter().cloned().zip(seen.iter().map(decode_seen)).collect();
        Some(Self { there, coming: Manifest::decode(coming).ok()?.entries().to_vec() })
    }
}

fn encode_seen(seen: Option<&Seen>, bytes: &mut Vec<u8>) {
    let Some(Seen { inode, changed, modified, size, mode, uid, gid }) = seen else {
        return bytes.extend([0; SEEN_LENGTH]);
    };
    let times = [changed.0.cast_unsigned(), changed.1, modified.0.cast_unsigned(), modified.1];
    [*inode].iter().chain(&times).chain([size]).for_each(|number| bytes.extend(number.to_le_bytes()));
    [mode, uid, gid].into_iter().for_each(|number| bytes.extend(number.to_le_bytes()));
}

fn decode_seen(bytes: &[u8; SEEN_LENGTH]) -> Option<Seen> {
    let (numbers, _) = bytes.as_chunks::<8>();
    let long = |index: usize| u64::from_le_bytes(numbers[index]);
    let short =
        |index: usize| u32::from_le_bytes(bytes[SHORT_FIELDS + 4 * index..][..4].try_into().expect("four bytes"));
    let seen = Seen {
        inode: long(0),
        changed: (long(1).cast_signed(), long(2)),
        modified: (long(3).cast_signed(), long(4)),
        size: long(5),
        mode: short(0),
        uid: short(1),
        gid: short(2),
    };
    (seen.inode != 0).then_some(seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sinter_graph::path::TreePath;

    fn memory() -> Memory {
        let seen = Seen {
            inode: 1,
            changed: (-2, 3),
            modified: (4, 5),
            size: u64::MAX,
            mode: 0o100_644,
            uid: u32::MAX,
            gid: 7,
        };
        let at = |path: &str| Entry::directory(TreePath::new(path).expect("a path"));
        Memory { there: vec![(at("a"), Some(seen)), (at("b"), None)], coming: vec![at("b"), at("c")] }
    }

    #[test]
    fn memories_round_trip() {
        for memory in [memory, Memory::default] {
            assert_eq!(Memory::decode(&memory().encode([1, 2, 3, 4]), [1, 2, 3, 4]), Some(memory()));
        }
    }

    #[test]
    fn other_directories_and_cut_bytes_are_no_memory() {
        let bytes = memory().encode([1, 2, 3, 4]);
        for identity in [[0, 2, 3, 4], [1, 0, 3, 4], [1, 2, 0, 4], [1, 2, 3, 0]] {
            assert_eq!(Memory::decode(&bytes, identity), None);
        }
        for length in 0..bytes.len() {
            assert_eq!(Memory::decode(&bytes[..length], [1, 2, 3, 4]), None, "cut at {length}");
        }
    }
}
