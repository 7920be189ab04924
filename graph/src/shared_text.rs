//! Text that many hold.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use crate::digest::ContentHash;

/// Text known by its content hash. A copy shares the bytes; comparing and hashing look at the hash alone, so a thousand
/// steps may take one large file.
#[derive(Clone)]
pub struct SharedText {
    text: Arc<str>,
    hash: ContentHash,
}

impl SharedText {
    /// BLAKE3 of the text's bytes.
    #[must_use]
    pub fn hash(&self) -> ContentHash {
        self.hash
    }
}

impl<T: AsRef<str> + Into<Arc<str>>> From<T> for SharedText {
    fn from(text: T) -> Self {
        let hash = ContentHash::of(text.as_ref().as_bytes());
        Self { text: text.into(), hash }
    }
}

impl Deref for SharedText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl PartialEq for SharedText {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Eq for SharedText {}

impl Hash for SharedText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

impl fmt::Debug for SharedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_share_their_bytes() {
        let text = SharedText::from("a".to_owned());
        let copy = text.clone();
        assert!(std::ptr::eq(text.as_ptr(), copy.as_ptr()));
        assert_eq!((&*copy, copy.hash()), ("a", ContentHash::of(b"a")));
        assert!(text == SharedText::from("a") && text != SharedText::from("b"));
    }
}
