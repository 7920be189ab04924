//! Who says that a result belongs to a key: signatures of notes (Ed25519, RFC 8032).
//!
//! A key is text: `sinter-public:` or `sinter-secret:` and base64 of its 32 bytes. A signature is `ed25519`, the public key
//! and the signature, both in base64; it is made over the words `sinter-note` and the bytes of the note.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sinter_oci::Note;

const PUBLIC: &str = "sinter-public:";
const SECRET: &str = "sinter-secret:";
const DOMAIN: &[u8] = b"sinter-note\0";

/// A text that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no key: expected `{expected}` and 44 characters of base64")]
pub struct InvalidKey {
    expected: &'static str,
}

/// Whose notes are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

/// Who signs.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey([u8; 32]);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey")
    }
}

impl SecretKey {
    /// The key with these bytes, which are to be random.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key that belongs to it.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(SigningKey::from_bytes(&self.0).verifying_key().to_bytes())
    }

    /// The text of the key, which is to be kept secret.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{SECRET}{}", STANDARD.encode(self.0))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC}{}", STANDARD.encode(self.0))
    }
}

fn bytes_of(text: &str, expected: &'static str) -> Result<[u8; 32], InvalidKey> {
    let encoded = text.trim().strip_prefix(expected);
    let bytes = encoded.and_then(|encoded| STANDARD.decode(encoded).ok());
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(InvalidKey { expected })
}

impl FromStr for PublicKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        bytes_of(text, PUBLIC).map(Self)
    }
}

impl FromStr for SecretKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        bytes_of(text, SECRET).map(Self)
    }
}

/// The signature of a note.
pub(super) fn sign(key: &SecretKey, note: &[u8]) -> String {
    let signature = SigningKey::from_bytes(&key.0).sign(&[DOMAIN, note].concat());
    format!("ed25519 {} {}", STANDARD.encode(key.public().0), STANDARD.encode(signature.to_bytes()))
}

/// Whether one of these keys signed a note. Without keys everybody is trusted.
pub(super) fn is_trusted(trusted: &[PublicKey], note: &Note) -> bool {
    if trusted.is_empty() {
        return true;
    }
    let signed_by = || {
        let mut words = note.signature.as_deref()?.split(' ');
        let ("ed25519", key, signature, None) = (words.next()?, words.next()?, words.next()?, words.next()) else {
            return None;
        };
        let key: [u8; 32] = STANDARD.decode(key).ok()?.try_into().ok()?;
        let signature: [u8; 64] = STANDARD.decode(signature).ok()?.try_into().ok()?;
        let verifying = VerifyingKey::from_bytes(&key).ok()?;
        let message = [DOMAIN, &note.bytes].concat();
        verifying.verify_strict(&message, &Signature::from_bytes(&signature)).ok().map(|()| PublicKey(key))
    };
    signed_by().is_some_and(|key| trusted.contains(&key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_keys_sign() {
        let (mine, other) = (SecretKey::from_bytes([1; 32]), SecretKey::from_bytes([2; 32]));
        let note = |bytes: &[u8], signature: Option<String>| Note { bytes: bytes.to_vec(), signature };
        let signed = note(b"x", Some(sign(&mine, b"x")));
        for (trusted, note, expected) in [
            (vec![mine.public()], signed.clone(), true),
            (vec![other.public(), mine.public()], signed.clone(), true),
            (vec![other.public()], signed.clone(), false),
            (vec![mine.public()], note(b"y", signed.signature.clone()), false),
            (vec![mine.public()], note(b"x", None), false),
            (vec![mine.public()], note(b"x", Some("ed25519 a b".to_owned())), false),
            (vec![], note(b"x", None), true),
        ] {
            assert_eq!(is_trusted(&trusted, &note), expected, "{note:?}");
        }
    }

    #[test]
    fn keys_are_read_as_they_are_written() {
        let key = SecretKey::from_bytes([7; 32]);
        assert_eq!(key.text().parse(), Ok(key.clone()));
        assert_eq!(key.public().to_string().parse(), Ok(key.public()));
        assert!(key.text().parse::<PublicKey>().is_err() && "sinter-public:x".parse::<PublicKey>().is_err());
        assert!(!format!("{key:?}").contains("BwcH"));
    }
}
