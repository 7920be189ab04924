//! Types and the type checker: what a value is, what may stand where, and one report for one fault.
//!
//! Rules: annotations stand on parameters and results of functions only and everything else is inferred locally, from
//! what is known (bidirectional). A fault yields [`Type::Unknown`], which fits everywhere, so it is reported once.
//! Must not know: values, the graph, files.

mod calls;
mod checker;
mod declarations;
mod expressions;
mod interface;
mod messages;
mod operators;
mod strings;
mod unsupported;
mod written;

use std::fmt;
use std::sync::Arc;

pub use declarations::{Checked, Role, Scope, check};
pub use interface::{Declared, DeclaredKind, Implementation, Interface, Parameter, Signature};
pub use written::type_of;

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// Text.
    Str,
    /// A whole number.
    Int,
    /// `true` or `false`.
    Bool,
    /// `[T]`
    List(Arc<Type>),
    /// `{Str: T}`
    Map(Arc<Type>),
    /// `{ name: T, other: U }`, in the order written.
    Record(Arc<[(String, Type)]>),
    /// `T?`
    Optional(Arc<Type>),
    /// Files of a repository.
    Source,
    /// An immutable file system.
    Tree,
    /// A tree with a configuration.
    Image,
    /// One file from outside.
    Blob,
    /// Packages of a distribution.
    Packages,
    /// A script.
    Script,
    /// A value that is in no key, layer, record or log.
    Secret,
    /// An operating system and an architecture.
    Platform,
    /// A selection of files; also a source, a tree or a blob.
    Files,
    /// A list of words for which no single word may stand; written `Command` in the prelude only.
    Command,
    /// A port: `8080` or `"53/udp"`; written `Port` in the prelude only.
    Port,
    /// The type of no value: what `none` holds, and what the items of `[]` are.
    Nothing,
    /// Could not be found out; the reason has been reported.
    Unknown,
}

impl Type {
    /// `[item]`
    #[must_use]
    pub fn list(item: Self) -> Self {
        Self::List(Arc::new(item))
    }

    /// `inner?`; an optional stays as it is.
    #[must_use]
    pub fn optional(inner: Self) -> Self {
        if matches!(inner, Self::Optional(_)) { inner } else { Self::Optional(Arc::new(inner)) }
    }

    /// The type without its `?`.
    #[must_use]
    pub fn required(&self) -> &Self {
        if let Self::Optional(inner) = self { inner } else { self }
    }

    /// Whether a value of type `found` may stand where this type is wanted. One T may stand for `[T]`.
    #[must_use]
    pub fn accepts(&self, found: &Self) -> bool {
        self.admits(found, true)
    }

    /// Whether every value of type `found` is a value of this type as it is.
    #[must_use]
    pub fn contains(&self, found: &Self) -> bool {
        self.admits(found, false)
    }

    /// Whether the type is a kind of files.
    #[must_use]
    pub fn is_files(&self) -> bool {
        Self::Files.contains(self) && !matches!(self, Self::Unknown | Self::Nothing)
    }

    /// Whether a value of this type comes out of a build step or from outside, so it has no text.
    #[must_use]
    pub fn is_artifact(&self) -> bool {
        self.is_files() || matches!(self, Self::Packages | Self::Secret | Self::Script)
    }

    /// The smallest type that contains both.
    #[must_use]
    pub fn join(&self, other: &Self) -> Option<Self> {
        if self.contains(other) {
            return Some(self.clone());
        }
        if other.contains(self) {
            return Some(other.clone());
        }
        match (self, other) {
            (Self::Optional(a), b) | (b, Self::Optional(a)) => Some(Self::optional(a.join(b.required())?)),
            (Self::List(a), Self::List(b)) => Some(Self::list(a.join(b)?)),
            _ => (self.is_files() && other.is_files()).then_some(Self::Files),
        }
    }

