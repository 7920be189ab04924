//! What the first process of a sandbox is told when the job has come: a checked [`Job`] as bytes.
//!
//! The first process is made before the job is known, and may not allocate. So the orders are one piece of memory in
//! which every string is terminated already, and reading them only finds places in it.
//!
//! Format: fields one after the other, each a length of eight bytes and its bytes, filled up to eight; numbers are eight
//! bytes. Both ends are the same program, so it has no version.

use std::ffi::CStr;
use std::time::Duration;

use rustix::fd::BorrowedFd;
use rustix::io::Errno;

use crate::raw;

/// Everything that depends on the job.
pub(crate) struct Orders<'a> {
    /// Lower directories, topmost first, then the upper one, then the kernel's.
    pub(crate) directories: Strings<'a>,
    pub(crate) script: &'a [u8],
    /// Whether the script is fed line by line.
    pub(crate) feed: bool,
    /// Where the interpreter may be, in the order of PATH.
    pub(crate) candidates: Strings<'a>,
    pub(crate) arguments: Strings<'a>,
    pub(crate) environment: Strings<'a>,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Supplementary groups, as the kernel reads them.
    pub(crate) groups: &'a [u8],
    pub(crate) workdir: &'a CStr,
    pub(crate) timeout: Option<Duration>,
}

/// Terminated strings, one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Strings<'a>(&'a [u8]);

impl<'a> Iterator for Strings<'a> {
    type Item = &'a CStr;

    fn next(&mut self) -> Option<&'a CStr> {
        let string = CStr::from_bytes_until_nul(self.0).ok()?;
        self.0 = self.0.get(string.count_bytes() + 1..)?;
        Some(string)
    }
}

impl<'a> Orders<'a> {
    /// `None` if these are no orders.
    pub(crate) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let uid = u32::try_from(fields.number()?).ok()?;
        let gid = u32::try_from(fields.number()?).ok()?;
        let timeout = fields.number()?;
        Some(Self {
            uid,
            gid,
            timeout: (timeout != u64::MAX).then(|| Duration::from_micros(timeout)),
            feed: fields.number()? != 0,
            groups: fields.bytes()?,
            directories: Strings(fields.bytes()?),
            candidates: Strings(fields.bytes()?),
            arguments: Strings(fields.bytes()?),
            environment: Strings(fields.bytes()?),
            workdir: CStr::from_bytes_with_nul(fields.bytes()?).ok()?,
            script: fields.bytes()?,
        })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let timeout = self.timeout.map_or(u64::MAX, |timeout| u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX));
        let mut bytes = vec![];
        for number in [self.uid.into(), self.gid.into(), timeout, self.feed.into()] {
            bytes.extend(u64::to_ne_bytes(number));
        }
        let lists = [self.directories.0, self.candidates.0, self.arguments.0, self.environment.0];
        put(&mut bytes, self.groups);
        lists.into_iter().for_each(|list| put(&mut bytes, list));
        put(&mut bytes, self.workdir.to_bytes_with_nul());
        put(&mut bytes, self.script);
        bytes
    }

    /// Waits for orders on a pipe. `None`: whoever gives them is gone.
    pub(crate) fn receive(pipe: BorrowedFd<'_>) -> Result<Option<Orders<'static>>, Errno> {
        let mut length = [0; 8];
        if !read_whole(pipe, &mut length)? {
            return Ok(None);
        }
        let bytes = raw::memory(usize::try_from(u64::from_ne_bytes(length)).map_err(|_| Errno::NOMEM)?)?;
        if !read_whole(pipe, bytes)? {
            return Ok(None);
        }
        Orders::decode(bytes).map(Some).ok_or(Errno::BADMSG)
    }
}

/// The length and the bytes, as [`Orders::receive`] wants them.
pub(crate) fn framed(orders: &[u8]) -> Vec<u8> {
    [&(orders.len() as u64).to_ne_bytes(), orders].concat()
}

fn put(bytes: &mut Vec<u8>, field: &[u8]) {
    bytes.extend((field.len() as u64).to_ne_bytes());
    bytes.extend(field);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
}

/// `false`: the pipe ended before.
fn read_whole(pipe: BorrowedFd<'_>, mut into: &mut [u8]) -> Result<bool, Errno> {
    while !into.is_empty() {
        match rustix::io::read(pipe, &mut *into) {
            Ok(0) => return Ok(false),
            Ok(count) => into = into.get_mut(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(true)
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_ne_bytes(*number))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let field = self.0.get(..length)?;
        self.0 = self.0.get(length.checked_next_multiple_of(8)?..)?;
        Some(field)
    }
}

/// Several strings as one piece of memory, to be borrowed as [`Strings`].
#[derive(Debug, Default)]
pub(crate) struct StringList(Vec<u8>);

impl StringList {
    pub(crate) fn push(&mut self, string: &CStr) {
        self.0.extend(string.to_bytes_with_nul());
    }

    pub(crate) fn strings(&self) -> Strings<'_> {
        Strings(&self.0)
    }
}

impl Extend<std::ffi::CString> for StringList {
    fn extend<T: IntoIterator<Item = std::ffi::CString>>(&mut self, strings: T) {
        strings.into_iter().for_each(|string| self.push(&string));
    }
}

impl FromIterator<std::ffi::CString> for StringList {
    fn from_iter<T: IntoIterator<Item = std::ffi::CString>>(strings: T) -> Self {
        let mut list = Self::default();
        list.extend(strings);
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_survive_the_pipe() {
        let list: StringList = [c"/a".to_owned(), c"".to_owned(), c"b c".to_owned()].into_iter().collect();
        let orders = Orders {
            directories: list.strings(),
            script: b"true\n\0",
            feed: true,
            candidates: Strings(b""),
            arguments: list.strings(),
            environment: Strings(b"\0"),
            uid: 7,
            gid: 65_535,
            groups: &[1, 2, 3, 4],
            workdir: c"/w",
            timeout: None,
        };
        let bytes = orders.encode();
        let read = Orders::decode(&bytes).expect("orders");
        assert_eq!(read.encode(), bytes);
        assert_eq!(read.directories.collect::<Vec<_>>(), [c"/a", c"", c"b c"]);
        assert_eq!((read.candidates.count(), read.environment.count()), (0, 1));
        assert_eq!((read.uid, read.gid, read.groups, read.script), (7, 65_535, &[1, 2, 3, 4][..], &b"true\n\0"[..]));
        for length in 0..bytes.len() {
            let part = Orders::decode(bytes.get(..length).expect("a part"));
            assert!(part.is_none(), "{length}");
        }
    }
}
