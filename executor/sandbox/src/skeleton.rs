//! The bottom-most lower directory of every sandbox: what has to exist whatever the tree holds.

use std::fs::{self, File, FileTimes, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use sinter_graph::EPOCH;

use crate::mounts::MOUNT_POINTS;

/// Files that every sandbox shows unless the tree has its own: a path and its content.
///
/// They are constants because programs ask for them at build time: a test that binds to `localhost`, a maintainer script
/// that would otherwise invent a machine id. They are no part of any layer; a copy in an upper directory that is
/// still equal was only touched.
pub const SKELETON_FILES: &[(&str, &str)] = &[
    ("/etc/hosts", "127.0.0.1\tlocalhost sinter\n::1\tlocalhost ip6-localhost ip6-loopback\n"),
    ("/etc/machine-id", "73696e74657273696e74657273696e74\n"),
];

/// Makes the directory `dir` to be the last of [`Job::lowers`](crate::Job): mount points, `/etc` and [`SKELETON_FILES`],
/// owned by this process's user, mode 755 and 644, at the time [`EPOCH`].
///
/// Being bottom-most it never hides what a tree says about the same paths. Repeating the call changes nothing, so a store
/// makes it once and shares it. It appears under its name only when it is whole, so that any number of threads and
/// processes may call this at the same time, and nothing changes below a sandbox that has it mounted.
///
/// # Errors
/// What the file system says.
pub fn skeleton(dir: &Path) -> io::Result<()> {
    if is_whole(dir) {
        return Ok(());
    }
    let draft = beside(dir, "draft")?;
    let made = fill(&draft).and_then(|()| put(&draft, dir));
    if made.is_err() {
        // Rubbish with a name of its own; nobody mounts it.
        let _ = fs::remove_dir_all(&draft);
    }
    made
}

/// A name in the same directory that nobody else in the world uses.
fn beside(dir: &Path, kind: &str) -> io::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = dir.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let parent = dir.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(parent)?;
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    Ok(parent.join(format!("{}.{kind}-{}-{number}", name.to_string_lossy(), std::process::id())))
}

fn fill(dir: &Path) -> io::Result<()> {
    let mut directories = vec![dir.join("etc")];
    directories.extend(MOUNT_POINTS.iter().map(|path| inside(dir, path)));
    directories.iter().try_for_each(fs::create_dir_all)?;
    for (path, content) in SKELETON_FILES {
        let file = inside(dir, path);
        fs::write(&file, content)?;
        settle(&file, 0o644)?;
    }
    directories.push(dir.to_owned());
    directories.iter().try_for_each(|directory| settle(directory, 0o755))
}

/// Renames the draft into place. What stands there is either whole, made by somebody else just now, or damaged; then it is
/// moved away first.
fn put(draft: &Path, dir: &Path) -> io::Result<()> {
    while let Err(error) = fs::rename(draft, dir) {
        if is_whole(dir) {
            return fs::remove_dir_all(draft);
        }
        if !dir.exists() {
            return Err(error);
        }
        let damaged = beside(dir, "damaged")?;
        match fs::rename(dir, &damaged) {
            // A sandbox may still have it mounted; deleting it is then somebody else's loss of nothing.
            Ok(()) => fs::remove_dir_all(&damaged)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
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

fn inside(dir: &Path, path: &str) -> PathBuf {
    dir.join(path.trim_start_matches('/'))
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
    fn skeleton_is_made_by_many_at_once() {
        let dir = tempfile::tempdir().expect("a directory");
        for round in 0..20 {
            let root = dir.path().join(round.to_string());
            std::thread::scope(|scope| {
                let makers: Vec<_> = (0..8).map(|_| scope.spawn(|| skeleton(&root))).collect();
                makers.into_iter().for_each(|maker| maker.join().expect("no panic").expect("a skeleton"));
            });
            assert!(is_whole(&root));
        }
        assert_eq!(fs::read_dir(dir.path()).expect("a directory").count(), 20, "drafts are left");
    }

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
