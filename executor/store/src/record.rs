//! Records: one small checked file per fact.
//!
//! Format: `sinter-record` and a version byte, the boot (16 bytes), the moment (u64, little-endian), the length of the
//! namespace (u8) and the namespace, the key (64 hexadecimal digits), the payload, and BLAKE3 of all that. A torn,
//! truncated, misplaced or foreign file is no record; it is never an error. A file that cannot be read is an error and
//! never taken for one that is not there.

use std::path::{Path, PathBuf};

use crate::boot::{Boot, Settled};
use crate::error::StoreError;
use crate::moment::Moment;
use crate::namespaces::{CONTENT, DEFINITION, STACK};
use crate::small_file::read_small;
use crate::store::Store;

const MAGIC: &[u8; 14] = b"sinter-record\x02";
const KEY_LENGTH: usize = 64;
const CHECKSUM_LENGTH: usize = 32;

/// What a record is about. The key is 64 lower-case hexadecimal digits of the caller's choice. Payloads name objects and
/// other records by the plain 32 bytes of their digests and keys, so that what counts on a damaged object can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordKind {
    /// Result of a derivation, by definition key.
    Definition,
    /// Result of a step or placement, by content key.
    Content,
    /// A list of layers, by its digest.
    Stack,
}

impl RecordKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Definition, Self::Content, Self::Stack];

    pub(crate) const fn namespace(self) -> &'static str {
        match self {
            Self::Definition => DEFINITION,
            Self::Content => CONTENT,
            Self::Stack => STACK,
        }
    }
}

impl Store {
    /// The payload of a record; `None` if there is none that can be trusted.
    ///
    /// # Errors
    /// If there may be one and it cannot be read, or if `key` is not 64 lower-case hexadecimal digits.
    pub fn record(&self, kind: RecordKind, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.fact(kind.namespace(), key)
    }

    /// Writes a record; one that is there is replaced. Layers and blobs it names must have been published before.
    ///
    /// # Errors
    /// If `key` is not 64 lower-case hexadecimal digits, or if the file cannot be written.
    pub fn put_record(&self, kind: RecordKind, key: &str, payload: &[u8]) -> Result<(), StoreError> {
        self.put_fact(kind.namespace(), key, payload)
    }

    /// Forgets a record; one that is not there is fine.
    ///
    /// # Errors
    /// If `key` is not 64 lower-case hexadecimal digits, or if the file cannot be removed.
    pub fn drop_record(&self, kind: RecordKind, key: &str) -> Result<(), StoreError> {
        self.drop_fact(kind.namespace(), key)
    }

    pub(crate) fn fact(&self, namespace: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.fact_path(namespace, key)?;
        let bytes = read_small(&path)?;
        Ok(bytes.and_then(|bytes| decode(&bytes, namespace, key, self.settled())))
    }

    pub(crate) fn put_fact(&self, namespace: &str, key: &str, payload: &[u8]) -> Result<(), StoreError> {
        let path = self.fact_path(namespace, key)?;
        let bytes = encode(self.settled().current(), Moment::now(), namespace, key, payload);
        self.replace_file(&path, &bytes)
    }

    pub(crate) fn drop_fact(&self, namespace: &str, key: &str) -> Result<(), StoreError> {
        let path = self.fact_path(namespace, key)?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            // Something else stands in its place.
            Err(_) if path.is_dir() => {
                self.trash().discard(&path).map_err(|error| StoreError::io(&path, "remove", error))
            }
            result => result.map_err(|error| StoreError::io(&path, "remove", error)),
        }
    }

    pub(crate) fn fact_path(&self, namespace: &str, key: &str) -> Result<PathBuf, StoreError> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if key.len() != KEY_LENGTH || !key.bytes().all(is_digit) {
            return Err(StoreError::InvalidKey { key: key.to_owned() });
        }
        Ok(self.root().join(Path::new("records")).join(namespace).join(key))
    }
}

