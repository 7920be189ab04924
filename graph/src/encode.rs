//! The canonical encoding under every key: unambiguous bytes for BLAKE3.
//!
//! Each value is written with a one-byte tag, lengths are 64-bit little-endian, and a document starts with its domain
//! and [`crate::FORMAT`]. Fields are named; a field that has its default value is not written at all, so that a field
//! added later leaves the old keys alone. Two different sequences of calls give two different byte strings: tags and
//! lengths leave no room for a value to read as its neighbour. [`crate::decode::Decoder`] reads them back.
//!
//! Who writes a type takes it apart by name and without `..`, so that a field cannot be forgotten: what stays out is
//! bound to a name with an underscore, beside the reason.

use std::collections::BTreeMap;

use crate::FORMAT;

pub(crate) const TAG_FIELD: u8 = 1;
pub(crate) const TAG_BYTES: u8 = 2;
pub(crate) const TAG_INTEGER: u8 = 3;
pub(crate) const TAG_LIST: u8 = 4;

/// Writes one document in canonical form.
#[derive(Debug, Clone)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// Starts a document of the given domain, for instance `step`: documents of two domains never encode alike.
    #[must_use]
    pub fn new(domain: &str) -> Self {
        let mut encoder = Self { bytes: Vec::with_capacity(256) };
        encoder.bytes(domain.as_bytes()).integer(u64::from(FORMAT));
        encoder
    }

    /// Names the value that follows.
    pub fn field(&mut self, name: &str) -> &mut Self {
        self.bytes.push(TAG_FIELD);
        self.raw(name.as_bytes());
        self
    }

    /// Writes a byte string.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.bytes.push(TAG_BYTES);
        self.raw(value);
        self
    }

    /// Writes text as its UTF-8 bytes.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.bytes(value.as_bytes())
    }

    /// Writes an unsigned number.
    pub fn integer(&mut self, value: u64) -> &mut Self {
        self.bytes.push(TAG_INTEGER);
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// Writes how many items follow, then each item with `write`.
    pub fn list<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.bytes.push(TAG_LIST);
        self.bytes.extend_from_slice(&(items.len() as u64).to_le_bytes());
        for item in items {
            write(self, item);
        }
        self
    }

    /// Writes a list of texts.
    pub fn texts<T: AsRef<str>>(&mut self, items: &[T]) -> &mut Self {
        self.list(items.iter(), |encoder, item| {
            encoder.text(item.as_ref());
        })
    }

    /// Writes a named list of texts, or nothing if it is empty.
    pub fn texts_field<T: AsRef<str>>(&mut self, name: &str, items: &[T]) -> &mut Self {
        if !items.is_empty() {
            self.field(name).texts(items);
        }
        self
    }

    /// Writes a map of texts, in the order of its names.
    pub fn text_map(&mut self, map: &BTreeMap<String, String>) -> &mut Self {
        self.list(map.iter(), |encoder, (name, value)| {
            encoder.text(name).text(value);
        })
    }

    /// Writes a named map of texts, or nothing if it is empty.
    pub fn text_map_field(&mut self, name: &str, map: &BTreeMap<String, String>) -> &mut Self {
        if !map.is_empty() {
            self.field(name).text_map(map);
        }
        self
    }

    /// Writes a named text, or nothing if there is none.
    pub fn optional_text_field(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.field(name).text(value);
        }
        self
    }

    /// The encoded bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// BLAKE3 of the encoded bytes.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        *blake3::hash(&self.bytes).as_bytes()
    }

    fn raw(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(value);
    }
}

#[cfg(test)]
mod tests;
