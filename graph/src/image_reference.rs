//! Names of images in registries, as people write them for docker and podman.
//!
//! Grammar: `[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]` of the distribution project (`reference.go`), with docker's familiar
//! rules: what has no host is on docker.io, one word alone is in `library/`, and without tag and digest `latest` is meant.
//! The canonical form says all of that.
//!
//! Must not know: registries, credentials.

use std::fmt;
use std::str::FromStr;

use crate::digest::BlobDigest;

/// The host of a reference that names none.
pub const DEFAULT_HOST: &str = "docker.io";
/// Another name of that host, from times long past.
const OLD_DEFAULT_HOST: &str = "index.docker.io";
/// Where the default host keeps images whose name is one word.
const DEFAULT_NAMESPACE: &str = "library";
const DEFAULT_TAG: &str = "latest";
/// Host and repository together (distribution's `RepositoryNameTotalLengthMax`).
const LONGEST_NAME: usize = 255;
const LONGEST_TAG: usize = 128;

/// An image in a registry. Its text is the canonical form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageReference {
    host: String,
    repository: String,
    tag: Option<String>,
    digest: Option<BlobDigest>,
}

/// A text that names no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct InvalidReference {
    /// What is wrong, and the likely fix.
    pub reason: String,
}

impl ImageReference {
    /// Host, with its port if it has one.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The repository on that host.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; there is one unless there is a digest.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if it is named by one.
    #[must_use]
    pub const fn digest(&self) -> Option<BlobDigest> {
        self.digest
    }

    /// The same repository, another image.
    #[must_use]
    pub fn at(&self, digest: BlobDigest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// Whether a text can be a tag.
    #[must_use]
    pub fn is_tag(text: &str) -> bool {
        check_tag(text).is_ok()
    }

    /// The same repository under another tag.
    ///
    /// # Errors
    /// If it cannot be a tag.
    pub fn tagged(&self, tag: &str) -> Result<Self, InvalidReference> {
        check_tag(tag)?;
        Ok(Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }

    /// `HOST/REPOSITORY`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.host, self.repository)
    }
}

impl FromStr for ImageReference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        if text.is_empty() {
            return Err(wrong("the name of an image is empty".to_owned()));
        }
        if let Some(scheme) = ["docker://", "https://", "http://"].iter().find(|scheme| text.starts_with(**scheme)) {
            return Err(wrong(format!("an image is named without `{scheme}`: \"{}\"", &text[scheme.len()..])));
        }
        if let Some(character) = text.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(wrong(format!("`{}` cannot stand in the name of an image", character.escape_debug())));
        }
        let (text, digest) = match text.split_once('@') {
            Some((text, digest)) => (text, Some(parse_digest(digest)?)),
            None => (text, None),
        };
        let (name, tag) = match text.rsplit_once(':') {
            // A colon before the last slash is that of a port.
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (text, None),
        };
        let (host, repository) = split_host(name)?;
        tag.map_or(Ok(()), check_tag)?;
        check_repository(&repository)?;
        if host.len() + 1 + repository.len() > LONGEST_NAME {
            return Err(wrong(format!("the name of an image has at most {LONGEST_NAME} characters")));
        }
        let tag = tag.map(str::to_owned).or_else(|| digest.is_none().then(|| DEFAULT_TAG.to_owned()));
        Ok(Self { host, repository, tag, digest })
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

fn wrong(reason: String) -> InvalidReference {
    InvalidReference { reason }
}

/// Host and repository of a name; what is before the first slash is a host if it cannot be a word of a repository.
fn split_host(name: &str) -> Result<(String, String), InvalidReference> {
    let host = name.split_once('/').filter(|(first, _)| {
        first.contains(['.', ':', '[']) || *first == "localhost" || first.bytes().any(|byte| byte.is_ascii_uppercase())
    });
    let Some((host, repository)) = host else { return Ok((DEFAULT_HOST.to_owned(), in_default(name))) };
    check_host(host)?;
    if host == DEFAULT_HOST || host == OLD_DEFAULT_HOST {
        return Ok((DEFAULT_HOST.to_owned(), in_default(repository)));
    }
    Ok((host.to_owned(), repository.to_owned()))
}

fn in_default(repository: &str) -> String {
    if repository.contains('/') { repository.to_owned() } else { format!("{DEFAULT_NAMESPACE}/{repository}") }
}

fn check_host(host: &str) -> Result<(), InvalidReference> {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            let is_address = address.parse::<std::net::Ipv6Addr>().is_ok();
            if !is_address || !(rest.is_empty() || rest.starts_with(':')) {
                return Err(wrong(format!(
                    "`{host}` is no host: an IPv6 address stands in brackets, as in `[::1]:5000`"
                )));
            }
            ("v6", rest.strip_prefix(':'))
        }
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !name.split('.').all(is_label) {
        return Err(wrong(format!("`{host}` is no host name")));
    }
    match port.map(str::parse::<u16>) {
        None => Ok(()),
        Some(Ok(number)) if number > 0 && port.is_some_and(|port| !port.starts_with(['+', '0'])) => Ok(()),
        Some(_) => Err(wrong(format!("the port of `{host}` is no number from 1 to 65535"))),
    }
}

