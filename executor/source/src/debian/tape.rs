//! Reads tar streams entry by entry: POSIX ustar, GNU long names, the PAX keys that name and size an entry
//! (POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual, "Basic Tar Format").
//!
//! Rules: bounded memory; what cannot be represented (sparse files) is refused, never guessed.
//! Must not know: packages, where entries go.

use std::io::Read;

const BLOCK: usize = 512;
/// No path of a package comes near this; PAX headers hold a few of them.
const MAX_LONG: u64 = 64 * 1024;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TapeKind {
    File,
    HardLink,
    Symlink,
    Directory,
    Fifo,
    Device,
}

/// The header of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TapeEntry {
    /// As it is written.
    pub(super) path: Vec<u8>,
    pub(super) kind: TapeKind,
    /// Where a link points, as it is written.
    pub(super) link: Vec<u8>,
    /// 12 bits.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Bytes of content that follow.
    pub(super) size: u64,
}

/// A tar stream.
pub(super) struct Tape<R> {
    source: R,
    /// Bytes of the current entry's content that are not read yet.
    left: u64,
    /// Bytes from the end of the content to the next block.
    padding: u64,
}

/// What long-name and PAX headers say about the entry that follows.
#[derive(Default)]
struct Extension {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
}

impl<R: Read> Tape<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, left: 0, padding: 0 }
    }

    /// The next entry; what is unread of the current one is skipped.
    ///
    /// # Errors
    /// A sentence that says what is malformed.
    pub(super) fn next_entry(&mut self) -> Result<Option<TapeEntry>, String> {
        let mut extension = Extension::default();
        loop {
            self.skip_rest()?;
            let Some(block) = self.header()? else { return Ok(None) };
            let size = number(&block[124..136])?;
            match block[156] {
                b'L' => extension.path = Some(self.long_text(size)?),
                b'K' => extension.link = Some(self.long_text(size)?),
                b'x' => self.pax(size, &mut extension)?,
                // Global headers say nothing that matters to one entry.
                b'g' => drop(self.long(size)?),
                kind => return self.entry(&block, kind, size, extension).map(Some),
            }
        }
    }

    /// Reads content of the current entry; 0 at its end.
    ///
    /// # Errors
    /// If the stream ends before the content does, or cannot be read.
    pub(super) fn read_content(&mut self, buffer: &mut [u8]) -> Result<usize, String> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        match self.source.read(&mut buffer[..wanted]) {
            Ok(0) => Err("its archive is cut short".to_owned()),
            Ok(count) => {
                self.left -= count as u64;
                Ok(count)
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => self.read_content(buffer),
            Err(error) => Err(format!("its archive cannot be decompressed ({error})")),
        }
    }

    fn entry(&mut self, block: &[u8; BLOCK], kind: u8, size: u64, extension: Extension) -> Result<TapeEntry, String> {
        let short_path = path_of(block);
        let path = extension.path.unwrap_or(short_path);
        let kind = match kind {
            b'0' | 0 | b'7' if path.ends_with(b"/") => TapeKind::Directory,
            b'0' | 0 | b'7' => TapeKind::File,
            b'1' => TapeKind::HardLink,
            b'2' => TapeKind::Symlink,
            b'3' | b'4' => TapeKind::Device,
            b'5' => TapeKind::Directory,
            b'6' => TapeKind::Fifo,
            b'S' => return Err("its archive has a sparse file, which is not supported".to_owned()),
            other => return Err(format!("its archive has an entry of unknown type {other}")),
        };
        let size = if kind == TapeKind::File { extension.size.unwrap_or(size) } else { 0 };
        self.expect_content(size);
        let id = |own: Option<u64>, field: &[u8]| {
            let value = own.map_or_else(|| number(field), Ok)?;
            u32::try_from(value).map_err(|_| "its archive has an entry of an owner without a valid number".to_owned())
        };
        Ok(TapeEntry {
            path,
            kind,
            link: extension.link.unwrap_or_else(|| text(&block[157..257])),
            mode: u32::try_from(number(&block[100..108])? & 0o7777).unwrap_or_default(),
            uid: id(extension.uid, &block[108..116])?,
            gid: id(extension.gid, &block[116..124])?,
            size,
        })
    }

    fn expect_content(&mut self, size: u64) {
        self.left = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    /// The next header block; `None` at the end of the archive: a block of zeros, or the end of the stream.
    fn header(&mut self) -> Result<Option<[u8; BLOCK]>, String> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.source.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err("its archive is cut short".to_owned()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("its archive cannot be decompressed ({error})")),
            }
        }
        if block.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        // The checksum counts its own field as spaces.
        let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
        let field: u64 = block[148..156].iter().map(|&byte| u64::from(byte)).sum();
        if number(&block[148..156])? != sum - field + 8 * u64::from(b' ') {
            return Err("its archive has a damaged header".to_owned());
        }
        Ok(Some(block))
    }

    fn skip_rest(&mut self) -> Result<(), String> {
        let mut rest = self.left.saturating_add(self.padding);
        let mut buffer = [0; 8 * BLOCK];
        (self.left, self.padding) = (0, 0);
        while rest > 0 {
            self.left = rest;
            rest -= self.read_content(&mut buffer)? as u64;
        }
        self.left = 0;
        Ok(())
    }

    fn long(&mut self, size: u64) -> Result<Vec<u8>, String> {
        if size > MAX_LONG {
            return Err("its archive has an extension header that is too long".to_owned());
        }
        self.expect_content(size);
        let mut bytes = Vec::new();
        let mut buffer = [0; BLOCK];
        loop {
            match self.read_content(&mut buffer)? {
                0 => return Ok(bytes),
                count => bytes.extend_from_slice(&buffer[..count]),
            }
        }
    }

    fn long_text(&mut self, size: u64) -> Result<Vec<u8>, String> {
        self.long(size).map(|bytes| text(&bytes))
    }

    /// Records `LENGTH KEY=VALUE\n`.
    fn pax(&mut self, size: u64, extension: &mut Extension) -> Result<(), String> {
        let fault = || "its archive has a malformed PAX header".to_owned();
        let bytes = self.long(size)?;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let space = rest.iter().position(|&byte| byte == b' ').ok_or_else(fault)?;
            let length = decimal(&rest[..space]).and_then(|length| usize::try_from(length).ok()).ok_or_else(fault)?;
            let record = rest.get(space + 1..length).and_then(|record| record.strip_suffix(b"\n")).ok_or_else(fault)?;
            let equals = record.iter().position(|&byte| byte == b'=').ok_or_else(fault)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            let value_number = || decimal(value).ok_or_else(fault).map(Some);
            match key {
                b"path" => extension.path = Some(value.to_vec()),
                b"linkpath" => extension.link = Some(value.to_vec()),
                b"size" => extension.size = value_number()?,
                b"uid" => extension.uid = value_number()?,
                b"gid" => extension.gid = value_number()?,
                _ if key.starts_with(b"GNU.sparse") => {
                    return Err("its archive has a sparse file, which is not supported".to_owned());
                }
                _ => {}
            }
            rest = &rest[length..];
        }
        Ok(())
    }
}

