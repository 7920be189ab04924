//! The check of one file: names declared once, no cycles, every declaration typed, nothing useless.

use std::collections::HashMap;
use std::sync::Arc;

use super::checker::{Checker, Reason};
use super::interface::{Declared, DeclaredKind, Implementation, Interface, Parameter, Signature};
use super::{Type, messages, type_of};
use crate::diagnostic::{Code, Diagnostic};
use crate::hir::{Declaration, DeclarationKind, Expr, ExprKind, Module, TypeExpr};
use crate::resolve::{self, Order};
use crate::source::{FileId, Span};

/// Why a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The command line names it.
    Root,
    /// Another file imports it.
    Imported,
    /// It belongs to the standard library.
    Library,
}

/// What a file can see beside its own declarations.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// What every expression sees unless the file declares the same name.
    pub builtins: &'a Interface,
    /// What may stand right of `input x =`, and nowhere else.
    pub constructors: &'a Interface,
    /// What each import declaration brought, by the name it binds; `None` if loading failed and was reported.
    pub imports: &'a HashMap<String, Option<Arc<Interface>>>,
    /// Why the file is read.
    pub role: Role,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// What the file offers to others.
    pub interface: Interface,
    /// Indices of the declarations; each comes after those it refers to (unless there are errors).
    pub sequence: Vec<usize>,
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
}

/// Checks the names and types of one file. Never fails; what is wrong is in the result.
#[must_use]
pub fn check(module: &Module, file: FileId, scope: &Scope<'_>) -> Checked {
    let mut checker = Checker::new(file, scope);
    let declared = declare(module, &mut checker);
    let order = resolve::order(module, &declared);
    report_cycles(module, &order, &mut checker);
    let mut interface = Interface::default();
    for &index in &order.sequence {
        let declaration = &module.declarations[index];
        let kind = item(declaration, &mut checker);
        if declared.get(declaration.name.text.as_str()) == Some(&index) {
            publish(declaration, kind, &mut checker, &mut interface);
        }
    }
    report_unused(module, &order, &declared, &mut checker);
    Checked { interface, sequence: order.sequence, diagnostics: checker.diagnostics }
}

/// The first declaration of each name; functions and members of cycles are known from here on.
fn declare<'m>(module: &'m Module, checker: &mut Checker<'_>) -> HashMap<&'m str, usize> {
    let mut declared: HashMap<&str, usize> = HashMap::new();
    for (index, declaration) in module.declarations.iter().enumerate() {
        let name = declaration.name.text.as_str();
        if name.is_empty() {
            continue;
        }
        match declared.get(name) {
            Some(first) => {
                let first = checker.span(module.declarations[*first].name.range);
                let span = checker.span(declaration.name.range);
                checker.report(messages::declared_twice(name, span, first));
            }
            None => {
                declared.insert(name, index);
                report_hidden(declaration, checker);
                let kind = signature(declaration, checker).unwrap_or(DeclaredKind::Value(Type::Unknown));
                checker.globals.insert(name.to_owned(), kind);
            }
        }
    }
    declared
}

fn report_hidden(declaration: &Declaration, checker: &mut Checker<'_>) {
    let name = &declaration.name.text;
    if checker.scope.role != Role::Library && checker.scope.builtins.items.contains_key(name) {
        let span = checker.span(declaration.name.range);
        let message = format!("`{name}` hides the built-in `{name}` in this file");
        checker.report(Diagnostic::warning(Code("W0202"), span, message).help("another name keeps both within reach"));
    }
}

fn signature(declaration: &Declaration, checker: &mut Checker<'_>) -> Option<DeclaredKind> {
    let DeclarationKind::Fn(function) = &declaration.kind else { return None };
    let mut parameters: Vec<Parameter> = Vec::new();
    for written in &function.parameters {
        // Two parameters of one name are a matter of syntax and have been reported.
        if parameters.iter().all(|known| known.name != written.name.text) {
            parameters.push(parameter(written, checker));
        }
    }
    let result = written(&function.result, checker);
    let implementation = if function.body.is_some() { Implementation::Written } else { Implementation::Builtin };
    Some(DeclaredKind::Function(Arc::new(Signature {
        name: declaration.name.text.clone(),
        parameters,
        result,
        implementation,
    })))
}

fn parameter(parameter: &crate::hir::Parameter, checker: &mut Checker<'_>) -> Parameter {
    let ty = written(&parameter.ty, checker);
    Parameter {
        name: parameter.name.text.clone(),
        optional: parameter.default.is_some() || matches!(ty, Type::Optional(_)),
        ty,
        span: checker.span(parameter.name.range),
        doc: parameter.doc.clone(),
    }
}

fn written(ty: &TypeExpr, checker: &mut Checker<'_>) -> Type {
    type_of(ty, checker.file, checker.scope.role == Role::Library, &mut checker.diagnostics)
}

