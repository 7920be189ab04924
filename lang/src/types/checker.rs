//! The state of a check: scopes, reports, and what a name stands for.

use std::collections::{HashMap, HashSet};

use super::declarations::Scope;
use super::interface::DeclaredKind;
use super::{Type, messages};
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::hir::{Block, Expr, ExprKind, Function, Name};
use crate::resolve::suggest;
use crate::source::{FileId, Span, TextRange};

/// Why a type is wanted, and where that is said.
pub(super) struct Reason {
    text: String,
    span: Span,
}

impl Reason {
    pub(super) fn new(text: impl Into<String>, span: Span) -> Self {
        Self { text: text.into(), span }
    }

    pub(super) fn explain(&self, report: Diagnostic) -> Diagnostic {
        report.with_place(self.span, self.text.clone())
    }
}

struct Local {
    name: String,
    ty: Type,
    range: TextRange,
    /// Whether it is worth a warning if nothing uses it.
    watched: bool,
    used: bool,
}

pub(super) struct Checker<'a> {
    pub(super) file: FileId,
    pub(super) scope: &'a Scope<'a>,
    pub(super) globals: HashMap<String, DeclaredKind>,
    /// Names on a cycle: using them is not reported again.
    pub(super) poisoned: HashSet<String>,
    pub(super) diagnostics: Vec<Diagnostic>,
    locals: Vec<Local>,
    /// Where more reports than anybody reads are counted but not kept.
    errors: usize,
}

/// More errors than this in one file are not reported.
const MOST_ERRORS: usize = 200;

impl<'a> Checker<'a> {
    pub(super) fn new(file: FileId, scope: &'a Scope<'a>) -> Self {
        Self {
            file,
            scope,
            globals: HashMap::new(),
            poisoned: HashSet::new(),
            diagnostics: Vec::new(),
            locals: Vec::new(),
            errors: 0,
        }
    }

    pub(super) fn span(&self, range: TextRange) -> Span {
        Span { file: self.file, range }
    }

    pub(super) fn report(&mut self, report: Diagnostic) {
        self.errors += usize::from(report.severity == Severity::Error);
        if self.errors <= MOST_ERRORS {
            self.diagnostics.push(report);
        }
    }

    /// Checks the defaults and the body of a function.
    pub(super) fn body(&mut self, function: &Function) {
        let types: Vec<Type> = function.parameters.iter().map(|p| self.quietly(&p.ty)).collect();
        for (parameter, ty) in function.parameters.iter().zip(&types) {
            if let Some(value) = &parameter.default {
                let reason = Reason::new("the parameter is declared here", self.span(parameter.ty.range));
                self.expect(value, ty, &reason);
            }
        }
        for (parameter, ty) in function.parameters.iter().zip(types) {
            self.bind(&parameter.name, ty, false);
        }
        if let Some(block) = &function.body {
            let result = self.quietly(&function.result);
            let reason = Reason::new("the function yields this type", self.span(function.result.range));
            self.block(block, &result, &reason);
        }
        self.unbind(0);
    }

    // The signature has been reported on when it was declared.
    fn quietly(&self, ty: &crate::hir::TypeExpr) -> Type {
        let prelude = self.scope.role == super::Role::Library;
        super::type_of(ty, self.file, prelude, &mut Vec::new())
    }

    fn block(&mut self, block: &Block, result: &Type, reason: &Reason) {
        let start = self.locals.len();
        for (name, value) in &block.lets {
            let ty = self.infer(value, None);
            if let Some(first) = self.locals[start..].iter().find(|local| local.name == name.text) {
                let first = self.span(first.range);
                self.report(messages::declared_twice(&name.text, self.span(name.range), first));
            }
            self.bind(name, ty, true);
        }
        self.expect(&block.result, result, reason);
    }

    pub(super) fn bind(&mut self, name: &Name, ty: Type, watched: bool) {
        let local = Local { name: name.text.clone(), ty, range: name.range, watched, used: false };
        self.locals.push(local);
    }

    pub(super) fn depth(&self) -> usize {
        self.locals.len()
    }

    /// Ends the scope of the locals from `depth` on.
    pub(super) fn unbind(&mut self, depth: usize) {
        for local in self.locals.split_off(depth) {
            if local.watched && !local.used && !local.name.starts_with('_') && !local.name.is_empty() {
                let span = self.span(local.range);
                self.report(messages::unused("let", &local.name, span));
            }
        }
    }

    /// What a name stands for. The file's names win over the built-in ones.
    pub(super) fn lookup(&mut self, name: &str) -> Option<DeclaredKind> {
        if let Some(local) = self.locals.iter_mut().rev().find(|local| local.name == name) {
            local.used = true;
            return Some(DeclaredKind::Value(local.ty.clone()));
        }
        if self.poisoned.contains(name) && !matches!(self.globals.get(name), Some(DeclaredKind::Function(_))) {
            return Some(DeclaredKind::Value(Type::Unknown));
        }
        self.globals.get(name).or_else(|| Some(&self.scope.builtins.items.get(name)?.kind)).cloned()
    }

