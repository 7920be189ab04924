//! What the processes of a sandbox tell the caller, as messages of one fixed size on a pipe.
//!
//! Encoding neither allocates nor panics, because it runs in children of a process that may have threads. A message is
//! smaller than `PIPE_BUF`, so that writers never mix.

use rustix::fd::BorrowedFd;
use rustix::io::Errno;

use crate::stage::Stage;

/// Why a child gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) stage: Stage,
    pub(crate) errno: Errno,
    /// Which of several things the stage deals with, for instance the index of a directory.
    pub(crate) index: u64,
}

impl Failure {
    pub(crate) fn at(stage: Stage) -> impl Fn(Errno) -> Self + Copy {
        move |errno| Self { stage, errno, index: 0 }
    }
}

/// How the script ended, as the first process of the sandbox saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Finish {
    /// As `wait` gives it.
    pub(crate) status: i32,
    pub(crate) timed_out: bool,
    /// How many bytes of the script the shell had read; 0 if that was not watched.
    pub(crate) consumed: u64,
    pub(crate) max_rss_kib: u64,
    pub(crate) user_micros: u64,
    pub(crate) system_micros: u64,
    /// Monotonic clock in microseconds: namespaces ready, mounts ready, script ended.
    pub(crate) stamps: [u64; 3],
}

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
    Failed(Failure),
    Finished(Finish),
}

const WORDS: usize = 10;
/// Bytes of one message.
pub(crate) const SIZE: usize = WORDS * 8;
const FAILED: u64 = 1;
const FINISHED: u64 = 2;

impl Message {
    pub(crate) fn encode(&self) -> [u8; SIZE] {
        let words: [u64; WORDS] = match *self {
            Self::Failed(failure) => {
                let errno = failure.errno.raw_os_error() as u64;
                [FAILED, u64::from(failure.stage.number()), errno, failure.index, 0, 0, 0, 0, 0, 0]
            }
            Self::Finished(finish) => {
                let [ready, mounted, ended] = finish.stamps;
                let (status, late) = (finish.status as u64, u64::from(finish.timed_out));
                let times = (finish.user_micros, finish.system_micros);
                [FINISHED, status, late, finish.consumed, finish.max_rss_kib, times.0, times.1, ready, mounted, ended]
            }
        };
        let mut bytes = [0; SIZE];
        for (to, word) in bytes.chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; SIZE]) -> Option<Self> {
        let mut words = [0; WORDS];
        for (word, from) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(from.try_into().ok()?);
        }
        let [tag, a, b, c, d, e, f, ready, mounted, ended] = words;
        match tag {
            FAILED => {
                let stage = Stage::from_number(u8::try_from(a).ok()?)?;
                let errno = i32::try_from(b).ok().filter(|&errno| (1..4096).contains(&errno))?;
                Some(Self::Failed(Failure { stage, errno: Errno::from_raw_os_error(errno), index: c }))
            }
            FINISHED => Some(Self::Finished(Finish {
                status: a as i32,
                timed_out: b != 0,
                consumed: c,
                max_rss_kib: d,
                user_micros: e,
                system_micros: f,
                stamps: [ready, mounted, ended],
            })),
            _ => None,
        }
    }

    /// Writes the message; if nobody listens any more, nobody can be told.
    pub(crate) fn send(&self, to: BorrowedFd<'_>) {
        let _ = rustix::io::write(to, &self.encode());
    }
}

/// The monotonic clock in microseconds.
pub(crate) fn now_micros() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    (now.tv_sec as u64).saturating_mul(1_000_000).saturating_add(now.tv_nsec as u64 / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_the_pipe() {
        let failed = Message::Failed(Failure { stage: Stage::Interpreter, errno: Errno::NOENT, index: 7 });
        let finished = Message::Finished(Finish {
            status: -1,
            timed_out: true,
            consumed: 1,
            max_rss_kib: 2,
            user_micros: 3,
            system_micros: 4,
            stamps: [5, 6, 7],
        });
        for message in [failed, finished] {
            assert_eq!(Message::decode(&message.encode()), Some(message));
        }
    }

    #[test]
    fn nonsense_is_no_message() {
        assert_eq!(Message::decode(&[0; SIZE]), None);
        assert_eq!(Message::decode(&[255; SIZE]), None);
        let mut bad = Message::Failed(Failure { stage: Stage::Proc, errno: Errno::PERM, index: 0 }).encode();
        bad[8] = 200;
        assert_eq!(Message::decode(&bad), None);
    }
}