fn item(declaration: &Declaration, checker: &mut Checker<'_>) -> DeclaredKind {
    match &declaration.kind {
        DeclarationKind::Input(value) => DeclaredKind::Value(checker.input(value)),
        DeclarationKind::Param { ty, default } => {
            DeclaredKind::Value(param(declaration, ty, default.as_ref(), checker))
        }
        DeclarationKind::Import(_) => {
            DeclaredKind::Module(checker.scope.imports.get(&declaration.name.text).cloned().flatten())
        }
        DeclarationKind::Let(value) => DeclaredKind::Value(checker.infer(value, None)),
        DeclarationKind::Fn(function) => {
            checker.body(function);
            let known = checker.globals.get(&declaration.name.text).cloned();
            known.unwrap_or(DeclaredKind::Value(Type::Unknown))
        }
        DeclarationKind::Target(value) => DeclaredKind::Value(target(&declaration.name.text, value, checker)),
    }
}

fn publish(declaration: &Declaration, kind: DeclaredKind, checker: &mut Checker<'_>, interface: &mut Interface) {
    let name = &declaration.name.text;
    checker.globals.insert(name.clone(), kind.clone());
    if !matches!(kind, DeclaredKind::Module(_)) {
        let span = checker.span(declaration.name.range);
        interface.items.insert(name.clone(), Declared { kind, span, doc: declaration.doc.clone() });
    }
}

fn param(declaration: &Declaration, ty: &TypeExpr, default: Option<&Expr>, checker: &mut Checker<'_>) -> Type {
    let name = &declaration.name.text;
    let declared = written(ty, checker);
    let span = checker.span(ty.range);
    if !settable(&declared) && checker.scope.role != Role::Library {
        let message = format!("`{name}` cannot be of type `{declared}`: a param is set on the command line");
        checker.report(
            Diagnostic::error(Code("E0318"), span, message).help("it is a Str, Int, Bool or [Str], or one with `?`"),
        );
        return Type::Unknown;
    }
    match default {
        Some(value) => checker.expect(value, &declared, &Reason::new(format!("`{name}` is declared here"), span)),
        None if checker.scope.role == Role::Imported && !matches!(declared, Type::Optional(_)) => {
            let message = format!("`{name}` needs a default: only params of the file that is built can be set");
            let span = checker.span(declaration.name.range);
            checker.report(Diagnostic::error(Code("E0211"), span, message).help("write `= value` behind the type"));
        }
        None => {}
    }
    declared
}

fn settable(ty: &Type) -> bool {
    match ty.required() {
        Type::Str | Type::Int | Type::Bool | Type::Unknown => true,
        Type::List(item) => matches!(**item, Type::Str | Type::Unknown),
        _ => false,
    }
}

fn target(name: &str, value: &Expr, checker: &mut Checker<'_>) -> Type {
    let found = checker.infer(value, None);
    if !Type::Files.accepts(&found) {
        let span = checker.span(value.range);
        let message = format!("target `{name}` is of type `{found}`: only an image, a tree or files can be asked for");
        let report = Diagnostic::error(Code("E0317"), span, message);
        let list = matches!(found, Type::List(_));
        checker.report(if list { report.help("`image { layers = [...] }` makes one image of a list") } else { report });
        return Type::Unknown;
    }
    found
}

fn report_cycles(module: &Module, order: &Order, checker: &mut Checker<'_>) {
    for links in &order.cycles {
        let named: Vec<(&Declaration, Span)> =
            links.iter().map(|l| (&module.declarations[l.declaration], checker.span(l.reference))).collect();
        let functions = named.iter().all(|(declaration, _)| matches!(declaration.kind, DeclarationKind::Fn(_)));
        let names: Vec<(&str, Span)> = named.iter().map(|(d, span)| (d.name.text.as_str(), *span)).collect();
        checker.diagnostics.extend(messages::cycle(&names, functions));
        checker.poisoned.extend(names.iter().map(|(name, _)| (*name).to_owned()));
    }
}

fn report_unused(module: &Module, order: &Order, declared: &HashMap<&str, usize>, checker: &mut Checker<'_>) {
    let role = checker.scope.role;
    for (index, declaration) in module.declarations.iter().enumerate() {
        let name = declaration.name.text.as_str();
        let kind = match &declaration.kind {
            DeclarationKind::Import(_) => "import",
            DeclarationKind::Let(_) if role == Role::Root => "let",
            DeclarationKind::Input(_) if role == Role::Root => "input",
            DeclarationKind::Param { .. } if role == Role::Root => "param",
            _ => continue,
        };
        if role == Role::Library || order.used[index] || name.starts_with('_') || declared.get(name) != Some(&index) {
            continue;
        }
        let span = checker.span(declaration.name.range);
        checker.report(messages::unused(kind, name, span));
    }
}

/// Whether an expression is a literal: text without interpolation, a number, a truth value, or a list of those.
pub(super) fn is_literal(expr: &Expr) -> bool {
    use crate::hir::{Element, Fragment};
    match &expr.kind {
        ExprKind::Str(text) => text.fragments.iter().all(|fragment| matches!(fragment, Fragment::Text { .. })),
        ExprKind::Int(_) | ExprKind::Bool(_) | ExprKind::None | ExprKind::Missing => true,
        ExprKind::List(elements) => elements.iter().all(|element| match element {
            Element::Item(item) => is_literal(item),
            Element::Spread(_) => false,
        }),
        _ => false,
    }
}