    /// The type of a name that is used as a value.
    pub(super) fn name(&mut self, name: &str, range: TextRange, hint: Option<&Type>) -> Type {
        let span = self.span(range);
        match self.lookup(name) {
            Some(DeclaredKind::Value(ty)) => return ty,
            Some(DeclaredKind::Function(signature)) => self.report(messages::function_as_value(&signature, span)),
            Some(DeclaredKind::Module(Some(module))) => self.report(messages::module_as_value(name, &module, span)),
            Some(DeclaredKind::Module(None)) => {}
            None => {
                let report = self.unknown_name(name, span, hint);
                self.report(report);
            }
        }
        Type::Unknown
    }

    /// The report on a name nobody declared.
    pub(super) fn unknown_name(&self, name: &str, span: Span, hint: Option<&Type>) -> Diagnostic {
        if self.scope.constructors.items.contains_key(name) {
            let message =
                format!("`{name}` makes an input, so it stands only right of `input name =` at the left margin");
            let report = Diagnostic::error(Code("E0205"), span, message);
            return report.help(format!("write `input some-name = {name}(...)` and use `some-name` here"));
        }
        let report = Diagnostic::error(Code("E0201"), span, format!("there is no `{name}` here")).label("unknown name");
        // Nobody reads more suggestions than reports, and each costs a look at every name.
        if self.errors >= MOST_ERRORS {
            return report;
        }
        if let Some(advice) = suggest::foreign_name(name) {
            return report.help(advice);
        }
        match suggest::nearest(name, self.visible().iter().map(String::as_str)) {
            Some(known) => {
                report.help(format!("did you mean `{known}`?")).fix(format!("write `{known}`"), span.range, known)
            }
            None => self.of_the_wanted_type(report, hint),
        }
    }

    fn of_the_wanted_type(&self, report: Diagnostic, hint: Option<&Type>) -> Diagnostic {
        let Some(wanted) = hint.map(Type::required).filter(|wanted| **wanted != Type::Unknown) else { return report };
        let fits =
            |kind: &DeclaredKind| matches!(kind, DeclaredKind::Value(ty) if *ty != Type::Unknown && wanted.accepts(ty));
        let mut names: Vec<String> =
            self.locals.iter().filter(|l| wanted.accepts(&l.ty)).map(|l| l.name.clone()).collect();
        names.extend(self.globals.iter().filter(|(_, kind)| fits(kind)).map(|(name, _)| name.clone()));
        names.sort();
        names.truncate(5);
        if names.is_empty() {
            report
        } else {
            report.help(format!("of the wanted type `{wanted}`: `{}`", names.join("`, `")))
        }
    }

    fn visible(&self) -> Vec<String> {
        let locals = self.locals.iter().rev().map(|local| local.name.clone());
        let mut names: Vec<String> = locals.chain(self.globals.keys().cloned()).collect();
        names.extend(self.scope.builtins.items.keys().cloned());
        names.sort();
        names
    }

    /// Checks that an expression may stand where `wanted` is wanted. Literals are looked into, so that the fault is
    /// shown at the item that has it.
    pub(super) fn expect(&mut self, expr: &Expr, wanted: &Type, reason: &Reason) {
        match (&expr.kind, wanted.required()) {
            (ExprKind::List(elements), list @ Type::List(item)) => self.expect_elements(elements, list, item, reason),
            (ExprKind::List(elements), Type::Command) => {
                self.expect_elements(elements, &Type::list(Type::Str), &Type::Str, reason);
            }
            (ExprKind::Record(fields), Type::Record(wanted)) => self.expect_record(expr, fields, wanted, reason),
            (ExprKind::Record(fields), map @ Type::Map(item)) => self.expect_map(fields, map, item, reason),
            (ExprKind::If(condition, yes, no), _) => {
                self.condition(condition);
                self.expect(yes, wanted, reason);
                self.expect(no, wanted, reason);
            }
            (ExprKind::Comprehension { body, variable, list, condition }, Type::List(item)) => {
                let depth = self.enter_comprehension(variable, list, condition.as_deref());
                self.expect(body, item, reason);
                self.unbind(depth);
            }
            _ => {
                let found = self.infer(expr, Some(wanted));
                if !wanted.accepts(&found) {
                    let report = messages::mismatch(expr, wanted, &found, self.span(expr.range));
                    self.report(reason.explain(report));
                }
            }
        }
    }

    /// Checks that an expression is a truth value.
    pub(super) fn condition(&mut self, expr: &Expr) {
        let found = self.infer(expr, Some(&Type::Bool));
        if !Type::Bool.accepts(&found) {
            self.report(
                messages::mismatch(expr, &Type::Bool, &found, self.span(expr.range)).label("a condition is a Bool"),
            );
        }
    }
}
