//! Lines of a lock: where one stands, and how its values are spelled.

use std::fmt::{Display, Write as _};

use toml::Spanned;

use super::LockError;
use crate::digest::BlobDigest;

/// A place in the text of a lock, for errors.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Place<'a> {
    pub(super) const fn at(text: &'a str, offset: usize) -> Self {
        Self { text, offset }
    }

    /// Where this value stands in the same text.
    pub(super) fn of<T>(self, value: &Spanned<T>) -> Self {
        Self { offset: value.span().start, ..self }
    }

    pub(super) fn broken(self, reason: &dyn Display) -> LockError {
        let before = self.text.as_bytes().get(..self.offset).unwrap_or(self.text.as_bytes());
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        LockError::Broken { line, reason: reason.to_string().trim_end().replace('\n', "; ") }
    }
}

pub(super) fn digest(hex: &str) -> Result<BlobDigest, String> {
    format!("sha256:{hex}")
        .parse()
        .map_err(|_| format!("`{}` is no sha256: expected 64 lower-case hexadecimal digits", hex.escape_debug()))
}

pub(super) fn hex(digest: &BlobDigest) -> String {
    quoted(&digest.hex())
}

/// A basic string (TOML 1.0, "String").
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            character if character.is_control() => push(&mut out, format_args!("\\u{:04X}", u32::from(character))),
            character => out.push(character),
        }
    }
    out.push('"');
    out
}

pub(super) fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}
