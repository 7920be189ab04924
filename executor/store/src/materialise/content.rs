//! Copying the content of one file: shared blocks where the file system can, holes stay holes, every byte is hashed.
//!
//! Must not know: entries, directories.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;

use rustix::fs::ioctl_ficlone;

/// What file systems allocate at a time; a block of zeros becomes a hole.
const BLOCK: usize = 4096;
const ZEROS: [u8; BLOCK] = [0; BLOCK];
const BUFFER: usize = 32 * BLOCK;

/// Which side failed.
pub(crate) enum CopyError {
    Read(io::Error),
    Write(io::Error),
}

/// Copies contents, with a buffer that is made once.
pub(crate) struct Copier(Vec<u8>);

impl Copier {
    pub(crate) fn new() -> Self {
        Self(vec![0; BUFFER])
    }

    /// Makes `target`, which is empty and open for reading and writing, hold what `source` holds, and gives length and
    /// hash of what it holds now. Bytes are read once.
    pub(crate) fn copy(&mut self, source: &mut File, target: &mut File) -> Result<(u64, blake3::Hash), CopyError> {
        if ioctl_ficlone(&*target, &*source).is_ok() {
            target.rewind().map_err(CopyError::Write)?;
            return self.pass(target, |_, _| Ok(()));
        }
        let mut end = 0;
        let (length, hash) = self.pass(source, |offset, bytes| write_data(target, offset, bytes, &mut end))?;
        if end < length {
            target.set_len(length).map_err(CopyError::Write)?;
        }
        Ok((length, hash))
    }

    fn pass(
        &mut self,
        source: &mut File,
        mut take: impl FnMut(u64, &[u8]) -> io::Result<()>,
    ) -> Result<(u64, blake3::Hash), CopyError> {
        let (mut length, mut hasher) = (0, blake3::Hasher::new());
        loop {
            let count = fill(source, &mut self.0).map_err(CopyError::Read)?;
            hasher.update(&self.0[..count]);
            take(length, &self.0[..count]).map_err(CopyError::Write)?;
            length += count as u64;
            if count < self.0.len() {
                return Ok((length, hasher.finalize()));
            }
        }
    }
}

/// Reads until the buffer is full or the file ends, so that blocks stay blocks.
fn fill(source: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Writes the blocks that are not all zeros, neighbours together, and notes where the last one ends.
fn write_data(target: &File, offset: u64, bytes: &[u8], end: &mut u64) -> io::Result<()> {
    let mut run = 0..0;
    for block in bytes.chunks(BLOCK) {
        let next = run.end + block.len();
        if block == &ZEROS[..block.len()] {
            write_run(target, offset, bytes, &run, end)?;
            run = next..next;
        } else {
            run.end = next;
        }
    }
    write_run(target, offset, bytes, &run, end)
}

fn write_run(target: &File, offset: u64, bytes: &[u8], run: &std::ops::Range<usize>, end: &mut u64) -> io::Result<()> {
    if run.is_empty() {
        return Ok(());
    }
    *end = offset + run.end as u64;
    target.write_all_at(&bytes[run.clone()], offset + run.start as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;

    fn copied(content: &[u8]) -> (Vec<u8>, u64) {
        let (mut source, mut target) = (tempfile::tempfile().expect("a file"), tempfile::tempfile().expect("a file"));
        source.write_all(content).expect("written");
        source.rewind().expect("the start");
        let Ok((length, hash)) = Copier::new().copy(&mut source, &mut target) else { panic!("a copy") };
        assert_eq!((length, hash), (content.len() as u64, blake3::hash(content)));
        let mut found = Vec::new();
        target.rewind().expect("the start");
        target.read_to_end(&mut found).expect("read");
        (found, target.metadata().expect("metadata").blocks())
    }

    #[test]
    fn contents_come_out_equal() {
        let zeros = |count: usize| vec![0; count];
        let ones = |count: usize| vec![1; count];
        for content in [
            vec![],
            zeros(1),
            zeros(BLOCK),
            ones(BUFFER),
            ones(BUFFER + 1),
            zeros(3 * BUFFER + 7),
            [zeros(BLOCK), ones(1)].concat(),
            [ones(BLOCK - 1), zeros(2 * BLOCK)].concat(),
            [ones(BLOCK), zeros(BUFFER), ones(3), zeros(BLOCK)].concat(),
            [zeros(BUFFER), ones(BUFFER), zeros(BUFFER)].concat(),
        ] {
            assert_eq!(copied(&content).0, content);
        }
    }

    #[test]
    fn holes_take_no_blocks() {
        let mut content = vec![0; 8 << 20];
        assert_eq!(copied(&content).1, 0);
        content[5 << 20] = 1;
        assert!(copied(&content).1 <= 16);
    }
}
