//! What the type checker says, in one place so that it is said the same way everywhere.

use super::Type;
use super::interface::{Interface, Parameter, Signature};
use crate::diagnostic::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind, Fragment, StringLiteral};
use crate::resolve::suggest;
use crate::source::Span;

pub(super) fn declared_twice(name: &str, span: Span, first: Span) -> Diagnostic {
    let report = Diagnostic::error(Code("E0202"), span, format!("`{name}` is declared twice")).label("declared again");
    report.with_place(first, "first here")
}

pub(super) fn unused(kind: &str, name: &str, span: Span) -> Diagnostic {
    let report = Diagnostic::warning(Code("W0201"), span, format!("nothing uses the {kind} `{name}`"));
    report.help(format!("remove it, or call it `_{name}` to keep it"))
}

/// A cycle: each name and where it refers to the next one.
pub(super) fn cycle(names: &[(&str, Span)], functions: bool) -> Option<Diagnostic> {
    let way: Vec<&str> = names.iter().map(|(name, _)| *name).chain(names.first().map(|(name, _)| *name)).collect();
    let way = way.join(" -> ");
    let ((_, first), rest) = names.split_first()?;
    let report = if functions {
        let message = format!("a function cannot call itself, directly or through others: {way}");
        Diagnostic::error(Code("E0204"), *first, message).help("a list is walked with `[... for x in list]`")
    } else {
        let message = format!("declarations need each other in a circle: {way}");
        Diagnostic::error(Code("E0203"), *first, message).help("take one of these references out")
    };
    let place = |report: Diagnostic, (name, span): &(&str, Span)| {
        report.with_place(*span, format!("`{name}` needs the next one here"))
    };
    Some(rest.iter().fold(report, place))
}

pub(super) fn function_as_value(signature: &Signature, span: Span) -> Diagnostic {
    let name = &signature.name;
    let report = Diagnostic::error(Code("E0316"), span, format!("`{name}` is a function: it has to be called here"));
    report.help(usage(signature))
}

fn usage(signature: &Signature) -> String {
    let required: Vec<String> =
        signature.parameters.iter().filter(|p| !p.optional).map(|p| format!("{} = ...", p.name)).collect();
    format!("write `{}({})`", signature.name, required.join(", "))
}

pub(super) fn module_as_value(name: &str, module: &Interface, span: Span) -> Diagnostic {
    let report = Diagnostic::error(Code("E0209"), span, format!("`{name}` is an import, not a value"));
    let names: Vec<&str> = module.items.keys().take(6).map(String::as_str).collect();
    report.help(format!("use what it offers: `{name}.{}`", names.join(&format!("`, `{name}."))))
}

pub(super) fn no_member(module: &Expr, name: &str, interface: &Interface, span: Span) -> Diagnostic {
    let module = if let ExprKind::Name(module) = &module.kind { module } else { "the import" };
    let names: Vec<&str> = interface.items.keys().map(String::as_str).collect();
    let report = Diagnostic::error(Code("E0208"), span, format!("`{module}` has no `{name}`"));
    suggested(report, name, &names, span, format!("it has `{}`", names.join("`, `")))
}

fn suggested(report: Diagnostic, name: &str, names: &[&str], span: Span, otherwise: String) -> Diagnostic {
    match suggest::nearest(name, names.iter().copied()) {
        Some(known) => {
            report.help(format!("did you mean `{known}`?")).fix(format!("write `{known}`"), span.range, known)
        }
        None if names.is_empty() => report,
        None => report.help(otherwise),
    }
}

pub(super) fn no_field(name: &str, names: &[&str], span: Span) -> Diagnostic {
    let report = Diagnostic::error(Code("E0307"), span, format!("there is no field `{name}`"));
    suggested(report, name, names, span, format!("the fields are `{}`", names.join("`, `")))
}

pub(super) fn no_fields(name: &str, found: &Type, span: Span) -> Diagnostic {
    let report = Diagnostic::error(Code("E0307"), span, format!("a value of type `{found}` has no field `{name}`"));
    match found {
        Type::Optional(_) => report.help("it may be `none`: write `(value ?? default)` first"),
        found if found.is_files() => report.help("files are selected with `[\"path\"]`"),
        _ => report,
    }
}

pub(super) fn not_selectable(found: &Type, span: Span) -> Diagnostic {
    let message = format!("`[...]` selects files of a source or tree, this is of type `{found}`");
    let report = Diagnostic::error(Code("E0312"), span, message);
    match found {
        Type::Packages => report.help("`debian.unpack(packages)` makes a tree of packages (`import std.debian`)"),
        Type::List(_) => report.help("items of a list are taken with `[x for x in list if condition]`"),
        _ => report,
    }
}

pub(super) fn not_spreadable(found: &Type, wanted: &str, span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0319"), span, format!("`...` here takes {wanted}, this is of type `{found}`"))
}