/// The prefix field counts for POSIX headers only: GNU's have other things in its place.
fn path_of(block: &[u8; BLOCK]) -> Vec<u8> {
    let name = text(&block[..100]);
    let prefix = text(&block[345..500]);
    if block[257..263] != *b"ustar\0" || prefix.is_empty() {
        return name;
    }
    [prefix, b"/".to_vec(), name].concat()
}

/// Up to the first NUL.
fn text(field: &[u8]) -> Vec<u8> {
    field.split(|&byte| byte == 0).next().unwrap_or_default().to_vec()
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Octal digits among spaces and NULs, or GNU's base 256 behind a set high bit.
fn number(field: &[u8]) -> Result<u64, String> {
    let fault = || "its archive has a malformed number in a header".to_owned();
    if let [first, rest @ ..] = field
        && first & 0x80 != 0
    {
        let start = u64::from(first & 0x7f);
        return rest.iter().try_fold(start, |value, &byte| {
            value.checked_mul(256).and_then(|value| value.checked_add(u64::from(byte))).ok_or_else(fault)
        });
    }
    let padding = |byte: &u8| *byte == b' ' || *byte == 0;
    let start = field.iter().position(|byte| !padding(byte)).unwrap_or(field.len());
    let digits = field[start..].split(padding).next().unwrap_or_default();
    digits.iter().try_fold(0_u64, |value, &byte| match byte {
        b'0'..=b'7' => {
            value.checked_mul(8).and_then(|value| value.checked_add(u64::from(byte - b'0'))).ok_or_else(fault)
        }
        _ => Err(fault()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(bytes: &[u8]) -> Result<Vec<(String, TapeKind, String, u64)>, String> {
        let mut tape = Tape::new(bytes);
        let mut entries = Vec::new();
        while let Some(entry) = tape.next_entry()? {
            let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            entries.push((shown(&entry.path), entry.kind, shown(&entry.link), entry.size));
        }
        Ok(entries)
    }

    fn built(build: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        build(&mut builder);
        builder.into_inner().expect("a tar in memory")
    }

    fn gnu(path: &str, kind: tar::EntryType, link: &str, content: &[u8], builder: &mut tar::Builder<Vec<u8>>) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o4755);
        header.set_uid(3);
        header.set_gid(4);
        if link.is_empty() {
            builder.append_data(&mut header, path, content).expect("an entry");
        } else {
            builder.append_link(&mut header, path, link).expect("an entry");
        }
    }

    #[test]
    fn entries_of_another_writer_are_read() {
        let long = format!("dir/{}/file", "x".repeat(300));
        let bytes = built(|builder| {
            gnu("dir/", tar::EntryType::Directory, "", b"", builder);
            gnu("dir/a", tar::EntryType::Regular, "", &[7; 1000], builder);
            gnu(&long, tar::EntryType::Regular, "", b"x", builder);
            gnu("dir/l", tar::EntryType::Symlink, &long, b"", builder);
            gnu("dir/h", tar::EntryType::Link, "dir/a", b"", builder);
        });
        let expected = [
            ("dir/", TapeKind::Directory, "", 0),
            ("dir/a", TapeKind::File, "", 1000),
            (&long, TapeKind::File, "", 1),
            ("dir/l", TapeKind::Symlink, &long, 0),
            ("dir/h", TapeKind::HardLink, "dir/a", 0),
        ];
        let expected: Vec<_> =
            expected.iter().map(|&(path, kind, link, size)| (path.to_owned(), kind, link.to_owned(), size)).collect();
        assert_eq!(read_all(&bytes), Ok(expected));
    }

    #[test]
    fn content_comes_whole() {
        let content: Vec<u8> = (0..5000_u32).map(|index| index.to_le_bytes()[0]).collect();
        let bytes = built(|builder| gnu("a", tar::EntryType::Regular, "", &content, builder));
        let mut tape = Tape::new(&bytes[..]);
        let entry = tape.next_entry().expect("readable").expect("an entry");
        assert_eq!((entry.mode, entry.uid, entry.gid), (0o4755, 3, 4));
        let (mut found, mut buffer) = (Vec::new(), [0; 700]);
        while let Ok(count @ 1..) = tape.read_content(&mut buffer) {
            found.extend_from_slice(&buffer[..count]);
        }
        assert!(found == content && tape.next_entry() == Ok(None));
    }

    #[test]
    fn pax_headers_name_and_size() {
        let bytes = built(|builder| {
            let records = [("path", &b"long/name"[..]), ("size", b"3"), ("mtime", b"1.5"), ("uid", b"7")];
            builder.append_pax_extensions(records).expect("an entry");
            gnu("short", tar::EntryType::Regular, "", b"abc", builder);
        });
        assert_eq!(read_all(&bytes), Ok(vec![("long/name".to_owned(), TapeKind::File, String::new(), 3)]));
    }

    #[test]
    fn hostile_streams_are_refused() {
        let whole = built(|builder| gnu("a", tar::EntryType::Regular, "", &[1; 600], builder));
        let with = |at: usize, byte: u8| {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            bytes
        };
        let sparse = built(|builder| gnu("a", tar::EntryType::GNUSparse, "", b"", builder));
        let pax = |records: &[(&str, &[u8])]| {
            built(|builder| {
                builder.append_pax_extensions(records.iter().copied()).expect("an entry");
                gnu("a", tar::EntryType::Regular, "", b"", builder);
            })
        };
        let huge_name = {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::GNULongName);
            header.set_size(1 << 40);
            header.set_cksum();
            header.as_bytes().to_vec()
        };
        for bytes in [
            whole[..700].to_vec(),
            whole[..100].to_vec(),
            with(0, b'b'),
            with(124, b'9'),
            sparse,
            pax(&[("GNU.sparse.major", b"1")]),
            pax(&[("size", b"-1")]),
            pax(&[("size", b"99999999999999999999999")]),
            huge_name,
        ] {
            assert!(read_all(&bytes).is_err(), "{:?}", read_all(&bytes));
        }
    }

    #[test]
    fn changed_bytes_never_panic() {
        let whole = built(|builder| {
            builder.append_pax_extensions([("path", &b"x/y"[..])]).expect("an entry");
            gnu(&"l/".repeat(120), tar::EntryType::Directory, "", b"", builder);
            gnu("a", tar::EntryType::Regular, "", &[1; 600], builder);
        });
        let mut state = 1_u64;
        for _ in 0..3000 {
            let mut bytes = whole.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = usize::try_from(state >> 33).unwrap_or(0) % bytes.len();
                bytes[at] = state.to_le_bytes()[7];
            }
            let _ = read_all(&bytes);
        }
    }
}
