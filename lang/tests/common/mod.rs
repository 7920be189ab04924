//! What the tests of the syntax share: the files of the suite and a seeded stream of numbers.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

use sinter_lang::source::FileId;
use sinter_lang::{Dialect, Parse};
use std::path::PathBuf;

/// Where the syntax cases of the suite are.
pub fn suite() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/suite/syntax")
}

/// The names and texts of all files of the suite that are right.
pub fn files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(suite()).expect("the suite is part of the checkout") {
        let path = entry.expect("the suite can be listed").path();
        if path.extension().is_some_and(|extension| extension == "build") {
            let name = path.file_name().expect("it has an extension").to_string_lossy().into_owned();
            files.push((name, std::fs::read_to_string(&path).expect("the suite can be read")));
        }
    }
    files.sort();
    files
}

/// Parses a user's file.
pub fn parse(text: &str) -> Parse {
    sinter_lang::parse(text, FileId(0), Dialect::User)
}

/// The number of rounds of a long test: a small one, or what `SINTER_SOAK` says.
pub fn rounds(small: u64) -> u64 {
    std::env::var("SINTER_SOAK").ok().and_then(|value| value.parse().ok()).unwrap_or(small)
}

/// A small generator of numbers (xorshift), the same for each seed everywhere.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number below `limit`; 0 if there is none.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits fit").checked_rem(limit).unwrap_or(0)
    }
}
