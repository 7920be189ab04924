//! What is known about files of a work tree without reading them: their hash, as long as the kernel says the same about
//! them.
//!
//! One file per work tree, `work-tree-<BLAKE3 of its path>`: the magic `sinter-hashes\n`, the version (u32), then for
//! each file its path (length as u32, bytes), size (u64), mtime and ctime (i128), inode and device (u64), hash (32
//! bytes); at the end BLAKE3 of all before. All numbers are little-endian. It is replaced by rename(2) as a whole, and
//! it is a cache: a file that is missing, damaged or of another version is an empty one.

use std::collections::HashMap;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use sinter_graph::digest::ContentHash;
use sinter_graph::path::TreePath;

use super::StatIdentity;

const MAGIC: &[u8] = b"sinter-hashes\n";
const VERSION: u32 = 1;
const CHECKSUM: usize = 32;

/// Entries that were not asked for are kept up to this number, besides as many as were asked for.
const KEPT_UNASKED: usize = 10_000;

/// The known hashes of one work tree.
#[derive(Debug)]
pub struct HashCache {
    file: PathBuf,
    known: HashMap<TreePath, Known>,
    changed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    stat: StatIdentity,
    content: ContentHash,
    asked: bool,
}

impl HashCache {
    /// Reads what is known about the work tree at `root` from the directory `index`.
    #[must_use]
    pub fn open(index: &Path, root: &Path) -> Self {
        let name = format!("work-tree-{}", blake3::hash(root.as_os_str().as_bytes()).to_hex());
        let file = index.join(name);
        let known = std::fs::read(&file).ok().and_then(|bytes| decode(&bytes)).unwrap_or_default();
        Self { file, known, changed: false }
    }

    /// How many files are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether no file is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub(super) fn get(&mut self, path: &TreePath, stat: &StatIdentity) -> Option<ContentHash> {
        let known = self.known.get_mut(path).filter(|known| known.stat == *stat)?;
        known.asked = true;
        Some(known.content)
    }

    pub(super) fn insert(&mut self, path: TreePath, stat: StatIdentity, content: ContentHash) {
        self.known.insert(path, Known { stat, content, asked: true });
        self.changed = true;
    }

    /// Writes what was learnt, if anything was. Two processes that save at once lose one's knowledge, nothing else.
    ///
    /// # Errors
    /// If the file cannot be written; the build goes on without.
    pub fn save(&mut self) -> std::io::Result<()> {
        if !self.changed {
            return Ok(());
        }
        self.forget_excess();
        let temporary = self.file.with_extension(std::process::id().to_string());
        let written = std::fs::File::create(&temporary)
            .and_then(|mut out| out.write_all(&encode(&self.known)))
            .and_then(|()| std::fs::rename(&temporary, &self.file));
        if written.is_err() {
            // Best effort: the error that matters is the first one.
            let _ = std::fs::remove_file(&temporary);
        }
        self.changed = written.is_err();
        written
    }

    /// Files come and go; what nobody asks for any more must not pile up.
    fn forget_excess(&mut self) {
        let asked = self.known.values().filter(|known| known.asked).count();
        if self.known.len() > 2 * asked + KEPT_UNASKED {
            self.known.retain(|_, known| known.asked);
        }
    }
}

fn encode(known: &HashMap<TreePath, Known>) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + known.len() * 160);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    let mut sorted: Vec<_> = known.iter().collect();
    sorted.sort_unstable_by_key(|(path, _)| *path);
    for (path, Known { stat, content, .. }) in sorted {
        let Ok(length) = u32::try_from(path.as_bytes().len()) else { continue };
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(path.as_bytes());
        out.extend_from_slice(&stat.size.to_le_bytes());
        out.extend_from_slice(&stat.mtime.to_le_bytes());
        out.extend_from_slice(&stat.ctime.to_le_bytes());
        out.extend_from_slice(&stat.inode.to_le_bytes());
        out.extend_from_slice(&stat.device.to_le_bytes());
        out.extend_from_slice(content.as_bytes());
    }
    let checksum = blake3::hash(&out);
    out.extend_from_slice(checksum.as_bytes());
    out
}

fn decode(bytes: &[u8]) -> Option<HashMap<TreePath, Known>> {
    let (body, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM)?)?;
    if blake3::hash(body).as_bytes() != checksum {
        return None;
    }
    let mut rest = body.strip_prefix(MAGIC)?;
    if u32::from_le_bytes(take(&mut rest)?) != VERSION {
        return None;
    }
    let mut known = HashMap::new();
    while !rest.is_empty() {
        let length = u32::from_le_bytes(take(&mut rest)?) as usize;
        let (path, behind) = rest.split_at_checked(length)?;
        rest = behind;
        let stat = StatIdentity {
            size: u64::from_le_bytes(take(&mut rest)?),
            mtime: i128::from_le_bytes(take(&mut rest)?),
            ctime: i128::from_le_bytes(take(&mut rest)?),
            inode: u64::from_le_bytes(take(&mut rest)?),
            device: u64::from_le_bytes(take(&mut rest)?),
        };
        let content = ContentHash::from_bytes(take(&mut rest)?);
        known.insert(TreePath::new(path).ok()?, Known { stat, content, asked: false });
    }
    Some(known)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*taken)
}
