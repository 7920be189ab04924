//! What a `debian` input asks, as the key of its pin.

use std::fmt;
use std::str::FromStr;

use super::names::{is_package_name, is_suite_name};

/// What a `debian` input asks. As text: the suite and the packages, separated by one space each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DebianQuestion {
    /// Code name, for instance `bookworm`.
    pub suite: String,
    /// Package names, sorted, each once.
    pub packages: Vec<String>,
}

impl DebianQuestion {
    /// Sorts the names and drops repetitions.
    #[must_use]
    pub fn new(suite: &str, packages: &[String]) -> Self {
        let mut packages = packages.to_vec();
        packages.sort();
        packages.dedup();
        Self { suite: suite.to_owned(), packages }
    }
}

impl fmt::Display for DebianQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.suite)?;
        self.packages.iter().try_for_each(|package| write!(f, " {package}"))
    }
}

/// A text that is no Debian question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a suite followed by sorted package names, separated by single spaces")]
pub struct InvalidQuestion(pub String);

impl FromStr for DebianQuestion {
    type Err = InvalidQuestion;

    fn from_str(text: &str) -> Result<Self, InvalidQuestion> {
        let invalid = || InvalidQuestion(text.to_owned());
        let (suite, names) = text.split_once(' ').map_or((text, None), |(suite, names)| (suite, Some(names)));
        let packages: Vec<String> =
            names.map(|names| names.split(' ').map(str::to_owned).collect()).unwrap_or_default();
        if !is_suite_name(suite) || !packages.iter().all(|name| is_package_name(name)) {
            return Err(invalid());
        }
        if packages.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(invalid());
        }
        Ok(Self { suite: suite.to_owned(), packages })
    }
}
