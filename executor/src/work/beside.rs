//! Reading something on a second thread while what was read is worked on.
//!
//! Decompressing is as slow as everything else that happens to a layer of somebody else. Rules: a few chunks are held, and
//! no more; bytes that were read come before the error that ended them; whoever stops reading stops the thread.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

const CHUNK: usize = 256 * 1024;
const CHUNKS_IN_FLIGHT: usize = 4;

/// Gives `take` what the reader that `open` makes gives; that reader lives on a thread of its own.
pub(crate) fn read_beside<'r, T>(
    open: impl FnOnce() -> io::Result<Box<dyn Read + 'r>> + Send,
    take: impl FnOnce(&mut dyn Read) -> T,
) -> T {
    let (full, filled) = sync_channel(CHUNKS_IN_FLIGHT);
    let (spent, empty) = sync_channel(CHUNKS_IN_FLIGHT + 2);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if let Err(error) = pump(open, &full, &empty) {
                // Nobody wants to know if nobody reads any more.
                let _ = full.send(Err(error));
            }
        });
        let mut beside = Beside { filled, spent, chunk: Chunk::default(), position: 0 };
        let taken = take(&mut beside);
        drop(beside);
        taken
    })
}

#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    length: usize,
}

/// Sends chunk after chunk, the last one empty.
fn pump<'r>(
    open: impl FnOnce() -> io::Result<Box<dyn Read + 'r>>,
    full: &SyncSender<io::Result<Chunk>>,
    empty: &Receiver<Vec<u8>>,
) -> io::Result<()> {
    let mut reader = open()?;
    loop {
        let mut bytes = empty.try_recv().unwrap_or_else(|_| vec![0; CHUNK]);
        let (length, ended) = fill(&mut reader, &mut bytes);
        let is_last = length == 0;
        if (!is_last || ended.is_ok()) && full.send(Ok(Chunk { bytes, length })).is_err() {
            return Ok(());
        }
        ended?;
        if is_last {
            return Ok(());
        }
    }
}

/// How many bytes there were up to the end of the buffer, of the input, or to an error.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> (usize, io::Result<()>) {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (filled, Err(error)),
        }
    }
    (filled, Ok(()))
}

struct Beside {
    filled: Receiver<io::Result<Chunk>>,
    spent: SyncSender<Vec<u8>>,
    chunk: Chunk,
    position: usize,
}

impl Read for Beside {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let is_at_end = !self.chunk.bytes.is_empty() && self.chunk.length == 0;
        if self.position == self.chunk.length && !is_at_end {
            let next = self.filled.recv().map_err(|_| io::Error::other("the reading thread ended early"))?;
            let spent = std::mem::replace(&mut self.chunk, next?);
            self.position = 0;
            if !spent.bytes.is_empty() {
                // A chunk nobody wants back is simply freed.
                let _ = self.spent.try_send(spent.bytes);
            }
        }
        let count = buffer.len().min(self.chunk.length - self.position);
        buffer[..count].copy_from_slice(&self.chunk.bytes[self.position..self.position + count]);
        self.position += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::{ThreadId, current};

    /// Gives bytes in odd pieces and then an end or an error.
    struct Source<'a> {
        left: usize,
        fails: bool,
        given: &'a AtomicUsize,
        thread: &'a Mutex<Option<ThreadId>>,
    }

    impl Read for Source<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            *self.thread.lock().expect("a lock") = Some(current().id());
            let count = self.left.min(buffer.len()).min(7001);
            if count == 0 && self.fails {
                return Err(io::Error::other("broken"));
            }
            let before = self.given.fetch_add(count, Ordering::SeqCst);
            buffer[..count].iter_mut().zip(before..).for_each(|(byte, at)| *byte = (at % 251) as u8);
            self.left -= count;
            Ok(count)
        }
    }

    #[test]
    fn bytes_come_from_another_thread() {
        for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 9 * CHUNK + 5] {
            for fails in [false, true] {
                let (given, thread, mut found) = (AtomicUsize::new(0), Mutex::new(None), Vec::new());
                let source = Source { left: size, fails, given: &given, thread: &thread };
                let result = read_beside(move || Ok(Box::new(source)), |reader| reader.read_to_end(&mut found));
                assert_eq!(result.is_err(), fails, "{size}");
                assert!(found.iter().enumerate().all(|(at, &byte)| byte == (at % 251) as u8), "{size}");
                assert_eq!(found.len(), size);
                assert_ne!(*thread.lock().expect("a lock"), Some(current().id()));
            }
        }
    }

    #[test]
    fn few_chunks_are_held() {
        let (given, thread) = (AtomicUsize::new(0), Mutex::new(None));
        let source = Source { left: usize::MAX, fails: false, given: &given, thread: &thread };
        read_beside(move || Ok(Box::new(source)), |reader| reader.read_exact(&mut [0; 3])).expect("three bytes");
        assert!(given.load(Ordering::SeqCst) <= (CHUNKS_IN_FLIGHT + 2) * CHUNK);
    }

    #[test]
    fn what_cannot_be_opened_cannot_be_read() {
        let error = read_beside(|| Err(io::Error::other("closed")), |reader| reader.read(&mut [0; 9]));
        assert_eq!(error.expect_err("an error").to_string(), "closed");
    }
}