pub(super) fn operands(what: &str, left: &Type, right: &Type, span: Span) -> Diagnostic {
    let message = format!("values of types `{left}` and `{right}` cannot be {what}");
    let message = if what == "alternatives" {
        format!("the value before `??` is of type `{left}`, the one behind it of type `{right}`")
    } else {
        message
    };
    let report = Diagnostic::error(Code("E0314"), span, message);
    match (what, left, right) {
        ("added", left, right) if left.is_files() && right.is_files() => report.help("a list is a merge: `[a, b]`"),
        ("added", Type::Str, Type::Int) | ("added", Type::Int, Type::Str) => {
            report.help("insert the number: `\"text ${{ number }}\"`")
        }
        ("added", Type::Int, Type::Int) => report.help("there is no arithmetic"),
        ("added", Type::List(_), _) => report.help("a single item is added as `+ [item]`"),
        _ => report,
    }
}

pub(super) fn never_none(found: &Type, span: Span) -> Diagnostic {
    let message = format!("this is of type `{found}` and never `none`, so `??` does nothing");
    Diagnostic::error(Code("E0314"), span, message).help("take `??` and what follows out")
}

pub(super) fn not_text(found: &Type, span: Span) -> Diagnostic {
    if !found.is_artifact() {
        return not_insertable(found, span);
    }
    let message = format!("a value of type `{found}` has no text, so it cannot stand in a string");
    let report = Diagnostic::error(Code("E0310"), span, message);
    match found {
        Type::Secret => report.help("give it to the step that needs it: `secrets = { NAME = ... }`"),
        Type::Packages | Type::Script => report,
        _ => report.help("declare it in `files` of the step that needs it and write its path"),
    }
}

pub(super) fn not_insertable(found: &Type, span: Span) -> Diagnostic {
    let code = if *found == Type::Secret { "E0310" } else { "E0311" };
    let report = Diagnostic::error(Code(code), span, format!("a value of type `{found}` cannot be inserted into text"));
    match found {
        Type::Optional(_) => report.help("say what stands for `none`: `${{ value ?? \"default\" }}`"),
        Type::List(_) => report.help("only a `[Str]` can be inserted, and only into a script"),
        Type::Secret => report.help("give it to the step that needs it: `secrets = { NAME = ... }`"),
        Type::Record(_) => report.help("insert one of its fields"),
        _ => report,
    }
}

pub(super) fn too_many(signature: &Signature, span: Span) -> Diagnostic {
    let count = signature.parameters.len();
    let message = format!("`{}` takes {count} argument{}", signature.name, if count == 1 { "" } else { "s" });
    Diagnostic::error(Code("E0305"), span, message).label("one too many").help(usage(signature))
}

pub(super) fn unknown_argument(signature: &Signature, name: &str, span: Span) -> Diagnostic {
    let names: Vec<&str> = signature.parameters.iter().map(|p| p.name.as_str()).collect();
    let report = Diagnostic::error(Code("E0303"), span, format!("`{}` has no argument `{name}`", signature.name));
    if let Some(advice) = absent_argument(&signature.name, name) {
        return report.help(advice);
    }
    if let Some(known) = suggest::foreign_argument(name, &names) {
        return report.help(format!("here it is called `{known}`")).fix(format!("write `{known}`"), span.range, known);
    }
    suggested(report, name, &names, span, format!("its arguments are `{}`", names.join("`, `")))
}

/// Arguments that people look for where they cannot be, and what to do.
fn absent_argument(function: &str, name: &str) -> Option<&'static str> {
    match (function, name) {
        ("run", "entrypoint" | "cmd" | "expose" | "labels" | "volumes" | "healthcheck") => {
            Some("a step has no configuration: say it in `image { ... }`")
        }
        ("run", "layers") => Some("a step stands on `from`, which takes a list too"),
        ("run", "cwd" | "dir" | "working_dir") => Some("here it is called `workdir`"),
        ("image", "script") => Some("an image runs nothing: make a step with `run { ... }` and name it in `layers`"),
        ("image", "files") => Some("files are layers too: `layers = [base, src[\"...\"]]`"),
        ("image", "tag" | "tags" | "name" | "repository") => {
            Some("names are no part of the result: `sinter build -o docker://REFERENCE` gives them")
        }
        _ => None,
    }
}

pub(super) fn missing_arguments(signature: &Signature, missing: &[&Parameter], span: Span) -> Diagnostic {
    let names: Vec<String> = missing.iter().map(|p| format!("`{}`", p.name)).collect();
    let message = format!("`{}` needs {}", signature.name, names.join(", "));
    let report = Diagnostic::error(Code("E0302"), span, message);
    missing.iter().fold(report, |report, parameter| {
        report.with_place(parameter.span, format!("`{}: {}` is declared without default", parameter.name, parameter.ty))
    })
}

