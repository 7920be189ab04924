//! The text of a file that diagnostics may point into, and the same text as it can be shown.

use std::sync::Arc;

use sinter_lang::source::FileId;

use crate::visible;

/// A file that diagnostics may point into.
#[derive(Debug, Clone)]
pub(crate) struct SourceText {
    pub(crate) id: FileId,
    pub(crate) path: String,
    /// What stands in the file.
    pub(crate) text: Arc<str>,
    /// The same with its control characters made visible: no file may move the cursor.
    pub(crate) shown: Arc<str>,
}

impl SourceText {
    pub(crate) fn new(id: FileId, path: &str, text: &str) -> Self {
        let (text, shown) = match visible::text(text) {
            same if same == text => (Arc::from(text), Arc::from(text)),
            shown => (Arc::from(text), Arc::from(shown)),
        };
        Self { id, path: visible::text(path), text, shown }
    }

    /// Where a place of the text is in what is shown.
    pub(crate) fn shown_offset(&self, offset: usize) -> usize {
        if self.text == self.shown {
            return offset;
        }
        self.text.get(..offset).map_or(self.shown.len(), |before| visible::text(before).len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_kept_when_characters_grow() {
        let text = "a\u{1b}[31mb\r\nc\u{202e}d";
        let source = SourceText::new(FileId(0), "x.build", text);
        assert_eq!(&*source.shown, "a\u{241b}[31mb\nc<U+202E>d");
        for word in ["a", "b", "c", "d"] {
            let offset = text.rfind(word).expect("a word of the text");
            assert!(source.shown[source.shown_offset(offset)..].starts_with(word), "{word}");
        }
    }
}
