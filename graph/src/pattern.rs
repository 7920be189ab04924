//! The one pattern language of sources, trees, `keep` and `drop`.
//!
//! A pattern is a path whose segments may hold wildcards: `*` any characters, `?` one character, `[abc]`, `[a-z]` one
//! character of a class, `[!x]` one character outside of it; none of them matches a `/`. The segment `**` stands for
//! any number of segments, and at the end for at least one. A pattern that matches a directory matches all below it.
//! Names that begin with a dot are like others. There is no escape: a class with one character, `[*]`, stands for that
//! character. A leading `/` means the root of the tree; all other patterns are relative to a base directory. A slash at
//! the end says nothing.
//!
//! Rules: matching takes at most the product of the two lengths; a text that is no pattern is refused with the place
//! and the fix. Must not know: which files there are on disk.

mod glob;
mod select;
mod suggest;

use crate::decode::{DecodeError, Decoder};
use crate::encode::Encoder;
use crate::path::TreePath;

use glob::Glob;
pub use select::{Selection, SourceRules};
pub use suggest::{advice, nearest_path};

/// The longest pattern, in bytes: Linux's `PATH_MAX`.
const LONGEST: usize = 4096;

/// Positive patterns and excludes. An exclude always wins; order is meaningless. Each text is a pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Patterns {
    /// Sorted, each once. Empty means everything.
    include: Vec<String>,
    /// Without the `!`; sorted, each once.
    exclude: Vec<String>,
}

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a pattern: at byte {offset} {reason}")]
pub struct InvalidPattern {
    /// What was given.
    pub pattern: String,
    /// What is wrong and what to write instead.
    pub reason: &'static str,
    /// Where, in bytes from the start of the pattern.
    pub offset: usize,
}

impl InvalidPattern {
    /// Patterns stand in the `.build` file, so the fault is the user's.
    #[must_use]
    pub fn class(&self) -> crate::ErrorClass {
        crate::ErrorClass::User
    }
}

/// Compiled [`Patterns`].
#[derive(Debug, Clone)]
pub struct Matcher {
    include: Vec<Glob>,
    exclude: Vec<Glob>,
}

impl Patterns {
    /// Takes positive patterns and excludes (without their `!`) in any order.
    ///
    /// # Errors
    /// The first text that is no pattern.
    pub fn new(
        include: impl IntoIterator<Item = String>,
        exclude: impl IntoIterator<Item = String>,
    ) -> Result<Self, InvalidPattern> {
        Ok(Self { include: checked(include)?, exclude: checked(exclude)? })
    }

    /// What is wanted; sorted, each once. None means everything.
    #[must_use]
    pub fn include(&self) -> &[String] {
        &self.include
    }

    /// What is not wanted, without the `!`; sorted, each once.
    #[must_use]
    pub fn exclude(&self) -> &[String] {
        &self.exclude
    }

    /// Whether everything is meant: no pattern and no exclude.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// Compiles the patterns. What does not start with `/` is relative to `base`: the working directory for a tree,
    /// the root for a source.
    #[must_use]
    pub fn compile(&self, base: &TreePath) -> Matcher {
        let compile = |text: &String| Glob::compile(text, base).expect("each text was compiled when it was taken");
        Matcher {
            include: self.include.iter().map(compile).collect(),
            exclude: self.exclude.iter().map(compile).collect(),
        }
    }

    /// Checks patterns on a source: its paths are relative, so none may start with `/`.
    ///
    /// # Errors
    /// The first text that starts with `/`.
    pub fn validate_relative(&self) -> Result<(), InvalidPattern> {
        for text in self.include.iter().chain(&self.exclude) {
            if text.starts_with('/') {
                let reason = "it starts with `/`, but paths of a source are relative: leave the `/` out";
                return Err(InvalidPattern { pattern: text.clone(), reason, offset: 0 });
            }
        }
        Ok(())
    }

    /// Writes the patterns as a named field.
    pub fn encode(&self, name: &str, encoder: &mut Encoder) {
        let Self { include, exclude } = self;
        encoder.field(name).texts(include).texts(exclude);
    }

    /// Writes the patterns as a named field, or nothing if they are the default.
    pub fn encode_unless_default(&self, name: &str, encoder: &mut Encoder) {
        if *self != Self::default() {
            self.encode(name, encoder);
        }
    }

