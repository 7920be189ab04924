//! What `pull` inputs were found to be.
//!
//! `[pull."docker.io/library/node:22"]` holds the digest that the reference named, of an index or of a manifest, and the
//! manifest of each platform beside it. The digest is what counts: a bot may change it alone, and the rest is then worked
//! out again from it.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::pins::{Item, Pins, require};
use super::text::{Place, push, quoted};
use super::{InvalidPin, LockError};
use crate::digest::BlobDigest;
use crate::platform::Platform;

/// All pins of `pull` inputs, by reference.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PullPins(BTreeMap<String, PullPin>);

/// What one reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullPin {
    /// SHA-256 of the document that the reference named: an index, or the manifest of an image for one platform.
    pub digest: BlobDigest,
    /// SHA-256 of the manifest for each platform; the same as `digest` where that is a manifest.
    pub platforms: BTreeMap<Platform, BlobDigest>,
}

impl PullPins {
    /// What a reference was found to be.
    #[must_use]
    pub fn get(&self, reference: &str) -> Option<&PullPin> {
        self.0.get(reference)
    }

    /// Pins a reference, instead of what it was pinned to.
    ///
    /// # Errors
    /// If the pin may not stand in a lock: it has no platform, or the reference cannot be a key.
    pub fn insert(&mut self, reference: &str, pin: PullPin) -> Result<(), InvalidPin> {
        require(!reference.is_empty() && !reference.chars().any(char::is_control), "image reference", reference)?;
        if pin.platforms.is_empty() {
            return Err(InvalidPin(format!("`{reference}` is pinned for no platform")));
        }
        self.0.insert(reference.to_owned(), pin);
        Ok(())
    }

    /// Forgets what a reference was found to be; `false` if it was not known.
    pub fn remove(&mut self, reference: &str) -> bool {
        self.0.remove(reference).is_some()
    }

    /// The pinned references.
    pub fn references(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// How a table is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    digest: Spanned<String>,
    platforms: BTreeMap<Spanned<String>, Spanned<String>>,
}

impl Pins for PullPins {
    type Table = Table;

    fn add(&mut self, question: &str, table: Table, place: Place<'_>) -> Result<(), LockError> {
        let digest = |text: &Spanned<String>| {
            let invalid = || format!("`{}` is no digest: expected sha256:HEX", text.get_ref().escape_debug());
            text.get_ref().parse::<BlobDigest>().map_err(|_| place.of(text).broken(&invalid()))
        };
        let platforms = table.platforms.iter().map(|(platform, manifest)| {
            let parsed: Platform = platform.get_ref().parse().map_err(|invalid| place.of(platform).broken(&invalid))?;
            if parsed.to_string() != *platform.get_ref() {
                return Err(place.of(platform).broken(&format!("this platform is written `{parsed}`")));
            }
            Ok((parsed, digest(manifest)?))
        });
        let pin = PullPin { digest: digest(&table.digest)?, platforms: platforms.collect::<Result<_, _>>()? };
        self.insert(question, pin).map_err(|invalid| place.broken(&invalid))
    }

    fn tables(&self) -> BTreeMap<String, String> {
        let table = |pin: &PullPin| {
            let mut out = String::new();
            push(&mut out, format_args!("digest = {}\n", quoted(&pin.digest.to_string())));
            for (platform, manifest) in &pin.platforms {
                let (platform, manifest) = (quoted(&platform.to_string()), quoted(&manifest.to_string()));
                push(&mut out, format_args!("platforms.{platform} = {manifest}\n"));
            }
            out
        };
        self.0.iter().map(|(reference, pin)| (reference.clone(), table(pin))).collect()
    }

    fn items(&self) -> Vec<Item> {
        let items = self.0.iter().flat_map(|(reference, pin)| {
            let item = |what: String, digest: &BlobDigest| Item {
                table: reference.clone(),
                what,
                shown: short(digest),
                digest: *digest,
            };
            let platforms = pin.platforms.iter().map(move |(platform, digest)| item(platform.to_string(), digest));
            let whole = Item {
                table: reference.clone(),
                what: "digest".to_owned(),
                shown: short(&pin.digest),
                digest: pin.digest,
            };
            std::iter::once(whole).chain(platforms)
        });
        items.collect()
    }

    fn joined(&self, other: &Self) -> Self {
        let mut all = self.0.clone();
        all.extend(other.0.clone());
        all.retain(|reference, pin| {
            [self, other].iter().all(|side| side.get(reference).is_none_or(|known| known == pin))
        });
        Self(all)
    }
}

/// Enough of a digest to compare two by eye.
fn short(digest: &BlobDigest) -> String {
    digest.to_string().chars().take("sha256:".len() + 12).collect()
}
