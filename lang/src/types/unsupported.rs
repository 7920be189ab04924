//! What the language has and this version cannot do yet: each with a code of its own, reported where it is written.

use super::Type;
use crate::diagnostic::{Code, Diagnostic};
use crate::hir::Name;
use crate::resolve::suggest;
use crate::source::Span;

/// Input constructors: name, code, what to do instead.
const CONSTRUCTORS: &[(&str, &str, &str)] = &[
    ("git", "E0902", "a submodule or a vendored copy is found by `dir`"),
    ("fetch", "E0903", "put the file into the repository and take it with `dir`"),
    ("secret", "E0904", "prepare what needs the secret outside and take it with `dir`"),
];

/// Arguments of builtin functions: function, argument, code, what to do instead.
const ARGUMENTS: &[(&str, &str, &str, &str)] = &[
    ("run", "network", "E0905", "vendor what the step downloads and declare it in `files`"),
    ("run", "pinned_by", "E0906", "vendor what the step downloads and declare it in `files`"),
    ("run", "secrets", "E0907", "prepare what needs the secret outside and take it with `dir`"),
    ("run", "cache", "E0908", "cut the step into smaller ones: each is cached by what it sees"),
    ("run", "on", "E0909", "leave it out: steps run on the platform of this machine"),
    ("image", "platforms", "E0910", "leave it out: the image is made for the platform of this machine"),
];

/// Script tags that work.
const TAGS: &[&str] = &["sh", "bash", "python"];

/// Script tags that will work.
const LATER_TAGS: &[&str] = &["node", "ruby", "perl"];

/// The report on an input constructor that does not work yet.
pub(super) fn constructor(name: &str, span: Span) -> Option<Diagnostic> {
    let (_, code, instead) = CONSTRUCTORS.iter().find(|(known, _, _)| *known == name)?;
    Some(Diagnostic::error(Code(code), span, format!("`{name}` is not supported yet")).help(*instead))
}

/// The report on an argument of a builtin function that does not work yet.
pub(super) fn argument(function: &str, name: &str, span: Span) -> Option<Diagnostic> {
    let known = ARGUMENTS.iter().find(|(of, known, _, _)| *of == function && *known == name)?;
    let (_, _, code, instead) = known;
    Some(Diagnostic::error(Code(code), span, format!("`{name}` is not supported yet")).help(*instead))
}

/// The report on a file or tree in a script.
pub(super) fn mounted(ty: &Type, span: Span) -> Diagnostic {
    let message = format!("a value of type `{ty}` in a script is not supported yet");
    Diagnostic::error(Code("E0911"), span, message).help("declare it in `files` and use its path")
}

/// The report on a tag that does not work yet, or that does not exist.
pub(super) fn tag(tag: &Name, span: Span) -> Option<Diagnostic> {
    let name = tag.text.as_str();
    if TAGS.contains(&name) || name.is_empty() {
        return None;
    }
    let advice = "write `sh` and begin the script with a `#!` line";
    if LATER_TAGS.contains(&name) {
        return Some(
            Diagnostic::error(Code("E0912"), span, format!("the tag `{name}` is not supported yet")).help(advice),
        );
    }
    let report = Diagnostic::error(Code("E0320"), span, format!("there is no script tag `{name}`"));
    Some(match suggest::nearest(name, TAGS.iter().copied()) {
        Some(known) => report.fix(format!("write `{known}`"), span.range, known),
        None => report.help(format!("the tags are `sh`, `bash` and `python`; for another interpreter {advice}")),
    })
}