    /// Reads what [`Patterns::encode`] wrote, if it is there.
    ///
    /// # Errors
    /// If the field is there and holds something else.
    pub fn decode_optional(name: &str, decoder: &mut Decoder<'_>) -> Result<Option<Self>, DecodeError> {
        if !decoder.optional_field(name) {
            return Ok(None);
        }
        let offset = decoder.offset();
        let (include, exclude) = (decode_sorted(decoder)?, decode_sorted(decoder)?);
        let invalid = |invalid: InvalidPattern| DecodeError { offset, expected: format!("patterns; {invalid}") };
        Self::new(include, exclude).map(Some).map_err(invalid)
    }

    /// Reads what [`Patterns::encode_unless_default`] wrote.
    ///
    /// # Errors
    /// If the field is there and holds something else, or the default.
    pub fn decode_unless_default(name: &str, decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let before = decoder.offset();
        match Self::decode_optional(name, decoder)? {
            Some(patterns) if patterns == Self::default() => Err(DecodeError::written_default(before)),
            found => Ok(found.unwrap_or_default()),
        }
    }
}

fn checked(texts: impl IntoIterator<Item = String>) -> Result<Vec<String>, InvalidPattern> {
    let mut texts: Vec<String> = texts.into_iter().collect();
    texts.iter().try_for_each(|text| Glob::compile(text, &TreePath::root()).map(drop))?;
    texts.sort();
    texts.dedup();
    Ok(texts)
}

fn decode_sorted(decoder: &mut Decoder<'_>) -> Result<Vec<String>, DecodeError> {
    let offset = decoder.offset();
    let texts = decoder.texts()?;
    if texts.is_sorted_by(|left, right| left < right) {
        return Ok(texts);
    }
    Err(DecodeError { offset, expected: "patterns in ascending order, each once".to_owned() })
}

impl Matcher {
    /// Whether a path is wanted: some positive pattern matches it or there is none, and no exclude does.
    #[must_use]
    pub fn matches(&self, path: &TreePath) -> bool {
        self.includes(path) && !self.excludes(path)
    }

    /// Which positive patterns match a path, as indices of [`Patterns::include`].
    pub fn including<'a>(&'a self, path: &'a TreePath) -> impl Iterator<Item = usize> + 'a {
        self.include.iter().enumerate().filter(|(_, glob)| glob.matches(path)).map(|(index, _)| index)
    }

    fn includes(&self, path: &TreePath) -> bool {
        self.include.is_empty() || self.including(path).next().is_some()
    }

