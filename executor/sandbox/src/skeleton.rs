//! The bottom-most lower directory of every sandbox: what has to exist whatever the tree holds.

use std::fs::{self, File, FileTimes, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use sinter_graph::EPOCH;

/// Directories that a sandbox mounts its own file systems on. What is below them never reaches the upper directory;
/// the directories themselves are in it if the script changed their mode or owner, and are never to be captured.
pub const MOUNT_POINTS: &[&str] = &["/dev", "/proc", "/sinter", "/sys", "/tmp"];

/// Files that every sandbox shows unless the tree has its own: a path and its content.
///
/// They are constants because programs ask for them at build time: a test that binds to `localhost`, a maintainer script
/// that would otherwise invent a machine id. They are no part of any layer; a copy in an upper directory that is
/// still equal was only touched.
pub const SKELETON_FILES: &[(&str, &str)] = &[
    ("/etc/hosts", "127.0.0.1\tlocalhost sinter\n::1\tlocalhost ip6-localhost ip6-loopback\n"),
    ("/etc/machine-id", "73696e74657273696e74657273696e74\n"),
];

/// Fills the directory `dir` (made if missing) to be the last of [`Job::lowers`](crate::Job): mount points, `/etc` and
/// [`SKELETON_FILES`], owned by this process's user, mode 755 and 644, at the time [`EPOCH`].
///
/// Being bottom-most it never hides what a tree says about the same paths. Repeating the call changes nothing, so a store
/// makes it once and shares it; two processes may do so at the same time.
///
/// # Errors
/// What the file system says.
pub fn skeleton(dir: &Path) -> io::Result<()> {
    if is_whole(dir) {
        return Ok(());
    }
    let mut directories = vec![dir.join("etc")];
    directories.extend(MOUNT_POINTS.iter().map(|path| inside(dir, path)));
    fs::create_dir_all(dir)?;
    for directory in &directories {
        make_directory(directory)?;
    }
    for (path, content) in SKELETON_FILES {
        write_file(&inside(dir, path), content)?;
    }
    directories.push(dir.to_owned());
    directories.iter().try_for_each(|directory| settle(directory, 0o755))
}

/// Each entry gets its time last, and whatever is deleted or added later changes the time of the directory around it.
fn is_whole(dir: &Path) -> bool {
    let is_settled = |path: &Path, mode: u32| {
        fs::symlink_metadata(path).ok().filter(|found| found.mode() & 0o7777 == mode && found.mtime() == EPOCH)
    };
    let is_directory = |path: &Path| is_settled(path, 0o755).is_some_and(|found| found.is_dir());
    let is_file = |path: &Path, length: usize| {
        is_settled(path, 0o644).is_some_and(|found| found.is_file() && found.len() == length as u64)
    };
    is_directory(dir)
        && is_directory(&dir.join("etc"))
        && MOUNT_POINTS.iter().all(|path| is_directory(&inside(dir, path)))
        && SKELETON_FILES.iter().all(|(path, content)| is_file(&inside(dir, path), content.len()))
}

fn inside(dir: &Path, path: &str) -> std::path::PathBuf {
    dir.join(path.trim_start_matches('/'))
}

fn make_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

/// Written beside and renamed, so that a second process never finds half a file; the name holds the process id, because two
/// writers must not share a draft.
fn write_file(path: &Path, content: &str) -> io::Result<()> {
    if fs::read(path).is_ok_and(|found| found == content.as_bytes()) {
        return Ok(());
    }
    let draft = path.with_extension(format!("draft-{}", std::process::id()));
    fs::write(&draft, content)?;
    settle(&draft, 0o644)?;
    fs::rename(&draft, path)
}

fn settle(path: &Path, mode: u32) -> io::Result<()> {
    let epoch = UNIX_EPOCH + Duration::from_secs(EPOCH.unsigned_abs());
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    File::open(path)?.set_times(FileTimes::new().set_accessed(epoch).set_modified(epoch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skeleton_is_constant_and_repeatable() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().join("skeleton");
        for damage in [None, Some("etc/hosts"), Some("etc/machine-id"), Some("tmp"), None] {
            match damage.map(|path| root.join(path)) {
                Some(path) if path.is_dir() => fs::remove_dir(path).expect("a removal"),
                Some(path) => fs::remove_file(path).expect("a removal"),
                None => {}
            }
            skeleton(&root).expect("a skeleton");
            for path in MOUNT_POINTS.iter().chain(&["/", "/etc"]) {
                let metadata = fs::metadata(inside(&root, path)).expect("a directory");
                assert_eq!((metadata.mode() & 0o7777, metadata.mtime()), (0o755, EPOCH), "{path}");
            }
            for (path, content) in SKELETON_FILES {
                let file = inside(&root, path);
                assert_eq!(fs::read_to_string(&file).expect("a file"), *content);
                assert_eq!(fs::metadata(&file).expect("a file").mtime(), EPOCH);
            }
            assert_eq!(fs::read_dir(root.join("etc")).expect("a directory").count(), SKELETON_FILES.len());
        }
    }
}
