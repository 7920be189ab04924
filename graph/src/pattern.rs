//! The one pattern language of sources, trees, `keep` and `drop`.

use crate::encode::Encoder;

/// Positive patterns and excludes. An exclude always wins; order is meaningless.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Patterns {
    /// What is wanted; sorted, each once. Empty means everything.
    pub include: Vec<String>,
    /// What is not wanted, without the `!`; sorted, each once.
    pub exclude: Vec<String>,
}

impl Patterns {
    /// Writes the patterns as a named field.
    pub fn encode(&self, name: &str, encoder: &mut Encoder) {
        encoder.field(name).list(self.include.iter(), |e, pattern| {
            e.text(pattern);
        });
        encoder.list(self.exclude.iter(), |e, pattern| {
            e.text(pattern);
        });
    }
}