fn check_repository(repository: &str) -> Result<(), InvalidReference> {
    if repository.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let small = repository.to_ascii_lowercase();
        return Err(wrong(format!("repositories are written in small letters: `{small}`")));
    }
    match repository.split('/').find(|word| !is_repository_word(word)) {
        None => Ok(()),
        Some("") => Err(wrong(format!("`{repository}` has an empty word between slashes"))),
        Some(word) => Err(wrong(format!(
            "`{word}` is no word of a repository: small letters and digits, joined by one of `.`, `_`, `__` or any number \
             of `-`"
        ))),
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_repository_word(word: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = word.bytes().next().is_some_and(is_plain) && word.bytes().last().is_some_and(is_plain);
    let mut separators = word.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).filter(|s| !s.is_empty());
    ends && separators.all(|s| matches!(s, "." | "_" | "__") || s.bytes().all(|byte| byte == b'-'))
}

fn check_tag(tag: &str) -> Result<(), InvalidReference> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let starts = tag.bytes().next().is_some_and(is_word);
    if starts && tag.len() <= LONGEST_TAG && tag.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-') {
        return Ok(());
    }
    Err(wrong(format!(
        "`{tag}` is no tag: letters, digits, `_`, `.` and `-`, at most {LONGEST_TAG}, the first one no `.` and no `-`"
    )))
}

fn parse_digest(text: &str) -> Result<BlobDigest, InvalidReference> {
    text.parse().map_err(|_| match text.split_once(':') {
        Some((algorithm, _)) if algorithm != "sha256" => {
            wrong(format!("images are named by sha256 digests, not by `{algorithm}`"))
        }
        _ => wrong(format!("`{text}` is no digest: expected sha256: and 64 digits of 0-9 a-f")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_have_a_canonical_form() {
        let hex = "0".repeat(64);
        for (text, expected) in [
            ("node", "docker.io/library/node:latest".to_owned()),
            ("node:22-bookworm-slim", "docker.io/library/node:22-bookworm-slim".to_owned()),
            ("grafana/grafana", "docker.io/grafana/grafana:latest".to_owned()),
            ("docker.io/node", "docker.io/library/node:latest".to_owned()),
            ("index.docker.io/library/node:1", "docker.io/library/node:1".to_owned()),
            ("localhost/x", "localhost/x:latest".to_owned()),
            ("localhost:5000/x/y:z", "localhost:5000/x/y:z".to_owned()),
            ("registry.example.org/a/b__c/d---e.f:_T.1-x", "registry.example.org/a/b__c/d---e.f:_T.1-x".to_owned()),
            ("[::1]:5000/x", "[::1]:5000/x:latest".to_owned()),
            ("Host/x", "Host/x:latest".to_owned()),
            (&format!("a@sha256:{hex}"), format!("docker.io/library/a@sha256:{hex}")),
            (&format!("a:1@sha256:{hex}"), format!("docker.io/library/a:1@sha256:{hex}")),
        ] {
            let parsed: ImageReference = text.parse().expect(text);
            assert_eq!(parsed.to_string(), expected);
            assert_eq!(expected.parse(), Ok(parsed), "the canonical form is its own");
        }
    }

    #[test]
    fn what_names_no_image_is_explained() {
        let long = "a".repeat(300);
        for (text, reason) in [
            ("", "is empty"),
            ("Node", "small letters: `library/node`"),
            ("a b", "` ` cannot stand"),
            ("node:", "is no tag"),
            ("node:-x", "is no tag"),
            ("https://example.org/x", "without `https://`: \"example.org/x\""),
            ("docker://node", "without `docker://`"),
            ("a//b", "empty word"),
            ("../x", "is no host name"),
            ("a/../b", "`..` is no word"),
            ("a/", "empty word"),
            ("/a", "empty word"),
            ("a/._b", "`._b` is no word"),
            ("a/b___c", "is no word"),
            ("host.example:0/x", "the port"),
            ("host.example:x/x", "the port"),
            ("host.example:99999/x", "the port"),
            ("[::g]/x", "is no host"),
            ("a@sha512:00", "not by `sha512`"),
            ("a@sha256:00", "is no digest"),
            ("é", "cannot stand"),
            (&long, "at most 255"),
        ] {
            let error = text.parse::<ImageReference>().expect_err(text);
            assert!(error.reason.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn other_images_of_a_repository_are_named() {
        let node: ImageReference = "node:22".parse().expect("a reference");
        let digest = BlobDigest::of(b"x");
        assert_eq!(node.at(digest).to_string(), format!("docker.io/library/node@{digest}"));
        assert_eq!(node.tagged("k").map(|tagged| tagged.to_string()), Ok("docker.io/library/node:k".to_owned()));
        assert!(node.tagged("a/b").is_err());
        assert!(ImageReference::is_tag("k") && !ImageReference::is_tag("../k"));
    }
}
