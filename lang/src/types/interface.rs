//! What one file offers to others: the names it declares and their types.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Type;
use crate::source::Span;

/// The names a file declares, imports apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interface {
    /// By name.
    pub items: BTreeMap<String, Declared>,
}

/// One declared name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// What it is.
    pub kind: DeclaredKind,
    /// Where its name stands.
    pub span: Span,
    /// Its doc comment.
    pub doc: Option<String>,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeclaredKind {
    /// A value.
    Value(Type),
    /// A function.
    Function(Arc<Signature>),
    /// An imported file; `None` if it could not be loaded, which has been reported.
    Module(Option<Arc<Interface>>),
}

/// What a function takes and yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Its name.
    pub name: String,
    /// Its parameters; all of them may be given by name.
    pub parameters: Vec<Parameter>,
    /// What it yields.
    pub result: Type,
    /// Who implements it.
    pub implementation: Implementation,
}

/// Who implements a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Implementation {
    /// It has a body.
    Written,
    /// It is built in.
    Builtin,
}

/// A parameter of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// Whether it may be left out: it has a default, or its type is optional.
    pub optional: bool,
    /// Where it is declared.
    pub span: Span,
    /// Its doc comment.
    pub doc: Option<String>,
}

impl Signature {
    /// The parameter of this name and its position.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<(usize, &Parameter)> {
        self.parameters.iter().enumerate().find(|(_, parameter)| parameter.name == name)
    }
}
