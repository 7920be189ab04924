//! Reads the canonical encoding back: exactly what [`crate::encode::Encoder`] writes, and nothing else.
//!
//! Rules: strict, so that one document has one encoding also when it is read: no other tag, no unknown field, no field out
//! of order, no default value that is written out, nothing behind the end. Total: any bytes give a document or an error,
//! and cost at most memory in proportion to their length. Must not know: what a document means.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::encode::{TAG_BYTES, TAG_FIELD, TAG_INTEGER, TAG_LIST};
use crate::{ErrorClass, FORMAT};

#[cfg(test)]
mod tests;

/// The fewest bytes a value takes: its tag, and its length or the number itself.
const SMALLEST_VALUE: usize = 1 + 8;

/// Bytes that are not the canonical encoding of the document that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the document is damaged at byte {offset}: expected {expected}")]
pub struct DecodeError {
    /// Where the first value begins that does not belong there, counted from the first byte.
    pub offset: usize,
    /// What should stand there.
    pub expected: String,
}

impl DecodeError {
    /// A field that begins at `offset` is written though it has its default value, which gives the document a second
    /// encoding.
    #[must_use]
    pub fn written_default(offset: usize) -> Self {
        Self { offset, expected: "no field that has its default value".to_owned() }
    }

    /// Whose fault it is: documents are read from disk and from other machines.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Environment
    }
}

