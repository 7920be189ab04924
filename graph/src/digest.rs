//! Digests and keys, each a type of its own.
//!
//! SHA-256 names what leaves this machine (blobs, layers, images), because for an uncompressed layer the blob digest
//! and the diffID are then one number (OCI image-spec, "Layer DiffID"). BLAKE3 names what stays inside: file contents,
//! sets of files, keys.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

/// A text that is no digest of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a digest: expected {expected}")]
pub struct InvalidDigest {
    /// What was given.
    pub text: String,
    /// The form that is accepted.
    pub expected: &'static str,
}

fn parse_hex(hex: &str) -> Option<[u8; 32]> {
    let bytes = hex.as_bytes();
    if bytes.len() != 64 {
        return None;
    }
    let nibble = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut out = [0; 32];
    for (slot, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
        *slot = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(out)
}

fn write_hex(bytes: &[u8; 32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes 32 bytes that some hash function made.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The 64 lower-case hexadecimal digits, without a prefix: a file name.
            #[must_use]
            pub fn hex(&self) -> String {
                struct Hex<'a>(&'a [u8; 32]);
                impl fmt::Display for Hex<'_> {
                    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write_hex(self.0, f)
                    }
                }
                Hex(&self.0).to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidDigest;

            fn from_str(text: &str) -> Result<Self, InvalidDigest> {
                text.strip_prefix($prefix).and_then(parse_hex).map(Self).ok_or_else(|| InvalidDigest {
                    text: text.to_owned(),
                    expected: concat!($prefix, "<64 lower-case hexadecimal digits>"),
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

digest! {
    /// SHA-256 of a blob's bytes (a manifest, a configuration, a package).
    BlobDigest, "sha256:"
}
digest! {
    /// SHA-256 of a layer's canonical uncompressed tar: its blob digest and its diffID.
    LayerDigest, "sha256:"
}
digest! {
    /// BLAKE3 of one file's bytes.
    ContentHash, "blake3:"
}
digest! {
    /// BLAKE3 of a set of placed files: paths, modes, owners, times and contents.
    FilesDigest, "blake3:"
}
digest! {
    /// Names an ordered list of layers: see [`crate::stack`].
    StackDigest, "s1-"
}
digest! {
    /// BLAKE3 of the canonical encoding of a derivation's result.
    OutcomeDigest, "o1-"
}
digest! {
    /// BLAKE3 of the canonical encoding of what is remembered under a definition key.
    RecordDigest, "r1-"
}
digest! {
    /// Names a derivation by how it was defined: its own fields, the definition keys of what it is derived from, and
    /// the content of its pins and sources.
    DefinitionKey, "d1-"
}
digest! {
    /// Names a derivation by the content of everything it can see.
    ContentKey, "c1-"
}

impl BlobDigest {
    /// Hashes `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl OutcomeDigest {
    /// Hashes an encoded result.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl RecordDigest {
    /// Hashes an encoded record.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl ContentHash {
    /// Hashes `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl From<LayerDigest> for BlobDigest {
    fn from(layer: LayerDigest) -> Self {
        Self(layer.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_text_round_trips() {
        let digest = BlobDigest::of(b"");
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse(), Ok(digest));
    }

    #[test]
    fn malformed_digests_are_rejected() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for text in [
            "",
            "sha256:",
            hex,
            &format!("sha512:{hex}"),
            &format!("sha256:{}", hex.to_uppercase()),
            &format!("sha256:{hex}0"),
        ] {
            assert!(text.parse::<BlobDigest>().is_err(), "{text}");
        }
    }
}
