//! Files that appear whole or not at all.
//!
//! A file is written under a temporary name beside its final one and renamed. Temporary names start with
//! [`TEMPORARY_PREFIX`], so that what a killed process left can be told from everything else and swept.

use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Read, Write};
use std::path::Path;

use crate::error::OciError;

/// How the names of unfinished files begin.
pub(crate) const TEMPORARY_PREFIX: &str = ".sinter-";

/// Documents (index, manifest, configuration) above this length are not read: no real one comes near it.
const DOCUMENT_LIMIT_BYTES: u64 = 16 << 20;

const BUFFER_BYTES: usize = 128 << 10;

/// Writes `path` by `content`, which gets a buffered writer on a temporary file in the same directory.
pub(crate) fn write_whole(
    path: &Path,
    content: impl FnOnce(&mut dyn Write, &Path) -> Result<(), OciError>,
) -> Result<(), OciError> {
    let temporary = temporary_beside(path);
    let result = write_new(&temporary, content).and_then(|()| rename(&temporary, path));
    if result.is_err() {
        // The first error is the one to report; a file that stays is swept by the next build.
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// Writes `path` with these bytes.
pub(crate) fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), OciError> {
    write_whole(path, |out, temporary| out.write_all(bytes).map_err(OciError::io("write", temporary)))
}

fn temporary_beside(path: &Path) -> std::path::PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{TEMPORARY_PREFIX}{}-{name}", std::process::id()))
}

fn write_new(
    temporary: &Path,
    content: impl FnOnce(&mut dyn Write, &Path) -> Result<(), OciError>,
) -> Result<(), OciError> {
    let file = File::create(temporary).map_err(OciError::io("create", temporary))?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
    content(&mut out, temporary)?;
    out.flush().map_err(OciError::io("write", temporary))
}

/// Renames, naming the final path if it fails.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), OciError> {
    fs::rename(from, to).map_err(OciError::io("rename to", to))
}

/// Creates a directory and its parents.
pub(crate) fn create_directory(path: &Path) -> Result<(), OciError> {
    fs::create_dir_all(path).map_err(OciError::io("create", path))
}

/// Reads a document; `None` if there is no such file.
pub(crate) fn read_document(path: &Path) -> Result<Option<Vec<u8>>, OciError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(OciError::io("read", path))?,
    };
    let mut bytes = Vec::new();
    file.take(DOCUMENT_LIMIT_BYTES).read_to_end(&mut bytes).map_err(OciError::io("read", path))?;
    Ok(Some(bytes))
}

/// The length of a regular file; `None` if there is none of that name.
pub(crate) fn file_size(path: &Path) -> Option<u64> {
    fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len())
}

/// Removes what a killed process left of this very file. Another process that writes the same file at this moment
/// keeps its temporary one: a process of that number still lives.
pub(crate) fn sweep_beside(path: &Path) {
    let (Some(name), Some(directory)) = (path.file_name().and_then(|name| name.to_str()), path.parent()) else {
        return;
    };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let file_name = entry.file_name();
        let writer = file_name.to_str().and_then(|found| writer_of(found, name));
        if writer.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The number of the process that writes `name` under the temporary name `found`.
fn writer_of(found: &str, name: &str) -> Option<u32> {
    found.strip_prefix(TEMPORARY_PREFIX)?.strip_suffix(name)?.strip_suffix('-')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_tell_their_writer() {
        let temporary = temporary_beside(Path::new("out/web.tar"));
        let name = temporary.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        assert_eq!(writer_of(name, "web.tar"), Some(std::process::id()));
        for (found, name) in [(".sinter-1-web.tar", "eb.tar"), (".sinter--web.tar", "web.tar"), ("web.tar", "web.tar")]
        {
            assert_eq!(writer_of(found, name), None, "{found} {name}");
        }
    }

    #[test]
    fn failed_content_leaves_nothing_behind() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("file");
        let result = write_whole(&path, |_, temporary| {
            Err(OciError::io("write", temporary)(std::io::Error::from(ErrorKind::StorageFull)))
        });
        assert!(matches!(result, Err(OciError::Fs(error)) if error.is_no_space()));
        assert_eq!(fs::read_dir(directory.path()).expect("readable").count(), 0);
    }

    #[test]
    fn leftovers_of_dead_writers_are_swept() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let at = |name: &str| directory.path().join(name);
        let mine = format!(".sinter-{}-web", std::process::id());
        for name in [".sinter-4294967295-web", ".sinter-4294967295-other", &mine, "web"] {
            fs::write(at(name), "").expect("writable");
        }
        sweep_beside(&at("web"));
        assert!(!at(".sinter-4294967295-web").exists());
        assert!(at(".sinter-4294967295-other").exists() && at(&mine).exists() && at("web").exists());
    }
}