/// Reads one document, value by value, in the order in which they were written.
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Decoder<'a> {
    /// Begins to read a document of the given domain.
    ///
    /// # Errors
    /// If the bytes are of another domain or another [`FORMAT`].
    pub fn new(bytes: &'a [u8], domain: &str) -> Result<Self, DecodeError> {
        let mut decoder = Self { bytes, offset: 0 };
        decoder.require(&format!("the domain `{domain}`"), |d| Some(d.bytes().ok()? == domain.as_bytes()))?;
        decoder.require(&format!("format {FORMAT}"), |d| Some(d.integer().ok()? == u64::from(FORMAT)))?;
        Ok(decoder)
    }

    /// Reads the name of the value that follows.
    ///
    /// # Errors
    /// If something else comes next.
    pub fn field(&mut self, name: &str) -> Result<&mut Self, DecodeError> {
        if self.optional_field(name) { Ok(self) } else { Err(self.expected(format!("the field `{name}`"))) }
    }

    /// Reads the name of the value that follows, if it is this one; otherwise nothing is read.
    pub fn optional_field(&mut self, name: &str) -> bool {
        let before = self.offset;
        let found = self.sized(TAG_FIELD).is_some_and(|found| found == name.as_bytes());
        if !found {
            self.offset = before;
        }
        found
    }

    /// Reads a byte string.
    ///
    /// # Errors
    /// If something else comes next.
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        self.value("a byte string", |d| d.sized(TAG_BYTES))
    }

    /// Reads a byte string of a known length.
    ///
    /// # Errors
    /// If something else comes next.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.value(&format!("{N} bytes"), |d| d.sized(TAG_BYTES)?.try_into().ok())
    }

    /// Reads text.
    ///
    /// # Errors
    /// If something else comes next, or bytes that are no UTF-8.
    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        self.value("text in UTF-8", |d| std::str::from_utf8(d.sized(TAG_BYTES)?).ok())
    }

    /// Reads text that stands for a value with exactly one spelling.
    ///
    /// # Errors
    /// If something else comes next, or text that is no such value or another spelling of it.
    pub fn parsed<T: FromStr + ToString>(&mut self, expected: &str) -> Result<T, DecodeError> {
        self.value(expected, |d| {
            let text = std::str::from_utf8(d.sized(TAG_BYTES)?).ok()?;
            text.parse().ok().filter(|value: &T| value.to_string() == text)
        })
    }

    /// Reads an unsigned number.
    ///
    /// # Errors
    /// If something else comes next.
    pub fn integer(&mut self) -> Result<u64, DecodeError> {
        self.value("a number", |d| d.number(TAG_INTEGER))
    }

    /// Reads an unsigned number that has at most 32 bits.
    ///
    /// # Errors
    /// If something else comes next, or a larger number.
    pub fn small_integer(&mut self) -> Result<u32, DecodeError> {
        self.value("a number below 2^32", |d| d.number(TAG_INTEGER)?.try_into().ok())
    }

    /// Reads a list, each item with `read`.
    ///
    /// # Errors
    /// If something else comes next, a list that promises more items than there are bytes, or an item that `read` refuses.
    pub fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.value("a list that fits into the document", |d| {
            let count = usize::try_from(d.number(TAG_LIST)?).ok()?;
            Some(count).filter(|&count| count <= (d.bytes.len() - d.offset) / SMALLEST_VALUE)
        })?;
        (0..count).map(|_| read(self)).collect()
    }

    /// Reads what [`crate::encode::Encoder::texts_field`] writes: a missing field is an empty list.
    ///
    /// # Errors
    /// If the field is there and its value is no list of texts, or an empty one.
    pub fn texts_field(&mut self, name: &str) -> Result<Vec<String>, DecodeError> {
        if self.optional_field(name) { self.filled_list(|d| d.text().map(str::to_owned)) } else { Ok(Vec::new()) }
    }

    /// Reads a list that would not have been written if it were empty.
    ///
    /// # Errors
    /// As [`Decoder::list`], and if the list is empty.
    pub fn filled_list<T>(
        &mut self,
        read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let before = self.offset;
        let items = self.list(read)?;
        if items.is_empty() { Err(DecodeError::written_default(before)) } else { Ok(items) }
    }

    /// Reads a list of texts.
    ///
    /// # Errors
    /// As [`Decoder::list`].
    pub fn texts(&mut self) -> Result<Vec<String>, DecodeError> {
        self.list(|d| d.text().map(str::to_owned))
    }

    /// Reads what [`crate::encode::Encoder::optional_text_field`] writes.
    ///
    /// # Errors
    /// If the field is there and its value is no text.
    pub fn optional_text_field(&mut self, name: &str) -> Result<Option<String>, DecodeError> {
        if self.optional_field(name) { self.text().map(|text| Some(text.to_owned())) } else { Ok(None) }
    }

    /// Reads what [`crate::encode::Encoder::text_map`] writes.
    ///
    /// # Errors
    /// If something else comes next, or names that are not in ascending order, each once.
    pub fn text_map(&mut self) -> Result<BTreeMap<String, String>, DecodeError> {
        let mut map: BTreeMap<String, String> = BTreeMap::new();
        self.list(|d| {
            let expected = "a name behind the one before it";
            let name = d.value(expected, |d| {
                let name = d.text().ok()?;
                Some(name).filter(|&name| map.last_key_value().is_none_or(|(last, _)| last.as_str() < name))
            })?;
            map.insert(name.to_owned(), d.text()?.to_owned());
            Ok(())
        })?;
        Ok(map)
    }

    /// Reads what [`crate::encode::Encoder::text_map_field`] writes: a missing field is an empty map.
    ///
    /// # Errors
    /// If the field is there and its value is no such map, or an empty one.
    pub fn text_map_field(&mut self, name: &str) -> Result<BTreeMap<String, String>, DecodeError> {
        if !self.optional_field(name) {
            return Ok(BTreeMap::new());
        }
        let before = self.offset;
        let map = self.text_map()?;
        if map.is_empty() { Err(DecodeError::written_default(before)) } else { Ok(map) }
    }

    /// Ends the document.
    ///
    /// # Errors
    /// If anything follows.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.offset == self.bytes.len() { Ok(()) } else { Err(self.expected("the end".to_owned())) }
    }

    /// Where the next value begins.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Runs `read`; what it does not accept is not read, and the error says that `expected` should stand there.
    ///
    /// # Errors
    /// If `read` gives nothing.
    pub fn value<T>(&mut self, expected: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Result<T, DecodeError> {
        let before = self.offset;
        read(self).ok_or_else(|| {
            self.offset = before;
            self.expected(expected.to_owned())
        })
    }

    fn require(&mut self, expected: &str, read: impl FnOnce(&mut Self) -> Option<bool>) -> Result<(), DecodeError> {
        self.value(expected, |d| read(d).filter(|&holds| holds)).map(|_| ())
    }

    fn expected(&self, expected: String) -> DecodeError {
        DecodeError { offset: self.offset, expected }
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.offset..self.offset.checked_add(length)?)?;
        self.offset += length;
        Some(taken)
    }

    fn number(&mut self, tag: u8) -> Option<u64> {
        let found = self.take(1)?;
        let number = self.take(8)?.try_into().ok()?;
        (found == [tag]).then_some(u64::from_le_bytes(number))
    }

    fn sized(&mut self, tag: u8) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number(tag)?).ok()?;
        self.take(length)
    }
}
