//! What a script prints: each line as it comes, all of it in a file, the end of it in memory.
//!
//! Memory and disk stay bounded whatever a script prints, also if it never ends a line.

use std::fs::File;
use std::io;

use crate::work::capped_log::{CappedLog, FIRST, LAST};

/// How much of the end is kept for messages, in bytes.
const KEPT: usize = 256 * 1024;

/// A longer line is cut into pieces of this many bytes.
const LINE: usize = 16 * 1024;

/// Takes what a script prints.
pub(crate) struct Transcript<'a> {
    log: CappedLog,
    failed: Option<io::Error>,
    kept: Vec<u8>,
    line: Vec<u8>,
    on_line: &'a dyn Fn(String),
}

impl<'a> Transcript<'a> {
    /// Writes to `log`, an empty file that can be read too, and hands each line, without its newline and with invalid UTF-8 replaced, to `on_line`.
    pub(crate) fn new(log: File, on_line: &'a dyn Fn(String)) -> Self {
        Self { log: CappedLog::new(log, FIRST, LAST), failed: None, kept: vec![], line: vec![], on_line }
    }

    /// Takes the next bytes.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.failed = self.log.take(bytes).err();
        }
        self.kept.extend_from_slice(bytes);
        if self.kept.len() > 2 * KEPT {
            self.kept.drain(..self.kept.len() - KEPT);
        }
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.take_piece(piece);
        }
    }

    fn take_piece(&mut self, piece: &[u8]) {
        let (text, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
        self.line.extend_from_slice(text);
        if ends || self.line.len() >= LINE {
            self.flush();
        }
    }

    fn flush(&mut self) {
        (self.on_line)(String::from_utf8_lossy(&self.line).into_owned());
        self.line.clear();
    }

    /// Nothing more comes: gives the end of the output.
    ///
    /// # Errors
    /// If the file could not be written for another reason than a full disk.
    pub(crate) fn finish(mut self) -> io::Result<Vec<u8>> {
        if !self.line.is_empty() {
            self.flush();
        }
        let written = self.failed.map_or(Ok(()), Err).and_then(|()| self.log.finish());
        match written {
            // A full disk cuts the log and nothing else: whether the step failed of it, and which disk, is said with its
            // own failure, and a step that succeeded needs no log.
            Err(error) if !is_no_space(&error) => Err(error),
            _ => Ok(self.kept),
        }
    }
}

fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::{Read as _, Seek as _};

    use super::*;

    fn transcribe(chunks: &[&[u8]]) -> (Vec<String>, Vec<u8>, Vec<u8>) {
        let lines = RefCell::new(vec![]);
        let on_line = |line| lines.borrow_mut().push(line);
        let mut file = tempfile::tempfile().expect("a file");
        let mut transcript = Transcript::new(file.try_clone().expect("a second handle"), &on_line);
        chunks.iter().for_each(|chunk| transcript.take(chunk));
        let kept = transcript.finish().expect("a written file");
        let mut whole = vec![];
        file.rewind().and_then(|()| file.read_to_end(&mut whole)).expect("a readable file");
        (lines.into_inner(), kept, whole)
    }

    #[test]
    fn lines_are_told_across_chunks_and_at_the_end() {
        let (lines, kept, whole) = transcribe(&[b"one\ntw", b"o\n\nlast \xff"]);
        assert_eq!(lines, ["one", "two", "", "last \u{fffd}"]);
        assert_eq!((kept.as_slice(), whole.as_slice()), (&b"one\ntwo\n\nlast \xff"[..], &b"one\ntwo\n\nlast \xff"[..]));
    }

    #[test]
    fn endless_output_stays_bounded_in_memory() {
        let chunk = vec![b'x'; 64 * 1024];
        let chunks = vec![chunk.as_slice(); 40];
        let (lines, kept, whole) = transcribe(&chunks);
        assert!(kept.len() <= 2 * KEPT && kept.len() >= KEPT, "{}", kept.len());
        assert_eq!(whole.len(), 40 * 64 * 1024);
        assert!(lines.iter().all(|line| line.len() <= LINE + 64 * 1024), "a line is cut");
    }

    #[test]
    fn full_disk_cuts_the_log_alone() {
        let full = File::options().write(true).open("/dev/full").expect("a full device");
        let ignore = |_| {};
        let mut transcript = Transcript::new(full, &ignore);
        transcript.take(b"why it failed\n");
        assert_eq!(transcript.finish().expect("the end of the output"), b"why it failed\n");
    }
}
