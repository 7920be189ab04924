//! Checks clear-signed messages (RFC 9580, 7) against a keyring.
//!
//! Rules: one good signature by a primary key or signing subkey of the keyring is enough; a key that is revoked or
//! expired, a binding that does not hold and weak hashes count for nothing. Only the signed text is handed out: what
//! stands around it in the file is never looked at.
//! Must not know: what the text says, where the keys come from.

use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, Tag, VerifyingKey};

/// How far the clock of the signer may be ahead of ours, in seconds.
const CLOCK_TOLERANCE: i64 = 86_400;

/// The certificates of a keyring.
pub(super) struct Keys(Vec<SignedPublicKey>);

impl Keys {
    /// Reads a keyring, armored or binary. Keys of unknown kinds are skipped.
    ///
    /// # Errors
    /// A sentence, if there is no usable key.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let is_armored = bytes.trim_ascii_start().starts_with(b"-----BEGIN");
        let keys: Vec<SignedPublicKey> = if is_armored {
            let (keys, _) = SignedPublicKey::from_armor_many(bytes).map_err(|error| error.to_string())?;
            keys.filter_map(Result::ok).collect()
        } else {
            SignedPublicKey::from_bytes_many(bytes).map_err(|error| error.to_string())?.filter_map(Result::ok).collect()
        };
        if keys.is_empty() { Err("it holds no OpenPGP key".to_owned()) } else { Ok(Self(keys)) }
    }

    /// Joins two keyrings.
    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// The signed text of a message, lines ended by LF.
///
/// # Errors
/// A sentence that says why no signature counts at the time `now` (seconds since 1970).
pub(super) fn verified_text(message: &str, keys: &Keys, now: i64) -> Result<String, String> {
    let (message, _) = CleartextSignedMessage::from_string(message)
        .map_err(|error| format!("it is not a clear-signed message ({error})"))?;
    let text = message.signed_text();
    let mut reasons: Vec<String> = Vec::new();
    for signature in message.signatures() {
        match check(signature, text.as_bytes(), keys, now) {
            Ok(()) => return Ok(text.replace("\r\n", "\n")),
            Err(reason) => reasons.push(reason),
        }
    }
    reasons.sort();
    reasons.dedup();
    Err(if reasons.is_empty() { "it has no signature".to_owned() } else { reasons.join("; ") })
}

fn check(signature: &Signature, text: &[u8], keys: &Keys, now: i64) -> Result<(), String> {
    check_form(signature, now)?;
    let signer = signer_name(signature);
    let mut refusal = None;
    for certificate in &keys.0 {
        for key in signing_keys(certificate) {
            if key.verify(signature, text) {
                match key.refusal(now) {
                    None => return Ok(()),
                    Some(reason) => refusal = Some(format!("the key {signer} {reason}")),
                }
            }
        }
    }
    Err(refusal
        .unwrap_or_else(|| format!("no key of the keyring made the signature of {signer}, or the text was changed")))
}

fn check_form(signature: &Signature, now: i64) -> Result<(), String> {
    if !matches!(signature.typ(), Some(SignatureType::Text | SignatureType::Binary)) {
        return Err("a signature is not over a document".to_owned());
    }
    if !matches!(signature.hash_alg(), Some(hash) if is_strong(hash)) {
        return Err("a signature uses a weak or unknown hash".to_owned());
    }
    let created = signature.created().map(|time| i64::from(time.as_secs()));
    match created {
        None => Err("a signature has no date".to_owned()),
        Some(created) if created > now + CLOCK_TOLERANCE => Err("a signature is dated in the future".to_owned()),
        Some(created) if has_ended(created, signature.signature_expiration_time(), now) => {
            Err("a signature has expired".to_owned())
        }
        Some(_) => Ok(()),
    }
}

fn is_strong(hash: HashAlgorithm) -> bool {
    matches!(
        hash,
        HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512
    )
}

fn signer_name(signature: &Signature) -> String {
    let fingerprint = signature.issuer_fingerprint().first().map(|issuer| format!("{issuer:X}"));
    fingerprint
        .or_else(|| signature.issuer_key_id().first().map(|id| format!("{id}").to_uppercase()))
        .unwrap_or_else(|| "an unnamed key".to_owned())
}

