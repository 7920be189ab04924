//! Hashing bytes on a second thread while they are produced and passed on.
//!
//! SHA-256 is the slowest thing that happens to a layer (1.8 GB/s); beside it, reading and writing are free.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use sha2::{Digest, Sha256};

const CHUNK: usize = 512 * 1024;
const CHUNKS_IN_FLIGHT: usize = 4;
/// Below this many bytes a second thread costs more than it saves.
const THREAD_WORTHWHILE: u64 = 1024 * 1024;

/// Passes what `produce` writes on to `out`, and gives its SHA-256 and length besides the result. `expected` bytes
/// decide whether a second thread is used.
pub(crate) fn hash_through<T, E>(
    out: &mut dyn Write,
    expected: u64,
    produce: impl FnOnce(&mut dyn Write) -> Result<T, E>,
) -> Result<(T, [u8; 32], u64), E>
where
    E: From<io::Error>,
{
    if expected < THREAD_WORTHWHILE { hash_inline(out, produce) } else { hash_beside(out, produce) }
}

fn hash_inline<T, E: From<io::Error>>(
    out: &mut dyn Write,
    produce: impl FnOnce(&mut dyn Write) -> Result<T, E>,
) -> Result<(T, [u8; 32], u64), E> {
    let mut inline = Inline { out, hasher: Sha256::new(), length: 0 };
    let value = produce(&mut inline)?;
    Ok((value, inline.hasher.finalize().into(), inline.length))
}

struct Inline<'a> {
    out: &'a mut dyn Write,
    hasher: Sha256,
    length: u64,
}

impl Write for Inline<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write_all(bytes)?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn hash_beside<T, E: From<io::Error>>(
    out: &mut dyn Write,
    produce: impl FnOnce(&mut dyn Write) -> Result<T, E>,
) -> Result<(T, [u8; 32], u64), E> {
    let (full, to_hash) = sync_channel(CHUNKS_IN_FLIGHT);
    let (hashed, empty) = sync_channel(CHUNKS_IN_FLIGHT + 2);
    std::thread::scope(|scope| {
        let hasher = scope.spawn(move || hash_chunks(&to_hash, &hashed));
        let mut beside = Beside { out, chunk: Vec::with_capacity(CHUNK), full, empty, length: 0 };
        let value = produce(&mut beside)?;
        beside.send()?;
        let length = beside.length;
        drop(beside);
        let digest = hasher.join().map_err(|_| hasher_gone())?;
        Ok((value, digest, length))
    })
}

fn hash_chunks(to_hash: &Receiver<Vec<u8>>, hashed: &SyncSender<Vec<u8>>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for mut chunk in to_hash {
        hasher.update(&chunk);
        chunk.clear();
        // A chunk nobody wants back is simply freed.
        let _ = hashed.try_send(chunk);
    }
    hasher.finalize().into()
}

struct Beside<'a> {
    out: &'a mut dyn Write,
    chunk: Vec<u8>,
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    length: u64,
}

impl Beside<'_> {
    fn send(&mut self) -> io::Result<()> {
        self.out.write_all(&self.chunk)?;
        let next = self.empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(CHUNK));
        let chunk = std::mem::replace(&mut self.chunk, next);
        self.length += chunk.len() as u64;
        self.full.send(chunk).map_err(|_| hasher_gone())
    }
}

impl Write for Beside<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunk.len() + bytes.len() > CHUNK && !self.chunk.is_empty() {
            self.send()?;
        }
        self.chunk.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn hasher_gone() -> io::Error {
    io::Error::other("the hashing thread ended early")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(expected: u64, pieces: &[Vec<u8>]) -> (Vec<u8>, [u8; 32], u64) {
        let mut out = Vec::new();
        let produce = |writer: &mut dyn Write| pieces.iter().try_for_each(|piece| writer.write_all(piece));
        let ((), digest, length) = hash_through::<(), io::Error>(&mut out, expected, produce).expect("a digest");
        (out, digest, length)
    }

    #[test]
    fn both_ways_give_one_digest() {
        for sizes in [vec![], vec![0], vec![1, CHUNK, 7], vec![3 * CHUNK, 1], vec![1000; 3000]] {
            let pieces: Vec<Vec<u8>> = sizes.iter().enumerate().map(|(i, &size)| vec![(i % 251) as u8; size]).collect();
            let whole = pieces.concat();
            let digest: [u8; 32] = Sha256::digest(&whole).into();
            for expected in [0, u64::MAX] {
                assert_eq!(run(expected, &pieces), (whole.clone(), digest, whole.len() as u64));
            }
        }
    }

    #[test]
    fn failing_receivers_end_the_run() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for expected in [0, u64::MAX] {
            let result =
                hash_through::<(), io::Error>(&mut Broken, expected, |writer| writer.write_all(&vec![0; 4 * CHUNK]));
            assert_eq!(result.expect_err("a failure").kind(), io::ErrorKind::BrokenPipe);
        }
    }
}
