//! Feeds a script to a shell one line at a time, so that it is known how far the shell had read when it ended.
//!
//! A shell reads a script as it runs it: it parses one complete command, runs it, and reads on. Out of a regular file it
//! reads many lines at once, so nobody can see where it is; `dash` has no `LINENO` either. Out of a pipe it gets what is
//! there. The pipe holds a single write (its ring has one slot), so the kernel calls it writable again exactly when the
//! shell has read the line; then the next one follows. What is left in the pipe at the end was not read.
//!
//! The named pipe stands at the script's path only until the shell has opened it. Before the first line is written, a
//! regular file with the whole script takes its place, for scripts that read themselves (`"$0"`).

use std::time::Duration;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::plan::SCRIPT_PATH;
use crate::raw;

/// Where the regular file waits until the shell has opened the pipe.
const WAITING_PATH: &std::ffi::CStr = c"/sinter/.script";

/// The most that is written at once: the smallest page any kernel has, which always fits an empty slot.
const CHUNK_BYTES: usize = 4096;

/// How often a wait for the shell looks whether the shell still lives.
pub(crate) const OPEN_POLL: Duration = Duration::from_millis(10);

/// Puts the script where the interpreter will look for it.
pub(crate) fn place_script(script: &[u8], feed: bool) -> Result<(), Errno> {
    let path = if feed { WAITING_PATH } else { SCRIPT_PATH };
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::from_raw_mode(0o755))?;
    let mut rest = script;
    while !rest.is_empty() {
        let written = rustix::io::write(&file, rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    if feed {
        rustix::fs::mknodat(CWD, SCRIPT_PATH, FileType::Fifo, Mode::from_raw_mode(0o644), 0)?;
    }
    Ok(())
}

/// The writing end of the pipe and how much has gone through it.
pub(crate) struct Feeder<'a> {
    script: &'a [u8],
    written: usize,
    pipe: Option<OwnedFd>,
    /// What was left unread when the pipe was closed.
    unread: u64,
}

impl<'a> Feeder<'a> {
    /// Waits until the shell has opened the pipe. `EINTR` means that a signal came first.
    pub(crate) fn open(script: &'a [u8]) -> Result<Self, Errno> {
        let pipe = rustix::fs::open(SCRIPT_PATH, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        rustix::fs::fcntl_setfl(&pipe, OFlags::NONBLOCK)?;
        raw::shrink_pipe(pipe.as_fd())?;
        rustix::fs::rename(WAITING_PATH, SCRIPT_PATH)?;
        Ok(Self { script, written: 0, pipe: Some(pipe), unread: 0 })
    }

    /// What to wait for until [`Self::advance`] can do something; `None` when all is done.
    pub(crate) fn pipe(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Called when the pipe is empty or has no reader: writes the next line, or closes the pipe.
    pub(crate) fn advance(&mut self, reader_gone: bool) {
        let chunk = next_chunk(self.script, self.written);
        let Some(pipe) = self.pipe.as_ref().filter(|_| !reader_gone && !chunk.is_empty()) else { return self.close() };
        match rustix::io::write(pipe, chunk) {
            Ok(count) => self.written += count,
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.close(),
        }
    }

    /// How many bytes of the script the shell has read.
    pub(crate) fn consumed(&self) -> u64 {
        let unread = self.pipe().map_or(self.unread, |pipe| raw::bytes_waiting(pipe).unwrap_or(0));
        (self.written as u64).saturating_sub(unread)
    }

    fn close(&mut self) {
        self.unread = self.pipe().map_or(self.unread, |pipe| raw::bytes_waiting(pipe).unwrap_or(0));
        self.pipe = None;
    }
}

/// The rest of the line at `from`, at most [`CHUNK_BYTES`] of it.
fn next_chunk(script: &[u8], from: usize) -> &[u8] {
    let rest = script.get(from..).unwrap_or_default();
    let rest = rest.get(..CHUNK_BYTES).unwrap_or(rest);
    let length = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |newline| newline + 1);
    rest.get(..length).unwrap_or(rest)
}

/// The line, counted from 1, that holds the last of the first `consumed` bytes; `None` if there is none.
pub(crate) fn line_of(script: &[u8], consumed: u64) -> Option<u32> {
    let consumed = usize::try_from(consumed).ok()?.min(script.len());
    let before_last = script.get(..consumed.checked_sub(1)?)?;
    u32::try_from(before_last.iter().filter(|&&byte| byte == b'\n').count() + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_lines_or_pages() {
        let long = [b"x".repeat(5000), b"\ny".to_vec()].concat();
        for (script, expected) in
            [(&b"a\nb\n\nc"[..], vec![2, 2, 1, 1]), (b"", vec![]), (b"\n", vec![1]), (&long, vec![4096, 905, 1])]
        {
            let (mut at, mut lengths) = (0, vec![]);
            while !next_chunk(script, at).is_empty() {
                lengths.push(next_chunk(script, at).len());
                at += next_chunk(script, at).len();
            }
            assert_eq!((lengths, at), (expected, script.len()));
        }
        assert!(next_chunk(b"a", 9).is_empty());
    }

    #[test]
    fn line_of_counts_the_byte_before() {
        let script = b"ab\n\ncd";
        for (consumed, line) in
            [(0, None), (1, Some(1)), (3, Some(1)), (4, Some(2)), (5, Some(3)), (6, Some(3)), (99, Some(3))]
        {
            assert_eq!(line_of(script, consumed), line, "{consumed}");
        }
        assert_eq!(line_of(b"", 1), None);
    }
}
