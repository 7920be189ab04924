//! A log that cannot fill the disk: its first and its last part are kept, and what lay between is counted.
//!
//! While it grows, what follows the first part goes round in a ring behind it, in the same file. At the end the ring is put
//! in order, with one line before it that says how much is missing.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// How much of the beginning is kept, in bytes.
pub(crate) const FIRST: u64 = 16 * 1024 * 1024;

/// How much of the end is kept, in bytes; it is held in memory once, when the log ends.
pub(crate) const LAST: u64 = 16 * 1024 * 1024;

/// A log while it is written.
pub(crate) struct CappedLog {
    file: File,
    first: u64,
    last: u64,
    /// How many bytes came.
    taken: u64,
}

impl CappedLog {
    /// Writes to an empty file that can be read too, and keeps `first` and `last` bytes.
    pub(crate) fn new(file: File, first: u64, last: u64) -> Self {
        Self { file, first, last, taken: 0 }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (position, room) = self.place();
            let fitting = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
            self.file.write_all_at(&bytes[..fitting], position)?;
            self.taken += fitting as u64;
            bytes = &bytes[fitting..];
        }
        Ok(())
    }

    /// Where the next byte goes, and how many may follow it there.
    fn place(&self) -> (u64, u64) {
        match self.taken.checked_sub(self.first) {
            None => (self.taken, self.first - self.taken),
            Some(behind) => (self.first + behind % self.last, self.last - behind % self.last),
        }
    }

    /// Nothing more comes: the ring is put in order.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub(crate) fn finish(self) -> io::Result<()> {
        let Some(left_out) = self.taken.checked_sub(self.first + self.last).filter(|&bytes| bytes > 0) else {
            return Ok(());
        };
        let mut ring = vec![0; usize::try_from(self.last).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut ring, self.first)?;
        let oldest = usize::try_from((self.taken - self.first) % self.last).map_err(io::Error::other)?;
        ring.rotate_left(oldest);
        let note = format!("\n... {left_out} bytes left out ...\n");
        self.file.write_all_at(note.as_bytes(), self.first)?;
        self.file.write_all_at(&ring, self.first + note.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _};

    use super::*;

    /// The log of these bytes with room for four at each end, and how large it was meanwhile.
    fn logged(bytes: &[u8], chunk: usize) -> (String, u64) {
        let mut file = tempfile::tempfile().expect("a file");
        let mut log = CappedLog::new(file.try_clone().expect("a second handle"), 4, 4);
        let mut largest = 0;
        for chunk in bytes.chunks(chunk) {
            log.take(chunk).expect("a written file");
            largest = largest.max(file.metadata().expect("a size").len());
        }
        log.finish().expect("a written file");
        let mut text = String::new();
        file.rewind().and_then(|()| file.read_to_string(&mut text)).expect("a readable file");
        (text, largest)
    }

    #[test]
    fn first_and_last_part_stay_and_the_rest_is_counted() {
        for (bytes, expected) in [
            ("", ""),
            ("abc", "abc"),
            ("abcdefgh", "abcdefgh"),
            ("abcdefghi", "abcd\n... 1 bytes left out ...\nfghi"),
            ("abcdefghijkl", "abcd\n... 4 bytes left out ...\nijkl"),
            ("abcdefghijklmnopqrst", "abcd\n... 12 bytes left out ...\nqrst"),
        ] {
            for chunk in [1, 3, 5, 100] {
                let (text, largest) = logged(bytes.as_bytes(), chunk);
                assert_eq!(text, expected, "{bytes} by {chunk}");
                assert!(largest <= 8, "{largest} bytes on disk");
            }
        }
    }
}
