//! Relations between packages (Debian Policy 7.1 and 7.2; multiarch qualifiers as in deb-control(5)).
//!
//! Must not know: which packages exist.

use std::cmp::Ordering;
use std::fmt;

use super::version::compare_versions;

/// How a version is restricted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    /// `<<`
    Earlier,
    /// `<=`
    EarlierOrEqual,
    /// `=`
    Equal,
    /// `>=`
    LaterOrEqual,
    /// `>>`
    Later,
}

impl Operator {
    fn split(text: &str) -> Option<(Self, &str)> {
        // The obsolete `<` and `>` mean `<=` and `>=` (Policy 7.1).
        const FORMS: [(&str, Operator); 7] = [
            ("<<", Operator::Earlier),
            ("<=", Operator::EarlierOrEqual),
            (">=", Operator::LaterOrEqual),
            (">>", Operator::Later),
            ("=", Operator::Equal),
            ("<", Operator::EarlierOrEqual),
            (">", Operator::LaterOrEqual),
        ];
        FORMS.iter().find_map(|&(form, operator)| text.strip_prefix(form).map(|rest| (operator, rest.trim())))
    }

    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Earlier => order.is_lt(),
            Self::EarlierOrEqual => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::LaterOrEqual => order.is_ge(),
            Self::Later => order.is_gt(),
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Earlier => "<<",
            Self::EarlierOrEqual => "<=",
            Self::Equal => "=",
            Self::LaterOrEqual => ">=",
            Self::Later => ">>",
        })
    }
}

/// One alternative: a package, perhaps with a qualifier and a restricted version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relation<'t> {
    /// The package, real or virtual.
    pub(super) name: &'t str,
    /// What stands after a colon: an architecture, `any` or `native`.
    pub(super) qualifier: Option<&'t str>,
    /// The restriction of the version.
    pub(super) version: Option<(Operator, &'t str)>,
}

impl Relation<'_> {
    /// Whether a real package of this version meets the restriction.
    #[must_use]
    pub(super) fn admits(&self, version: &str) -> bool {
        self.version.is_none_or(|(operator, wanted)| operator.holds(compare_versions(version, wanted)))
    }

    /// Whether a `Provides` of this name meets the restriction: without a version it meets only unrestricted ones
    /// (Policy 7.5).
    #[must_use]
    pub(super) fn admits_provided(&self, version: Option<&str>) -> bool {
        match version {
            Some(version) => self.admits(version),
            None => self.version.is_none(),
        }
    }
}

impl fmt::Display for Relation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        self.qualifier.iter().try_for_each(|qualifier| write!(f, ":{qualifier}"))?;
        self.version.iter().try_for_each(|(operator, version)| write!(f, " ({operator} {version})"))
    }
}

/// Alternatives, of which one is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alternatives<'t>(pub(super) Vec<Relation<'t>>);

impl fmt::Display for Alternatives<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(index, relation)| {
            if index > 0 {
                f.write_str(" | ")?;
            }
            relation.fmt(f)
        })
    }
}

/// Parses a relationship field for one architecture. Alternatives restricted to others are left out, build profiles
/// are ignored.
///
/// # Errors
/// A sentence that names the part that cannot be read.
pub(super) fn parse_relations<'t>(text: &'t str, architecture: &str) -> Result<Vec<Alternatives<'t>>, String> {
    let groups = text.split(',').map(str::trim).filter(|group| !group.is_empty());
    let parsed = groups.map(|group| {
        let relations = group.split('|').map(|part| parse_relation(part.trim(), architecture));
        Ok(Alternatives(relations.filter_map(Result::transpose).collect::<Result<_, String>>()?))
    });
    // A group of which nothing is left was for other architectures.
    parsed.filter(|group| !matches!(group, Ok(Alternatives(relations)) if relations.is_empty())).collect()
}

fn parse_relation<'t>(text: &'t str, architecture: &str) -> Result<Option<Relation<'t>>, String> {
    let fault = || format!("`{}` is not a relation between packages", text.escape_debug());
    let end = text.find(|c: char| c.is_whitespace() || "([<".contains(c)).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    let (name, qualifier) = name.split_once(':').map_or((name, None), |(name, qualifier)| (name, Some(qualifier)));
    // Virtual packages and those of other archives may have names this program would refuse to pin.
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte)) {
        return Err(fault());
    }
    let mut relation = Relation { name, qualifier, version: None };
    let mut wanted_here = true;
    loop {
        rest = rest.trim_start();
        let Some(open) = rest.chars().next() else { break };
        let close = match open {
            '(' => ')',
            '[' => ']',
            '<' => '>',
            _ => return Err(fault()),
        };
        let (inside, after) = rest[1..].split_once(close).ok_or_else(fault)?;
        match open {
            '(' => relation.version = Some(Operator::split(inside.trim()).ok_or_else(fault)?),
            '[' => wanted_here = matches_architecture(inside, architecture),
            _ => {}
        }
        rest = after;
    }
    Ok(wanted_here.then_some(relation))
}

/// Architecture restrictions (Policy 7.1): a list of wanted ones, or of `!unwanted` ones.
fn matches_architecture(list: &str, architecture: &str) -> bool {
    let matches = |word: &str| {
        word == architecture || word == "any" || word == "linux-any" || word.strip_prefix("any-") == Some(architecture)
    };
    let negated = list.trim_start().starts_with('!');
    let named = list.split_whitespace().any(|word| matches(word.strip_prefix('!').unwrap_or(word)));
    named != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<Vec<String>, String> {
        parse_relations(text, "amd64").map(|groups| groups.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn relations_of_all_forms_parse() {
        let cases: [(&str, &[&str]); 8] = [
            ("", &[]),
            ("a", &["a"]),
            ("a(>=1:2.0-1~),b:any|c ( << 3 ) ,", &["a (>= 1:2.0-1~)", "b:any | c (<< 3)"]),
            ("a (< 2), b (> 2)", &["a (<= 2)", "b (>= 2)"]),
            ("a [amd64 arm64] | b [i386], c [!amd64]", &["a"]),
            ("a [linux-any], b [!i386]", &["a", "b"]),
            ("a <!nocheck> <cross>", &["a"]),
            ("libc6 (= 2.36-9+deb12u10),\n libgcc-s1 (>= 3.0)", &["libc6 (= 2.36-9+deb12u10)", "libgcc-s1 (>= 3.0)"]),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), Ok(expected.iter().map(|&s| s.to_owned()).collect()), "{text}");
        }
    }

    #[test]
    fn malformed_relations_are_refused() {
        for text in ["a (", "a (1.0)", "a b", "(>= 1)", "a [amd64", "a | ", "a/b", "é"] {
            assert!(shown(text).is_err(), "{text}");
        }
    }

    #[test]
    fn versionless_provides_meet_no_restriction() {
        let groups = parse_relations("a (>= 2)", "amd64").expect("valid");
        let relation = &groups[0].0[0];
        assert!(relation.admits("2") && relation.admits_provided(Some("3")));
        assert!(!relation.admits("2~") && !relation.admits_provided(None));
    }
}
