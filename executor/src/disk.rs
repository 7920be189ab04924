//! Whether the disk is full. A script that meets a full disk says so in its own words, or not at all; whoever failed while
//! nothing was left probably failed because of it.

use std::fmt;
use std::path::{Path, PathBuf};

/// Less is nothing: a file system keeps a little for itself.
const LEAST_BYTES: u64 = 1024 * 1024;

/// Of a large disk a thousandth, but no more than this, counts as nothing.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// The same for files.
const LEAST_FILES: u64 = 16;
const MOST_FILES: u64 = 1024;

/// A file system with no room left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullDisk {
    /// A directory on it.
    pub directory: PathBuf,
    /// What it has no more of.
    pub lacks: Lack,
}

/// What a file system has no more of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// Space for contents.
    Bytes,
    /// Room for more files, however small.
    Files,
}

impl fmt::Display for FullDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.lacks {
            Lack::Bytes => "has no space left",
            Lack::Files => "can hold no more files (no inodes are left)",
        };
        write!(f, "the disk that holds {} {what}", self.directory.display())
    }
}

/// The file system that holds `directory`, if there is (almost) no room left on it for this process.
pub(crate) fn full(directory: &Path) -> Option<FullDisk> {
    let state = rustix::fs::statvfs(directory).ok()?;
    let lacks = lacking(
        Room {
            free: state.f_bavail.saturating_mul(state.f_frsize),
            all: state.f_blocks.saturating_mul(state.f_frsize),
        },
        Room { free: state.f_favail, all: state.f_files },
    )?;
    Some(FullDisk { directory: directory.to_owned(), lacks })
}

#[derive(Clone, Copy)]
struct Room {
    free: u64,
    all: u64,
}

impl Room {
    /// A file system that does not count says that it has none at all.
    fn is_exhausted(self, least: u64, most: u64) -> bool {
        self.all > 0 && self.free < (self.all / 1000).clamp(least, most)
    }
}

fn lacking(bytes: Room, files: Room) -> Option<Lack> {
    if bytes.is_exhausted(LEAST_BYTES, MOST_BYTES) {
        return Some(Lack::Bytes);
    }
    files.is_exhausted(LEAST_FILES, MOST_FILES).then_some(Lack::Files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn almost_nothing_is_nothing() {
        const MB: u64 = 1 << 20;
        let enough = Room { free: 1_000_000, all: 2_000_000 };
        for (free, all, lacks) in [
            (0, 100 * MB, Some(Lack::Bytes)),
            (MB - 1, 100 * MB, Some(Lack::Bytes)),
            (2 * MB, 100 * MB, None),
            (63 * MB, 10_000_000 * MB, Some(Lack::Bytes)),
            (65 * MB, 10_000_000 * MB, None),
            (0, 0, None),
        ] {
            assert_eq!(lacking(Room { free, all }, enough), lacks, "{free} of {all}");
        }
        let space = Room { free: 900 * MB, all: 1000 * MB };
        assert_eq!(lacking(space, Room { free: 3, all: 5000 }), Some(Lack::Files));
        assert_eq!(lacking(space, Room { free: 20, all: 5000 }), None);
    }

    #[test]
    fn small_disk_is_full_when_it_is() {
        let place = tempfile::tempdir().expect("a directory");
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m,nr_inodes=100", "none"])
            .arg(place.path())
            .status()
            .expect("mount: tests run as root");
        assert!(mounted.success());
        let before = full(place.path());
        let _ = std::fs::write(place.path().join("large"), vec![1; 5 << 20]);
        let filled = full(place.path());
        std::fs::write(place.path().join("large"), "").expect("a file made short");
        let _ = (0..200).try_for_each(|number| std::fs::write(place.path().join(number.to_string()), ""));
        let crowded = full(place.path());
        let unmounted = std::process::Command::new("umount").arg(place.path()).status().expect("umount");
        assert!(unmounted.success());
        let lacks = [before, filled, crowded].map(|full| full.map(|full| full.lacks));
        assert_eq!(lacks, [None, Some(Lack::Bytes), Some(Lack::Files)]);
    }
}
