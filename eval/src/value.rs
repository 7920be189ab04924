//! Values: what expressions yield. Immutable, shared, free of cycles because nothing can be changed after it is made.

use std::collections::BTreeMap;
use std::sync::Arc;

use sinter_graph::derivation::{Files, InputId, NodeId};
use sinter_graph::pattern::Patterns;
use sinter_graph::platform::Platform;
use sinter_lang::source::Span;
use sinter_lang::types::Type;

use crate::origins::ScriptLine;

/// What an expression yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// `none`
    None,
    Str(Arc<str>),
    Int(i64),
    Bool(bool),
    List(Arc<[Value]>),
    Record(Arc<BTreeMap<Arc<str>, Value>>),
    /// A tree or an image.
    Tree(NodeId),
    /// An input of files, whole.
    Source(InputId),
    Packages(InputId),
    Files(Arc<Files>),
    Script(Arc<ScriptText>),
    Platform(Arc<Platform>),
}

/// A script with its values inserted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScriptText {
    /// `sh`, `bash`, `python`.
    pub(crate) tag: String,
    /// Ends with a newline.
    pub(crate) text: String,
    pub(crate) lines: Vec<ScriptLine>,
    /// The literal.
    pub(crate) span: Span,
}

impl Value {
    pub(crate) fn str(text: impl AsRef<str>) -> Self {
        Self::Str(Arc::from(text.as_ref()))
    }

    /// The value as `ty` wants it: one T becomes a list where a list is wanted. What does not fit stays as it is; the
    /// checker has seen to it that there is no such value.
    pub(crate) fn fit(self, ty: &Type) -> Self {
        match (ty, self) {
            (Type::Optional(inner), value) if value != Self::None => value.fit(inner),
            (Type::List(item), Self::List(values)) if may_change(item) => {
                Self::List(values.iter().map(|value| value.clone().fit(item)).collect())
            }
            (Type::List(_), list @ (Self::List(_) | Self::None)) => list,
            (Type::List(item), value) => Self::List(Arc::from([value.fit(item)])),
            (Type::Map(item), Self::Record(fields)) if may_change(item) => {
                let fit = |(name, value): (&Arc<str>, &Self)| (name.clone(), value.clone().fit(item));
                Self::Record(Arc::new(fields.iter().map(fit).collect()))
            }
            (Type::Record(types), Self::Record(fields)) => Self::Record(Arc::new(fit_record(types, &fields))),
            (_, value) => value,
        }
    }

    /// The value as a selection of files: a whole source or tree means all of it.
    pub(crate) fn to_files(&self) -> Option<Files> {
        match self {
            Self::Source(input) => Some(Files::Source { input: *input, patterns: Patterns::default() }),
            Self::Tree(tree) => Some(Files::Tree { tree: *tree, patterns: Patterns::default() }),
            Self::Files(files) => Some((**files).clone()),
            _ => None,
        }
    }

    /// The value as text; `None` if it has none.
    pub(crate) fn to_text(&self) -> Option<String> {
        match self {
            Self::Str(text) => Some(text.to_string()),
            Self::Int(number) => Some(number.to_string()),
            Self::Bool(truth) => Some(truth.to_string()),
            Self::Platform(platform) => Some(platform.to_string()),
            _ => None,
        }
    }
}

/// Whether fitting may change a value of this type.
fn may_change(ty: &Type) -> bool {
    matches!(ty, Type::List(_) | Type::Map(_) | Type::Record(_) | Type::Optional(_))
}

fn fit_record(types: &[(String, Type)], fields: &BTreeMap<Arc<str>, Value>) -> BTreeMap<Arc<str>, Value> {
    let given = fields.iter().map(|(name, value)| {
        let ty = types.iter().find(|(known, _)| **known == **name).map(|(_, ty)| ty);
        (name.clone(), ty.map_or_else(|| value.clone(), |ty| value.clone().fit(ty)))
    });
    let mut fitted: BTreeMap<Arc<str>, Value> = given.collect();
    for (name, _) in types {
        if !fitted.contains_key(name.as_str()) {
            fitted.insert(Arc::from(name.as_str()), Value::None);
        }
    }
    fitted
}
