//! What is in a directory, and whether earlier exports put it there.
//!
//! A path is theirs if it is the very one that was written (inode and change time), or, where only its names changed or
//! an export was interrupted, if type, mode, time and content are what was written: then the store can write it again.
//! Directories are theirs if they are the same ones; their times change with what is in them. Everything else belongs to
//! somebody else, and nothing is touched.
//!
//! Must not know: what is going to be written.

use std::collections::HashMap;

use rustix::fs::{FileType, major, minor, readlinkat, statat};
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind};

use super::memory::Memory;
use super::place::{Place, Seen};
use super::{ExportError, STAGING};

/// A path that an earlier export wrote.
pub(super) struct Found {
    /// What was written there.
    pub(super) entry: Entry,
    /// What is there now.
    pub(super) seen: Seen,
    /// Whether nothing at all happened to it since.
    pub(super) is_untouched: bool,
}

/// Everything below the root, in order; fails at the first path that is not ours.
pub(super) fn find_ours(place: &Place, memory: &Memory) -> Result<Vec<Found>, ExportError> {
    let known = Known::new(memory);
    let (mut found, mut pending) = (Vec::new(), place.list(&TreePath::root())?);
    pending.reverse();
    while let Some(path) = pending.pop() {
        if is_staging(&path) {
            continue;
        }
        let Some(seen) = place.look(&path)? else { continue };
        let ours = known.ours(place, &path, &seen);
        found.push(ours.ok_or_else(|| not_ours(place, &path))?);
        if seen.is_directory() {
            pending.extend(place.list(&path)?.into_iter().rev());
        }
    }
    found.sort_unstable_by(|one, other| one.entry.path.cmp(&other.entry.path));
    Ok(found)
}

/// Whether this is where an export prepares files, or was killed while it did.
pub(super) fn is_staging(path: &TreePath) -> bool {
    path.as_bytes().starts_with(STAGING.as_bytes()) && !path.as_bytes().contains(&b'/')
}

pub(super) fn not_ours(place: &Place, path: &TreePath) -> ExportError {
    ExportError::NotOurs { path: place.path().to_owned(), found: path.to_os_path() }
}

/// The memory by path.
struct Known<'a> {
    there: HashMap<&'a TreePath, (&'a Entry, Option<&'a Seen>)>,
    coming: HashMap<&'a TreePath, &'a Entry>,
}

impl<'a> Known<'a> {
    fn new(memory: &'a Memory) -> Self {
        let there = memory.there.iter().map(|(entry, seen)| (&entry.path, (entry, seen.as_ref()))).collect();
        Self { there, coming: memory.coming.iter().map(|entry| (&entry.path, entry)).collect() }
    }

    fn ours(&self, place: &Place, path: &TreePath, seen: &Seen) -> Option<Found> {
        let there = self.there.get(path).copied();
        let coming = self.coming.get(path).map(|entry| (*entry, None));
        let found = |entry: &Entry, is_untouched| Found { entry: entry.clone(), seen: *seen, is_untouched };
        if let Some((entry, _)) = there.filter(|(_, remembered)| *remembered == Some(seen)) {
            return Some(found(entry, true));
        }
        let mut candidates = there.into_iter().chain(coming);
        let same = candidates.find(|(entry, remembered)| is_as_written(place, entry, *remembered, seen));
        same.map(|(entry, _)| found(entry, false))
    }
}

fn is_as_written(place: &Place, entry: &Entry, remembered: Option<&Seen>, seen: &Seen) -> bool {
    let same_owner = remembered.is_none_or(|old| (old.uid, old.gid) == (seen.uid, seen.gid));
    if entry.kind == Kind::Directory {
        let same = remembered.is_none_or(|old| (old.inode, old.mode) == (seen.inode, seen.mode));
        return same && same_owner && seen.is_directory();
    }
    // The system may clear the bits above when somebody without rights sets a mode.
    let same_mode = matches!(entry.kind, Kind::Symlink { .. }) || (seen.mode ^ entry.mode) & 0o777 == 0;
    same_owner
        && same_mode
        && seen.modified == (entry.mtime, 0)
        && has_content(place, entry, seen)
        && has_no_other_attributes(place, entry, seen)
}

fn has_content(place: &Place, entry: &Entry, seen: &Seen) -> bool {
    let found = FileType::from_raw_mode(seen.mode);
    match &entry.kind {
        Kind::File { size, content } => {
            found == FileType::RegularFile
                && seen.size == *size
                && hash(place, &entry.path, seen).is_some_and(|hash| hash.as_bytes() == content.as_bytes())
        }
        Kind::Symlink { target } => {
            found == FileType::Symlink && link_target(place, &entry.path) == Some(target.to_vec())
        }
        Kind::Fifo => found == FileType::Fifo,
        Kind::CharacterDevice { major, minor } => {
            found == FileType::CharacterDevice && device(place, &entry.path) == Some((*major, *minor))
        }
        Kind::BlockDevice { major, minor } => {
            found == FileType::BlockDevice && device(place, &entry.path) == Some((*major, *minor))
        }
        Kind::Directory | Kind::HardLink { .. } | Kind::Whiteout => false,
    }
}

fn hash(place: &Place, path: &TreePath, seen: &Seen) -> Option<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(place.open_file(path, seen).ok()?).ok()?;
    Some(hasher.finalize())
}

fn link_target(place: &Place, path: &TreePath) -> Option<Vec<u8>> {
    let (parent, name) = place.parent(path).ok()?;
    Some(readlinkat(&*parent, name, Vec::new()).ok()?.into_bytes())
}

fn device(place: &Place, path: &TreePath) -> Option<(u32, u32)> {
    let (parent, name) = place.parent(path).ok()?;
    let found = statat(&*parent, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some((major(found.st_rdev), minor(found.st_rdev)))
}

/// Somebody may have kept something in an attribute of a file.
fn has_no_other_attributes(place: &Place, entry: &Entry, seen: &Seen) -> bool {
    if FileType::from_raw_mode(seen.mode) != FileType::RegularFile {
        return true;
    }
    let Ok(file) = place.open_file(&entry.path, seen) else { return false };
    let mut names = vec![0; 64 * 1024];
    match rustix::fs::flistxattr(&file, &mut names[..]) {
        Ok(length) => names[..length]
            .split(|byte| *byte == 0)
            .filter(|name| name.starts_with(b"user."))
            .all(|name| entry.xattrs.contains_key(name)),
        Err(error) => error == rustix::io::Errno::NOTSUP,
    }
}