fn encode(boot: Boot, moment: Moment, namespace: &str, key: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = head(namespace, key, boot, moment);
    bytes.extend_from_slice(payload);
    let checksum = blake3::hash(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    bytes
}

fn head(namespace: &str, key: &str, boot: Boot, moment: Moment) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(boot.as_bytes());
    bytes.extend_from_slice(&moment.0.to_le_bytes());
    bytes.push(u8::try_from(namespace.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(namespace.as_bytes());
    bytes.extend_from_slice(key.as_bytes());
    bytes
}

fn decode(bytes: &[u8], namespace: &str, key: &str, settled: &Settled) -> Option<Vec<u8>> {
    let (body, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_LENGTH)?)?;
    if blake3::hash(body).as_bytes() != checksum {
        return None;
    }
    let rest = body.strip_prefix(MAGIC)?;
    let (boot, rest) = rest.split_first_chunk::<16>()?;
    let (moment, _) = rest.split_first_chunk::<8>()?;
    let (boot, moment) = (Boot::from_bytes(*boot), Moment(u64::from_le_bytes(*moment)));
    let payload = body.strip_prefix(head(namespace, key, boot, moment).as_slice())?;
    settled.covers(boot, moment).then(|| payload.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn settled() -> Settled {
        Settled::new(PathBuf::from("nowhere"), Boot::from_bytes([9; 16]))
    }

    fn sample() -> Vec<u8> {
        encode(Boot::from_bytes([9; 16]), Moment(5), "content", KEY, b"payload")
    }

    #[test]
    fn records_round_trip() {
        assert_eq!(decode(&sample(), "content", KEY, &settled()), Some(b"payload".to_vec()));
    }

    #[test]
    fn every_damage_means_no_record() {
        let whole = sample();
        for length in 0..whole.len() {
            assert_eq!(decode(&whole[..length], "content", KEY, &settled()), None, "cut at {length}");
        }
        for index in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[index] ^= 1;
            assert_eq!(decode(&bytes, "content", KEY, &settled()), None, "flipped at {index}");
        }
        assert_eq!(decode(&[whole, vec![0]].concat(), "content", KEY, &settled()), None);
    }

    #[test]
    fn misplaced_records_are_foreign() {
        let other = KEY.replace('0', "1");
        assert_eq!(decode(&sample(), "stack", KEY, &settled()), None);
        assert_eq!(decode(&sample(), "content", &other, &settled()), None);
    }

    #[test]
    fn keys_cannot_leave_their_directory() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(&directory.path().join("store")).expect("a store");
        for key in ["", "../x", &KEY[1..], &KEY.to_uppercase(), &format!("{}/", &KEY[1..])] {
            assert!(store.put_record(RecordKind::Content, key, b"x").is_err(), "{key}");
            assert!(store.record(RecordKind::Content, key).is_err(), "{key}");
        }
    }

    #[test]
    fn unreadable_records_are_no_absent_ones() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(&directory.path().join("store")).expect("a store");
        store.put_record(RecordKind::Content, KEY, b"x").expect("a record");
        let records = store.root().join("records/content");
        let away = records.with_extension("away");
        std::fs::rename(&records, &away).expect("a rename");
        assert_eq!(store.record(RecordKind::Content, KEY).expect("gone"), None);
        std::os::unix::fs::symlink("content", &records).expect("a loop");
        store.record(RecordKind::Content, KEY).expect_err("a loop says nothing about the record");
    }

    #[test]
    fn what_replaced_a_record_is_replaced_by_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(&directory.path().join("store")).expect("a store");
        let path = store.fact_path("content", KEY).expect("a path");
        let kinds: [fn(&Path); 3] = [
            |path| std::fs::create_dir_all(path.join("below")).expect("a directory"),
            |path| std::os::unix::fs::symlink("/etc/hostname", path).expect("a link"),
            |path| {
                rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
                    .expect("a pipe");
            },
        ];
        for kind in kinds {
            kind(&path);
            assert_eq!(store.record(RecordKind::Content, KEY).expect("no record"), None);
            store.put_record(RecordKind::Content, KEY, b"x").expect("a record");
            assert_eq!(store.record(RecordKind::Content, KEY).expect("a record"), Some(b"x".to_vec()));
            store.drop_fact("content", KEY).expect("gone");
        }
    }
}
