//! The outer format of a `.deb` file: a common `ar` archive with three members (deb(5)).
//!
//! Rules: every offset is checked against the length of the file.
//! Must not know: what is in the members.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

const MAGIC: &[u8; 8] = b"!<arch>\n";
const HEADER_LENGTH: usize = 60;
/// deb(5) knows three members and allows some more; more than this is no package.
const MAX_MEMBERS: usize = 32;

/// One member: its name and where its bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) offset: u64,
    pub(super) size: u64,
}

/// The members of an archive.
///
/// # Errors
/// A sentence, if it is no archive or is cut short.
pub(super) fn members(file: &mut (impl Read + Seek)) -> Result<Vec<Member>, String> {
    let unreadable = |error: std::io::Error| format!("it cannot be read ({error})");
    let length = file.seek(SeekFrom::End(0)).map_err(unreadable)?;
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let mut magic = [0; MAGIC.len()];
    if file.read_exact(&mut magic).is_err() || magic != *MAGIC {
        return Err("it is not a Debian package file".to_owned());
    }
    let mut members = Vec::new();
    let mut position = MAGIC.len() as u64;
    while position < length {
        file.seek(SeekFrom::Start(position)).map_err(unreadable)?;
        let mut header = [0; HEADER_LENGTH];
        file.read_exact(&mut header).map_err(|_| "it is cut short".to_owned())?;
        let member = member(&header, position + HEADER_LENGTH as u64)?;
        let end = member.offset.checked_add(member.size).filter(|&end| end <= length).ok_or("it is cut short")?;
        if members.len() == MAX_MEMBERS {
            return Err("it has too many members".to_owned());
        }
        members.push(member);
        // Members start at even offsets.
        position = end + end % 2;
    }
    Ok(members)
}

fn member(header: &[u8; HEADER_LENGTH], offset: u64) -> Result<Member, String> {
    let fault = || "it has a malformed member header".to_owned();
    if header[58..] != *b"`\n" {
        return Err(fault());
    }
    let text =
        |range: std::ops::Range<usize>| std::str::from_utf8(&header[range]).map(str::trim_end).map_err(|_| fault());
    let name = text(0..16)?;
    let size = text(48..58)?;
    if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(fault());
    }
    let name = name.strip_suffix('/').unwrap_or(name).to_owned();
    Ok(Member { name, offset, size: size.parse().map_err(|_| fault())? })
}

/// The control and data members of a package, in this order.
///
/// # Errors
/// A sentence, if they are not there in the order deb(5) prescribes, or the format is of another major version.
pub(super) fn control_and_data(file: &mut File) -> Result<(Member, Member), String> {
    let mut members = members(file)?.into_iter().filter(|member| !member.name.starts_with('_'));
    let version = members.next().filter(|member| member.name == "debian-binary" && member.size <= 64);
    let version = version.ok_or("its first member is not `debian-binary`")?;
    let mut text = String::new();
    file.seek(SeekFrom::Start(version.offset)).map_err(|error| error.to_string())?;
    let read = file.by_ref().take(version.size).read_to_string(&mut text);
    if read.is_err() || !text.starts_with("2.") {
        return Err("its format is not version 2".to_owned());
    }
    let control = members.next().filter(|member| member.name.starts_with("control.tar"));
    let data = members.next().filter(|member| member.name.starts_with("data.tar"));
    control.zip(data).ok_or_else(|| "it has no `control.tar` followed by `data.tar`".to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn header(name: &str, size: &str) -> Vec<u8> {
        format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644).into_bytes()
    }

    fn archive(parts: &[Vec<u8>]) -> Vec<u8> {
        [MAGIC.to_vec(), parts.concat()].concat()
    }

    #[test]
    fn members_are_found_at_even_offsets() {
        let bytes =
            archive(&[header("a/", "3"), b"abc\n".to_vec(), header("b", "0"), header("c", "2"), b"xy".to_vec()]);
        let found = members(&mut Cursor::new(bytes)).expect("an archive");
        let shown: Vec<(&str, u64, u64)> = found.iter().map(|m| (m.name.as_str(), m.offset, m.size)).collect();
        assert_eq!(shown, [("a", 68, 3), ("b", 132, 0), ("c", 192, 2)]);
    }

    #[test]
    fn hostile_archives_are_refused() {
        let cases = [
            vec![],
            b"!<arch>".to_vec(),
            b"!<thin>\n".to_vec(),
            archive(&[b"short".to_vec()]),
            archive(&[header("a", "4"), b"abc".to_vec()]),
            archive(&[header("a", "9999999999")]),
            archive(&[header("a", "-1")]),
            archive(&[header("a", "0x1")]),
            archive(&[header("a", "")]),
            archive(&[vec![b'x'; HEADER_LENGTH]]),
            archive(&vec![header("a", "0"); MAX_MEMBERS + 1]),
        ];
        for bytes in cases {
            assert!(members(&mut Cursor::new(bytes.clone())).is_err(), "{}", String::from_utf8_lossy(&bytes));
        }
    }
}
