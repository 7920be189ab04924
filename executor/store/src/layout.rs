//! Opening the directory of a store: its layout, its owner, its ids.
//!
//! A store belongs to one user and one map of ids: the owners in its layers are numbers of that map, and whoever else
//! could write in it would decide what is built. So its root is 0700, is refused if somebody else owns it, and holds the
//! map it was made under.
//!
//! Rules: the version is written first and synced; a directory that holds anything but has no version is not ours. What
//! is missing is made; what stands in the place of a directory is named. Must not know: what lies in a store.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sinter_graph::FsError;

use crate::error::StoreError;
use crate::moment::unique_name;
use crate::namespaces;

/// Number of the layout drawn in the head of this crate.
pub(crate) const LAYOUT: u64 = 2;

const DIRECTORIES: [&str; 12] = [
    "layers",
    "manifests",
    "blobs",
    "records",
    "merged",
    "settled",
    "logs",
    "index",
    "turns",
    "leases",
    "work",
    "trash",
];

const VERSION_DRAFT: &str = ".version-";
const PRIVATE: u32 = 0o700;
/// How many ids a sandbox maps; what lies above is no part of a store's map.
const ID_COUNT: u32 = 65_536;

/// Checks an existing store, or makes a new one.
///
/// # Errors
/// If it is another's, another layout's, another id map's, or no store; or if the disk refuses.
pub(crate) fn prepare(root: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE)
        .create(root)
        .map_err(|error| StoreError::io(root, "create", error))?;
    check_owner(root)?;
    let version = root.join("version");
    if read_version(root, &version)?.is_none() {
        create_version(root, &version)?;
    }
    check_ids(root)?;
    let below = namespaces::ALL.map(|name| Path::new("records").join(name));
    for directory in DIRECTORIES.map(PathBuf::from).into_iter().chain(below) {
        create_directory(&root.join(directory))?;
    }
    Ok(())
}

/// Nobody else may read or write a store: a setuid file of some layer would be theirs to run, a secret source theirs to
/// read.
///
/// # Errors
/// If somebody else owns it.
pub(crate) fn check_owner(root: &Path) -> Result<(), StoreError> {
    let found = std::fs::metadata(root).map_err(|error| StoreError::io(root, "read", error))?;
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(StoreError::OtherOwner { path: root.to_owned(), owner: found.uid() });
    }
    if found.mode() & 0o7777 != PRIVATE && (found.mode() & 0o077 != 0 || found.mode() & 0o7000 != 0) {
        let private = Permissions::from_mode(PRIVATE);
        std::fs::set_permissions(root, private).map_err(|error| StoreError::io(root, "make private", error))?;
    }
    Ok(())
}

fn create_directory(path: &Path) -> Result<(), StoreError> {
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        result => return result.map_err(|error| StoreError::io(path, "create", error)),
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(StoreError::NotADirectory { path: path.to_owned() }),
        Err(error) => Err(StoreError::io(path, "read", error)),
    }
}

fn create_version(root: &Path, version: &Path) -> Result<(), StoreError> {
    let entries = std::fs::read_dir(root).map_err(|error| StoreError::io(root, "read", error))?;
    let foreign = entries.flatten().any(|entry| !entry.file_name().to_string_lossy().starts_with(VERSION_DRAFT));
    // Another process may have made the store since we looked.
    if foreign && read_version(root, version)?.is_none() {
        return Err(StoreError::NotAStore { path: root.to_owned() });
    }
    // The one file that is synced: without it the whole store would be foreign after a power loss.
    write_once(root, version, format!("{LAYOUT}\n").as_bytes(), true)
}

fn write_once(root: &Path, path: &Path, bytes: &[u8], sync: bool) -> Result<(), StoreError> {
    let draft = root.join(format!("{VERSION_DRAFT}{}", unique_name()));
    let written = File::create_new(&draft).and_then(|mut file| {
        file.write_all(bytes)?;
        if sync {
            file.sync_all()?;
        }
        std::fs::rename(&draft, path)
    });
    written.map_err(|error| {
        let _ = std::fs::remove_file(&draft);
        StoreError::io(path, "write", error)
    })
}

fn read_version(root: &Path, version: &Path) -> Result<Option<u64>, StoreError> {
    let Some(text) = read_text(version)? else { return Ok(None) };
    let path = root.to_owned();
    match text.trim_end().parse::<u64>() {
        Ok(LAYOUT) => Ok(Some(LAYOUT)),
        Ok(found) if found < LAYOUT => Err(StoreError::OlderLayout { path, found, known: LAYOUT }),
        Ok(found) => Err(StoreError::NewerLayout { path, found, known: LAYOUT }),
        Err(_) => Err(StoreError::NotAStore { path }),
    }
}

fn read_text(path: &Path) -> Result<Option<String>, FsError> {
    match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FsError::new(path, "read", error)),
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
    }
}

/// The ids of a layer are those of the map it was made under: the same store seen through another map shows other owners.
fn check_ids(root: &Path) -> Result<(), StoreError> {
    let (path, own) = (root.join("ids"), own_ids()?);
    match read_text(&path)? {
        Some(found) if found == own => Ok(()),
        Some(found) if !found.is_empty() => {
            Err(StoreError::OtherIds { path: root.to_owned(), found: one_line(&found), own: one_line(&own) })
        }
        _ => write_once(root, &path, own.as_bytes(), false),
    }
}

fn one_line(map: &str) -> String {
    map.trim_end().replace('\n', ", ")
}

/// The maps of user and group ids of this process, as far as a sandbox uses them.
fn own_ids() -> Result<String, FsError> {
    let mut text = String::new();
    for (kind, file) in [("users", "/proc/self/uid_map"), ("groups", "/proc/self/gid_map")] {
        let map = std::fs::read_to_string(file).map_err(|error| FsError::new(Path::new(file), "read", error))?;
        text.push_str(&format!("{kind} {}\n", clipped(&map)));
    }
    Ok(text)
}

/// The extents of a map (user_namespaces(7): inside, outside, count) below [`ID_COUNT`], neighbours joined: two ways to
/// write one map are one.
fn clipped(map: &str) -> String {
    let mut extents: Vec<[u64; 3]> = Vec::new();
    for line in map.lines() {
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let &[inside, outside, count] = numbers.as_slice() else { continue };
        let count = count.min(u64::from(ID_COUNT).saturating_sub(inside));
        match extents.last_mut() {
            Some([first, target, length]) if *first + *length == inside && *target + *length == outside => {
                *length += count
            }
            _ if count > 0 => extents.push([inside, outside, count]),
            _ => {}
        }
    }
    let words = extents.iter().map(|[inside, outside, count]| format!("{inside}-{outside}-{count}"));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_maps_are_compared_by_meaning() {
        for (map, expected) in [
            ("         0          0 4294967295\n", "0-0-65536"),
            ("0 0 65536\n", "0-0-65536"),
            ("0 0 1\n1 1 70000\n", "0-0-65536"),
            ("0 1000 1\n1 100000 65536\n", "0-1000-1 1-100000-65535"),
            ("0 100000 65536\n70000 1 5\n", "0-100000-65536"),
        ] {
            assert_eq!(clipped(map), expected, "{map}");
        }
    }
}