    fn admits(&self, found: &Self, convert: bool) -> bool {
        match (self, found) {
            (Self::Unknown, _) | (_, Self::Unknown | Self::Nothing) => true,
            (Self::Optional(wanted), Self::Optional(found)) => wanted.admits(found, convert),
            (Self::Optional(wanted), found) => wanted.admits(found, convert),
            (Self::List(wanted), Self::List(found)) => wanted.admits(found, convert),
            (Self::List(wanted), found) => convert && wanted.admits(found, convert),
            (Self::Command, Self::List(found)) => Self::Str.admits(found, false),
            (Self::Map(wanted), Self::Map(found)) => wanted.admits(found, convert),
            (Self::Map(wanted), Self::Record(fields)) => fields.iter().all(|(_, found)| wanted.admits(found, convert)),
            (Self::Record(wanted), Self::Record(found)) => admits_record(wanted, found, convert),
            (Self::Tree, Self::Image) | (Self::Port, Self::Int | Self::Str) => true,
            (Self::Files, Self::Source | Self::Tree | Self::Image | Self::Blob) => true,
            _ => self == found,
        }
    }
}

fn admits_record(wanted: &[(String, Type)], found: &[(String, Type)], convert: bool) -> bool {
    let field = |fields: &[(String, Type)], name: &str| fields.iter().find(|(known, _)| known == name).cloned();
    found.iter().all(|(name, _)| field(wanted, name).is_some())
        && wanted.iter().all(|(name, wanted)| match field(found, name) {
            Some((_, found)) => wanted.admits(&found, convert),
            None => matches!(wanted, Type::Optional(_)),
        })
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(item) => write!(f, "[{item}]"),
            Self::Map(value) => write!(f, "{{Str: {value}}}"),
            Self::Optional(inner) if **inner == Self::Nothing => f.write_str("none"),
            Self::Optional(inner) => write!(f, "{inner}?"),
            Self::Record(fields) => {
                let fields: Vec<String> = fields.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
                write!(f, "{{{}}}", fields.join(", "))
            }
            Self::Command => f.write_str("[Str]"),
            Self::Port => f.write_str("Int or Str"),
            Self::Nothing | Self::Unknown => f.write_str("_"),
            plain => write!(f, "{plain:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_item_stands_for_a_list() {
        let trees = Type::list(Type::Files);
        for found in [Type::Image, Type::Tree, Type::Source, Type::list(Type::Image), Type::list(Type::Nothing)] {
            assert!(trees.accepts(&found), "{found}");
        }
        assert!(!trees.contains(&Type::Image));
        assert!(!Type::Image.accepts(&Type::Tree));
        assert!(!Type::Command.accepts(&Type::Str));
    }

    #[test]
    fn join_finds_the_smallest_type() {
        let some_text = Type::optional(Type::Str);
        for (left, right, joined) in [
            (Type::Image, Type::Tree, Some(Type::Tree)),
            (Type::Image, Type::Source, Some(Type::Files)),
            (Type::optional(Type::Nothing), Type::Str, Some(some_text)),
            (Type::Str, Type::Int, None),
            (Type::Str, Type::list(Type::Str), None),
            (Type::list(Type::Image), Type::list(Type::Source), Some(Type::list(Type::Files))),
        ] {
            assert_eq!(left.join(&right), joined, "{left} {right}");
            assert_eq!(right.join(&left), joined, "{right} {left}");
        }
    }

    #[test]
    fn records_fit_field_by_field() {
        let record = |fields: &[(&str, Type)]| {
            Type::Record(fields.iter().map(|(name, ty)| ((*name).to_owned(), ty.clone())).collect())
        };
        let wanted = record(&[("a", Type::Str), ("b", Type::optional(Type::Int))]);
        assert!(wanted.accepts(&record(&[("a", Type::Str)])));
        assert!(!wanted.accepts(&record(&[("b", Type::Int)])));
        assert!(!wanted.accepts(&record(&[("a", Type::Str), ("c", Type::Str)])));
        assert!(Type::Map(Arc::new(Type::Str)).accepts(&record(&[("x", Type::Str)])));
    }
}
