//! Paths in JSON: the bytes of a path need not be UTF-8, those of a JSON string do.
//!
//! Form: ASCII stands for itself but for `%`; every other byte, and `%`, is `%` and two hexadecimal digits.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A path as such a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathText(pub(crate) PathBuf);

impl Serialize for PathText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for PathText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer).map(Self)
    }
}

pub(crate) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&encode(path))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let text = String::deserialize(deserializer)?;
    decode(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is no path")))
}

/// The same for lists of paths.
pub(crate) mod list {
    use super::{PathBuf, PathText};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(paths.iter().cloned().map(PathText))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
        Ok(Vec::<PathText>::deserialize(deserializer)?.into_iter().map(|text| text.0).collect())
    }
}

fn encode(path: &Path) -> String {
    let mut text = String::new();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' | 0x80.. => text.push_str(&format!("%{byte:02x}")),
            ascii => text.push(char::from(ascii)),
        }
    }
    text
}

fn decode(text: &str) -> Option<PathBuf> {
    let (mut bytes, mut rest) = (vec![], text.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>()?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    Some(PathBuf::from(OsString::from_vec(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_survives_its_text() {
        for bytes in [&b""[..], b"/a b", b"/100%", b"/\xff\xfe/\x80", "/\u{e9}\u{1f600}".as_bytes(), b"/%41\n\""] {
            let path = PathBuf::from(OsString::from_vec(bytes.to_vec()));
            let json = serde_json::to_string(&PathText(path.clone())).expect("a text");
            assert_eq!(serde_json::from_str::<PathText>(&json).expect("a path").0, path, "{json}");
        }
        assert_eq!(encode(Path::new("/a%\u{e9}")), "/a%25%c3%a9");
    }

    #[test]
    fn requests_hold_any_path() {
        let path = PathBuf::from(OsString::from_vec(b"/\xff".to_vec()));
        let request = crate::runner::Request {
            builder: 1,
            lowers: vec![path.clone(), PathBuf::from("/a")],
            upper: path.clone(),
            work: path.clone(),
            script: String::new(),
            interpreter: vec![],
            env: std::collections::BTreeMap::new(),
            uid: 0,
            gid: 0,
            groups: vec![],
            workdir: path,
            timeout_seconds: None,
        };
        let json = serde_json::to_vec(&request).expect("a text");
        let read: crate::runner::Request = serde_json::from_slice(&json).expect("a request");
        assert_eq!(
            (read.lowers, read.upper, read.work, read.workdir),
            (request.lowers, request.upper, request.work, request.workdir)
        );
    }

    #[test]
    fn broken_texts_are_refused() {
        for text in ["%", "%4", "%zz", "/a%+1"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