/// A zero or absent duration never ends (RFC 9580, 5.2.3.13).
fn has_ended(start: i64, duration: Option<pgp::types::Duration>, now: i64) -> bool {
    duration.map(|duration| i64::from(duration.as_secs())).is_some_and(|seconds| seconds > 0 && start + seconds < now)
}

/// A primary key or a subkey, with the certificate it belongs to.
enum SigningKey<'k> {
    Primary(&'k SignedPublicKey),
    Subkey(&'k SignedPublicKey, &'k SignedPublicSubKey),
}

fn signing_keys(certificate: &SignedPublicKey) -> impl Iterator<Item = SigningKey<'_>> {
    let subkeys = certificate.public_subkeys.iter().map(move |subkey| SigningKey::Subkey(certificate, subkey));
    std::iter::once(SigningKey::Primary(certificate)).chain(subkeys)
}

impl SigningKey<'_> {
    fn verify(&self, signature: &Signature, text: &[u8]) -> bool {
        match self {
            Self::Primary(certificate) => is_by(signature, &certificate.primary_key, text),
            Self::Subkey(_, subkey) => is_by(signature, &subkey.key, text),
        }
    }

    /// Why a good signature by this key counts for nothing.
    fn refusal(&self, now: i64) -> Option<&'static str> {
        match self {
            Self::Primary(certificate) => certificate_refusal(certificate, now),
            Self::Subkey(certificate, subkey) => {
                certificate_refusal(certificate, now).or_else(|| subkey_refusal(certificate, subkey, now))
            }
        }
    }
}

fn is_by(signature: &Signature, key: &impl VerifyingKey, text: &[u8]) -> bool {
    signature.verify(key, text).is_ok()
}

fn certificate_refusal(certificate: &SignedPublicKey, now: i64) -> Option<&'static str> {
    let key = &certificate.primary_key;
    if certificate.details.revocation_signatures.iter().any(|signature| signature.verify_key(key).is_ok()) {
        return Some("is revoked");
    }
    let direct = certificate.details.direct_signatures.iter().filter(|signature| signature.verify_key(key).is_ok());
    let by_user = certificate.details.users.iter().flat_map(|user| {
        user.signatures
            .iter()
            .filter(|signature| signature.is_certification())
            .filter(move |signature| signature.verify_certification(key, Tag::UserId, &user.id).is_ok())
    });
    // The newest self-signature says how long the key lives.
    match direct.chain(by_user).max_by_key(|signature| signature.created().map(|time| time.as_secs())) {
        None => Some("has no valid self-signature"),
        Some(newest) => {
            let start = i64::from(key.created_at().as_secs());
            has_ended(start, newest.key_expiration_time(), now).then_some("has expired")
        }
    }
}

fn subkey_refusal(certificate: &SignedPublicKey, subkey: &SignedPublicSubKey, now: i64) -> Option<&'static str> {
    let primary = &certificate.primary_key;
    let is_valid = |signature: &&Signature| signature.verify_subkey_binding(primary, &subkey.key).is_ok();
    let of_type = |wanted: SignatureType| subkey.signatures.iter().filter(move |s| s.typ() == Some(wanted));
    if of_type(SignatureType::SubkeyRevocation).any(|signature| is_valid(&signature)) {
        return Some("is revoked");
    }
    let newest = of_type(SignatureType::SubkeyBinding)
        .filter(is_valid)
        .max_by_key(|signature| signature.created().map(|time| time.as_secs()));
    let Some(binding) = newest else { return Some("does not belong to its certificate") };
    let back = binding.embedded_signature();
    if !binding.key_flags().sign()
        || back.is_none_or(|back| back.verify_primary_key_binding(&subkey.key, primary).is_err())
    {
        return Some("is not meant for signing");
    }
    has_ended(i64::from(subkey.key.created_at().as_secs()), binding.key_expiration_time(), now).then_some("has expired")
}

