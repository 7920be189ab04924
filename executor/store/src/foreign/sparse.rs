//! Sparse files as GNU tar writes them in extended headers (its manual, "PAX Format, Versions 0.0, 0.1 and 1.0").
//!
//! The content of such an entry is the pieces that are no holes, one behind the other; where they belong is told by records
//! named `GNU.sparse.`, or, in version 1.0, by decimal lines in front of the first piece. Must not know: trees, disks.

use std::io::{self, Read};

const BLOCK: usize = 512;
/// The most blocks of a map, which is held in memory.
const MOST_BLOCKS: usize = 4 << 11;

/// Begins the names of all records about sparse files.
pub(super) const PREFIX: &str = "GNU.sparse.";
const ODD: &str = "has an odd map of its holes";

/// What records say about a sparse file, as they come.
#[derive(Debug, Default)]
pub(super) struct Records {
    version: [Option<Vec<u8>>; 2],
    name: Option<Vec<u8>>,
    size: Option<u64>,
    count: Option<u64>,
    /// Offsets and lengths by turns.
    map: Vec<u64>,
}

/// A sparse file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sparse {
    /// Its name, where the one in the header is made up.
    pub(super) name: Option<Vec<u8>>,
    /// Its length with all holes.
    pub(super) size: u64,
    /// Offsets and lengths by turns; `None` if the content begins with them.
    map: Option<Vec<u64>>,
}

/// A run of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// Why there is no map.
#[derive(Debug)]
pub(super) enum MapError {
    Odd(&'static str),
    Read(io::Error),
}

impl Records {
    /// Takes one record; `key` is what follows [`PREFIX`].
    pub(super) fn take(&mut self, key: &str, value: &[u8]) -> Result<(), &'static str> {
        match key {
            "major" => self.version[0] = Some(value.to_vec()),
            "minor" => self.version[1] = Some(value.to_vec()),
            "name" => self.name = Some(value.to_vec()).filter(|name| !name.is_empty()),
            "size" | "realsize" => self.size = Some(number(value)?),
            "numblocks" => self.count = Some(number(value)?),
            "offset" if self.map.len().is_multiple_of(2) => self.map.push(number(value)?),
            "numbytes" if !self.map.len().is_multiple_of(2) => self.map.push(number(value)?),
            "map" => {
                let numbers = value.split(|&byte| byte == b',').filter(|_| !value.is_empty());
                self.map = numbers.map(number).collect::<Result<_, _>>()?;
            }
            _ => return Err(ODD),
        }
        Ok(())
    }

    /// What they come to; `None` if there were none.
    pub(super) fn sparse(self) -> Result<Option<Sparse>, &'static str> {
        let Self { version, name, size, count, map } = self;
        let map = match [version[0].as_deref(), version[1].as_deref()] {
            [None, None] if name.is_none() && size.is_none() && count.is_none() && map.is_empty() => return Ok(None),
            [Some(b"1"), Some(b"0")] => None,
            [None, None] | [Some(b"0"), Some(b"0" | b"1")] => Some(map),
            _ => return Err("is a sparse file in a form of GNU tar that nobody knows"),
        };
        if let (Some(map), Some(count)) = (&map, count)
            && map.len() as u64 != count.saturating_mul(2)
        {
            return Err(ODD);
        }
        Ok(Some(Sparse { name, size: size.ok_or(ODD)?, map }))
    }
}

impl Sparse {
    /// The pieces, in order and apart. Takes the map from `content` if it is there.
    pub(super) fn pieces(self, content: &mut dyn Read) -> Result<Vec<Piece>, MapError> {
        let map = self.map.map_or_else(|| Numbers::new(content).map(), Ok)?;
        let mut end = 0;
        let piece = |pair: &[u64]| {
            let &[offset, length] = pair else { return Err(MapError::Odd(ODD)) };
            let next = offset.checked_add(length).filter(|&next| offset >= end && next <= self.size);
            end = next.ok_or(MapError::Odd(ODD))?;
            Ok(Piece { offset, length })
        };
        map.chunks(2).map(piece).collect()
    }
}

fn number(text: &[u8]) -> Result<u64, &'static str> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(ODD)
}

