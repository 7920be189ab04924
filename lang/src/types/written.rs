//! From a type as written to a type.

use super::Type;
use crate::diagnostic::{Code, Diagnostic};
use crate::hir::{TypeExpr, TypeKind};
use crate::resolve::suggest;
use crate::source::{FileId, Span};

/// The types that have a name.
const NAMED: &[(&str, Type)] = &[
    ("Str", Type::Str),
    ("Int", Type::Int),
    ("Bool", Type::Bool),
    ("Source", Type::Source),
    ("Tree", Type::Tree),
    ("Image", Type::Image),
    ("Blob", Type::Blob),
    ("Packages", Type::Packages),
    ("Script", Type::Script),
    ("Secret", Type::Secret),
    ("Platform", Type::Platform),
    ("Files", Type::Files),
];

/// Named types that only the prelude may write.
const PRELUDE: &[(&str, Type)] = &[("Command", Type::Command), ("Port", Type::Port)];

/// What people call these types elsewhere.
const FOREIGN: &[(&str, &str)] = &[
    ("String", "Str"),
    ("string", "Str"),
    ("str", "Str"),
    ("Text", "Str"),
    ("Integer", "Int"),
    ("int", "Int"),
    ("number", "Int"),
    ("Number", "Int"),
    ("Boolean", "Bool"),
    ("bool", "Bool"),
    ("boolean", "Bool"),
    ("File", "Files"),
    ("Path", "Str"),
    ("Layer", "Tree"),
    ("List", "[Str]"),
    ("Map", "{Str: Str}"),
];

/// The type that `written` names. `prelude` admits the types that only the prelude may write. What is wrong goes to
/// `diagnostics` and gives [`Type::Unknown`].
pub fn type_of(written: &TypeExpr, file: FileId, prelude: bool, diagnostics: &mut Vec<Diagnostic>) -> Type {
    let mut inner = |ty: &TypeExpr| type_of(ty, file, prelude, diagnostics);
    match &written.kind {
        TypeKind::List(item) => Type::list(inner(item)),
        TypeKind::Map(value) => Type::Map(inner(value).into()),
        TypeKind::Optional(value) => Type::optional(inner(value)),
        TypeKind::Record(fields) => {
            Type::Record(fields.iter().map(|(name, ty)| (name.text.clone(), inner(ty))).collect())
        }
        TypeKind::Missing => Type::Unknown,
        TypeKind::Named(name) => named(name, prelude).unwrap_or_else(|| {
            diagnostics.push(unknown(name, Span { file, range: written.range }));
            Type::Unknown
        }),
    }
}

fn named(name: &str, prelude: bool) -> Option<Type> {
    let hidden = if prelude { PRELUDE } else { &[] };
    NAMED.iter().chain(hidden).find(|(known, _)| *known == name).map(|(_, ty)| ty.clone())
}

fn unknown(name: &str, span: Span) -> Diagnostic {
    let report = Diagnostic::error(Code("E0308"), span, format!("there is no type `{name}`")).label("unknown type");
    let foreign = FOREIGN.iter().find(|(word, _)| *word == name).map(|(_, known)| *known);
    match foreign.or_else(|| suggest::nearest(name, NAMED.iter().map(|(known, _)| *known))) {
        Some(known) => report.fix(format!("write `{known}`"), span.range, known),
        None => {
            let known: Vec<&str> = NAMED.iter().map(|(known, _)| *known).collect();
            report.help(format!("the types are {}, `[T]`, `{{Str: T}}`, `{{ name: T }}` and `T?`", known.join(", ")))
        }
    }
}