pub(super) fn unknown_constructor(name: &str, known: &[&str], span: Span) -> Diagnostic {
    let report = Diagnostic::error(Code("E0402"), span, format!("`{name}` does not make an input"));
    let foreign = match name {
        "image" | "docker" | "from" | "FROM" | "oci" => Some("pull"),
        "url" | "http" | "download" | "wget" | "curl" => Some("fetch"),
        "local" | "path" | "directory" | "source" | "files" => Some("dir"),
        "apt" | "deb" | "packages" | "ubuntu" => Some("debian"),
        "env" => Some("secret"),
        _ => None,
    };
    match foreign {
        Some(known) => {
            report.help(format!("did you mean `{known}`?")).fix(format!("write `{known}`"), span.range, known)
        }
        None => suggested(
            report,
            name,
            known,
            span,
            format!("inputs are made by `{}`; anything else is a `let`", known.join("`, `")),
        ),
    }
}

/// The report on a value of the wrong type.
pub(super) fn mismatch(expr: &Expr, wanted: &Type, found: &Type, span: Span) -> Diagnostic {
    let wanted = wanted.required();
    if matches!((wanted, found), (Type::Command, Type::Str)) {
        return shell_form(expr, span);
    }
    let message = format!("a value of type `{wanted}` is wanted, this is of type `{found}`");
    let report = Diagnostic::error(Code("E0301"), span, message).label(format!("this is of type `{found}`"));
    advise(report, expr, wanted, found, span)
}

fn advise(report: Diagnostic, expr: &Expr, wanted: &Type, found: &Type, span: Span) -> Diagnostic {
    match (wanted, found) {
        (Type::Script, Type::Str) if matches!(expr.kind, ExprKind::Str(_)) => {
            let at = crate::source::TextRange::new(span.range.start, span.range.start);
            report.help("the tag says what runs it").fix("make it a shell script", at, "sh ")
        }
        (Type::Str, Type::Int | Type::Bool) => match literal(expr) {
            Some(text) => report.fix("write it as text", span.range, format!("\"{text}\"")),
            None => report.help("insert it: `\"${{ value }}\"`"),
        },
        (Type::Int, Type::Str) => match plain_text(expr).filter(|text| text.parse::<i64>().is_ok()) {
            Some(text) => report.fix("write it without quotes", span.range, text),
            None => report,
        },
        (_, Type::Optional(inner)) if **inner != Type::Nothing && wanted.accepts(inner) => {
            report.help("it may be `none`: write `value ?? default`")
        }
        (Type::Tree | Type::Files, Type::Packages) => report.help(
            "`debian.rootfs(packages)` or `debian.unpack(packages)` makes a tree of packages (`import std.debian`)",
        ),
        (Type::List(item), Type::Packages) if **item == Type::Files => report.help(
            "`debian.rootfs(packages)` or `debian.unpack(packages)` makes a tree of packages (`import std.debian`)",
        ),
        (Type::Image, Type::Tree) => report.help("`image { from = tree }` makes an image of a tree"),
        (Type::Files, Type::List(_)) => report.help("one thing is wanted here, not a list"),
        (Type::Files | Type::Source, Type::Str) => report.help("select it from a source: `src[\"path\"]`"),
        (Type::List(item), Type::Str) if **item == Type::Files => {
            report.help("select it from a source: `src[\"path\"]`")
        }
        _ => report,
    }
}

fn literal(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Int(number) => Some(number.to_string()),
        ExprKind::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn plain_text(expr: &Expr) -> Option<String> {
    let ExprKind::Str(StringLiteral { fragments, .. }) = &expr.kind else { return None };
    match fragments.as_slice() {
        [] => Some(String::new()),
        [Fragment::Text { text, .. }] => Some(text.clone()),
        _ => None,
    }
}

/// A command given as one string.
fn shell_form(expr: &Expr, span: Span) -> Diagnostic {
    let message = "a command is a list of words, because no shell splits it";
    let report = Diagnostic::error(Code("E0309"), span, message).label("this is one Str");
    let Some(text) = plain_text(expr) else { return report.help("write `[\"program\", \"argument\"]`") };
    let needs_shell = text.contains(['$', '|', '&', ';', '<', '>', '*', '"', '\'', '`', '\\', '(', ')']);
    let list = |words: &[&str]| {
        let quoted: Vec<String> =
            words.iter().map(|w| format!("\"{}\"", w.replace('\\', "\\\\").replace('"', "\\\""))).collect();
        format!("[{}]", quoted.join(", "))
    };
    let fixed =
        if needs_shell { list(&["sh", "-c", &text]) } else { list(&text.split_whitespace().collect::<Vec<_>>()) };
    report.help(format!("write `{fixed}`")).fix("write it as a list", span.range, fixed)
}
