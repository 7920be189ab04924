//! One page per diagnostic code: what `sinter explain` prints and editors link to.
//!
//! Rule: a page's bad example yields exactly its code, its good example nothing (tested).

mod semantic;
mod syntax;

/// A page about one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The code, `E0101`.
    pub code: &'static str,
    /// The fault in a few words.
    pub title: &'static str,
    /// What it means and what to do.
    pub text: &'static str,
    /// A file that has the fault and no other.
    pub bad: Option<&'static str>,
    /// The same file without the fault.
    pub good: Option<&'static str>,
}

/// All pages, in the order of their codes within each part of the language.
pub fn pages() -> impl Iterator<Item = &'static Page> {
    syntax::PAGES.iter().chain(semantic::PAGES)
}

/// The page of a code.
#[must_use]
pub fn page(code: &str) -> Option<&'static Page> {
    pages().find(|page| page.code == code)
}

#[cfg(test)]
mod tests {
    use super::{page, pages};

    #[test]
    fn codes_are_listed_once() {
        let mut codes: Vec<&str> = pages().map(|page| page.code).collect();
        let count = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), count);
    }

    #[test]
    fn pages_are_found_by_code() {
        assert_eq!(page("E0118").map(|page| page.title), Some("a semicolon"));
        assert_eq!(page("E0000"), None);
    }
}