    /// Whether an exclude matches a path.
    #[must_use]
    pub fn excludes(&self, path: &TreePath) -> bool {
        self.exclude.iter().any(|glob| glob.matches(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::new(text).expect("a test path")
    }

    fn matches(pattern: &str, candidate: &str) -> bool {
        let patterns = Patterns::new([pattern.to_owned()], []).expect("a test pattern");
        patterns.compile(&path("app")).matches(&path(candidate))
    }

    #[test]
    fn patterns_match_documented_paths() {
        for (pattern, hits, misses) in [
            ("web", &["app/web", "app/web/x", "app/web/x/y"][..], &["web", "app/website", "app/we", "app"][..]),
            ("web/", &["app/web", "app/web/x"], &["app/website"]),
            ("/web", &["web", "web/x"], &["app/web"]),
            ("/", &["web", "app/x"], &[]),
            ("*.c", &["app/a.c", "app/.c", "app/d.c/x"], &["app/s/a.c", "app/a.cc", "app/ac"]),
            ("**/*.c", &["app/a.c", "app/s/t/a.c"], &["a.c", "app/a.h"]),
            ("**", &["app/a", "app/a/b"], &["app", "b"]),
            ("s/**", &["app/s/a", "app/s/a/b"], &["app/s", "app/t/a"]),
            ("a/**/b", &["app/a/b", "app/a/x/b", "app/a/x/y/b/z"], &["app/a/x", "app/x/a/b"]),
            ("a/**/b/*/c", &["app/a/b/b/b/c"], &["app/a/b/c"]),
            ("?.txt", &["app/a.txt", "app/é.txt"], &["app/ab.txt", "app/.txt"]),
            ("[a-c]?", &["app/b1", "app/cx"], &["app/d1", "app/b"]),
            ("[!a-c]", &["app/d", "app/é"], &["app/a", "app/dd"]),
            ("[]x]", &["app/]", "app/x"], &["app/["]),
            ("[*]", &["app/*"], &["app/a"]),
            ("[[]id].ts", &["app/[id].ts"], &["app/i.ts"]),
            ("[a-]", &["app/a", "app/-"], &["app/b"]),
            (".*", &["app/.env", "app/.git/x"], &["app/env"]),
            ("*a*b*c", &["app/abc", "app/xaxbxc"], &["app/acb", "app/abcx"]),
        ] {
            hits.iter().for_each(|hit| assert!(matches(pattern, hit), "{pattern} must match {hit}"));
            misses.iter().for_each(|miss| assert!(!matches(pattern, miss), "{pattern} must not match {miss}"));
        }
    }

    #[test]
    fn an_exclude_always_wins() {
        let patterns = Patterns::new(["web".to_owned(), "web/a.test.ts".to_owned()], ["web/**/*.test.ts".to_owned()]);
        let matcher = patterns.expect("test patterns").compile(&TreePath::root());
        assert!(matcher.matches(&path("web/a.ts")));
        assert!(!matcher.matches(&path("web/a.test.ts")) && !matcher.matches(&path("web/x/a.test.ts")));
        let everything = Patterns::default().compile(&TreePath::root());
        assert!(everything.matches(&path("anything")) && Patterns::default().is_everything());
    }

    #[test]
    fn faults_are_found_at_their_place() {
        for (pattern, offset) in [
            ("", 0),
            ("a//b", 2),
            ("//a", 1),
            ("../a", 0),
            ("a/..", 2),
            ("./a", 0),
            ("a/[b", 2),
            ("[]", 0),
            ("[z-a]", 1),
            ("[^a]", 1),
            ("a\\*", 1),
            ("a\0", 1),
            ("a/b**", 3),
            ("!a", 0),
        ] {
            let invalid = Patterns::new([], [pattern.to_owned()]);
            assert_eq!(invalid.map_err(|invalid| invalid.offset), Err(offset), "{pattern:?}");
        }
        assert!(Patterns::new(["a".repeat(5000)], []).is_err());
    }

    #[test]
    fn absolute_patterns_are_refused_for_sources() {
        for (include, exclude, fine) in [("a", "b", true), ("/a", "b", false), ("a", "/b", false)] {
            let patterns = Patterns::new([include.to_owned()], [exclude.to_owned()]).expect("test patterns");
            assert_eq!(patterns.validate_relative().is_ok(), fine, "{include} {exclude}");
        }
    }

    #[test]
    fn order_and_repetition_are_nothing() {
        let patterns = |texts: &[&str]| {
            let texts = || texts.iter().map(|text| (*text).to_owned());
            Patterns::new(texts(), texts()).expect("test patterns")
        };
        assert_eq!(patterns(&["b", "a", "b"]), patterns(&["a", "b"]));
    }

    #[test]
    fn only_what_can_be_made_is_read() {
        for (include, reason) in
            [(&["b", "a"][..], "in ascending order"), (&["a", "a"], "each once"), (&["a["], "`a[`")]
        {
            let include: Vec<String> = include.iter().map(|text| (*text).to_owned()).collect();
            let mut encoder = Encoder::new("test");
            encoder.field("patterns").texts(&include).texts(&[""; 0]);
            let bytes = encoder.finish();
            let mut decoder = Decoder::new(&bytes, "test").expect("a document");
            let refused = Patterns::decode_optional("patterns", &mut decoder).expect_err(reason);
            assert!(refused.expected.contains(reason), "{refused}");
        }
    }

    #[test]
    fn many_stars_stay_cheap() {
        let pattern = format!("**/{}b", "*a".repeat(200));
        let candidate = format!("app/{}", "a".repeat(4000));
        assert!(!matches(&pattern, &candidate));
        let segments = format!("{}/z", vec!["**/a/*"; 200].join("/"));
        let deep = format!("app/{}", vec!["a"; 2000].join("/"));
        assert!(!matches(&segments, &deep));
    }
}