/// The text of a message whose bytes are vouched for otherwise, lines ended by LF.
///
/// # Errors
/// A sentence, if it is not a clear-signed message.
pub(super) fn signed_text(message: &str) -> Result<String, String> {
    let (message, _) = CleartextSignedMessage::from_string(message)
        .map_err(|error| format!("it is not a clear-signed message ({error})"))?;
    Ok(message.signed_text().replace("\r\n", "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with gpg: a certifying key valid from 2024-01-01 for two years, whose signing subkey is valid for one.
    const KEYRING: &[u8] = include_bytes!("fixtures/keyring.asc");
    const REVOKED: &[u8] = include_bytes!("fixtures/revoked.asc");
    const OTHER: &[u8] = include_bytes!("fixtures/other.gpg");
    const BY_SUBKEY: &str = include_str!("fixtures/by-subkey.asc");
    const BY_OTHER: &str = include_str!("fixtures/by-other.asc");
    const BY_WEAK_HASH: &str = include_str!("fixtures/by-weak-hash.asc");
    const SUMMER_2024: i64 = 1_720_000_000;
    const SUMMER_2025: i64 = 1_750_000_000;
    const SUMMER_2026: i64 = 1_780_000_000;
    const BEFORE: i64 = 1_600_000_000;

    fn verified(keyring: &[u8], message: &str, now: i64) -> Result<String, String> {
        verified_text(message, &Keys::read(keyring)?, now)
    }

    #[test]
    fn good_signatures_hand_out_the_text() {
        // Trailing blanks are not signed (RFC 9580, 7.1) and not handed out.
        let text = Ok("Suite: test\n- dashed line\nlast".to_owned());
        let found = |keyring, message, now| verified(keyring, message, now).map(|text| text.trim_end().to_owned());
        assert_eq!(found(KEYRING, BY_SUBKEY, SUMMER_2024), text);
        assert_eq!(found(OTHER, BY_OTHER, SUMMER_2026), text);
        let mut both = Keys::read(KEYRING).expect("a keyring");
        both.extend(Keys::read(OTHER).expect("a keyring"));
        assert!(verified_text(BY_OTHER, &both, SUMMER_2024).is_ok());
    }

    #[test]
    fn what_does_not_count_is_said() {
        let cases = [
            (KEYRING, BY_SUBKEY.to_owned(), SUMMER_2025, "has expired"),
            (KEYRING, BY_SUBKEY.to_owned(), SUMMER_2026, "has expired"),
            (KEYRING, BY_SUBKEY.to_owned(), BEFORE, "in the future"),
            (KEYRING, BY_SUBKEY.replace("test", "tset"), SUMMER_2024, "or the text was changed"),
            (KEYRING, BY_OTHER.to_owned(), SUMMER_2024, "no key of the keyring"),
            (KEYRING, BY_WEAK_HASH.to_owned(), SUMMER_2024, "weak or unknown hash"),
            (REVOKED, BY_SUBKEY.to_owned(), SUMMER_2024, "is revoked"),
            (KEYRING, "Suite: test\n".to_owned(), SUMMER_2024, "not a clear-signed message"),
            (KEYRING, String::new(), SUMMER_2024, "not a clear-signed message"),
        ];
        for (keyring, message, now, reason) in cases {
            let error = verified(keyring, &message, now).expect_err(reason);
            assert!(error.contains(reason), "{error} / {reason}");
        }
        for rubbish in [&b""[..], b"rubbish", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n"] {
            assert!(Keys::read(rubbish).is_err());
        }
    }

    #[test]
    fn text_around_the_message_is_not_handed_out() {
        let before = format!("Suite: evil\n\n{BY_SUBKEY}");
        let after = format!("{BY_SUBKEY}\nSuite: evil\n");
        for message in [before, after] {
            if let Ok(text) = verified(KEYRING, &message, SUMMER_2024) {
                assert!(!text.contains("evil"), "{text}");
            }
        }
    }

    #[test]
    fn changed_messages_never_verify() {
        let body = BY_SUBKEY.find("Suite").unwrap_or(0);
        for index in body..body + "Suite: test\n- - dashed line\nlast".len() {
            let mut bytes = BY_SUBKEY.as_bytes().to_vec();
            bytes[index] ^= 1;
            if let Ok(message) = String::from_utf8(bytes) {
                assert!(verified(KEYRING, &message, SUMMER_2024).is_err(), "{message}");
            }
        }
    }
}