/// Decimal lines in whole blocks.
struct Numbers<'a> {
    content: &'a mut dyn Read,
    block: [u8; BLOCK],
    position: usize,
    blocks: usize,
}

impl<'a> Numbers<'a> {
    fn new(content: &'a mut dyn Read) -> Self {
        Self { content, block: [0; BLOCK], position: BLOCK, blocks: 0 }
    }

    fn map(mut self) -> Result<Vec<u64>, MapError> {
        let count = self.next()?.checked_mul(2).ok_or(MapError::Odd(ODD))?;
        (0..count).map(|_| self.next()).collect()
    }

    fn next(&mut self) -> Result<u64, MapError> {
        let mut number: Option<u64> = None;
        loop {
            match (self.byte()?, number) {
                (b'\n', Some(number)) => return Ok(number),
                (digit @ b'0'..=b'9', before) => {
                    let tens = before.unwrap_or(0).checked_mul(10);
                    let next = tens.and_then(|tens| tens.checked_add(u64::from(digit - b'0')));
                    number = Some(next.ok_or(MapError::Odd(ODD))?);
                }
                _ => return Err(MapError::Odd(ODD)),
            }
        }
    }

    fn byte(&mut self) -> Result<u8, MapError> {
        if self.position == BLOCK {
            self.blocks += 1;
            if self.blocks > MOST_BLOCKS {
                return Err(MapError::Odd("has more holes than any honest file"));
            }
            self.content.read_exact(&mut self.block).map_err(MapError::Read)?;
            self.position = 0;
        }
        self.position += 1;
        Ok(self.block[self.position - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(records: &str, content: &str) -> Result<Option<Vec<(u64, u64)>>, String> {
        let mut all = Records::default();
        for record in records.split(' ').filter(|record| !record.is_empty()) {
            let (key, value) = record.split_once('=').expect("a record");
            all.take(key, value.as_bytes())?;
        }
        let Some(sparse) = all.sparse()? else { return Ok(None) };
        let mut content = content.as_bytes().to_vec();
        content.resize(BLOCK, 0);
        let found = sparse.pieces(&mut &content[..]);
        let found = found.map_err(|error| if let MapError::Odd(reason) = error { reason } else { "unreadable" })?;
        Ok(Some(found.into_iter().map(|piece| (piece.offset, piece.length)).collect()))
    }

    #[test]
    fn maps_are_read_or_refused() {
        for (records, content, expected) in [
            ("", "", Ok(None)),
            ("size=9 numblocks=2 offset=0 numbytes=1 offset=5 numbytes=4", "", Ok(Some(vec![(0, 1), (5, 4)]))),
            ("size=9 numblocks=2 name=x map=0,1,5,4", "", Ok(Some(vec![(0, 1), (5, 4)]))),
            ("size=9 numblocks=0", "", Ok(Some(vec![]))),
            ("major=1 minor=0 name=x realsize=9", "2\n0\n1\n9\n0\n", Ok(Some(vec![(0, 1), (9, 0)]))),
            ("major=2 minor=0 name=x realsize=9", "0\n", Err("nobody knows")),
            ("name=x map=0,1", "", Err("odd map")),
            ("size=9 map=0,1,2", "", Err("odd map")),
            ("size=9 numblocks=2 map=0,1", "", Err("odd map")),
            ("size=9 map=5,1,0,1", "", Err("odd map")),
            ("size=9 map=5,5", "", Err("odd map")),
            ("size=9 map=1,18446744073709551615", "", Err("odd map")),
            ("size=9 map=x", "", Err("odd map")),
            ("size=9 numbytes=1", "", Err("odd map")),
            ("size=9 offset=1 offset=2", "", Err("odd map")),
            ("major=1 minor=0 realsize=9", "x\n", Err("odd map")),
            ("major=1 minor=0 realsize=9", "\n", Err("odd map")),
            ("major=1 minor=0 realsize=9", "99999999999999999999\n", Err("odd map")),
            ("major=1 minor=0 realsize=9", "99999999999\n0\n", Err("odd map")),
        ] {
            match (pieces(records, content), expected) {
                (Err(found), Err(reason)) => assert!(found.contains(reason), "{records}: {found}"),
                (found, expected) => assert_eq!(found, expected.map_err(str::to_owned), "{records}"),
            }
        }
    }
}
