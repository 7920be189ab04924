//! Calls: which function, and which argument is which parameter.

use std::sync::Arc;

use super::checker::{Checker, Reason};
use super::declarations::is_literal;
use super::interface::{DeclaredKind, Implementation, Parameter, Signature};
use super::{Role, Type, messages, unsupported};
use crate::diagnostic::{Code, Diagnostic};
use crate::hir::{Argument, Expr, ExprKind, Name};
use crate::source::TextRange;

/// How a parameter was given.
#[derive(Clone, Copy, Default)]
struct Given {
    /// By an argument of its own: where, and whether by its name.
    explicit: Option<(TextRange, bool)>,
    /// By a field of a spread record.
    spread: bool,
}

impl Checker<'_> {
    pub(super) fn call(&mut self, expr: &Expr, callee: &Expr, arguments: &[Argument]) -> Type {
        match self.callee(callee) {
            Some(signature) => {
                self.arguments(expr, callee, &signature, arguments);
                signature.result.clone()
            }
            None => {
                self.infer_all(arguments.iter().map(value));
                Type::Unknown
            }
        }
    }

    fn callee(&mut self, callee: &Expr) -> Option<Arc<Signature>> {
        let span = self.span(callee.range);
        match &callee.kind {
            ExprKind::Name(name) => match self.lookup(name) {
                Some(DeclaredKind::Function(signature)) => Some(signature),
                Some(kind) => self.not_a_function(name, &kind, callee),
                None => {
                    let report = self.unknown_name(name, span, None);
                    self.report(report);
                    None
                }
            },
            ExprKind::Field(module, name) => self.callee_of_module(callee, module, name),
            _ => {
                let found = self.infer(callee, None);
                self.not_a_function("this", &DeclaredKind::Value(found), callee)
            }
        }
    }

    fn callee_of_module(&mut self, callee: &Expr, module: &Expr, name: &Name) -> Option<Arc<Signature>> {
        if let ExprKind::Name(module_name) = &module.kind
            && let Some(DeclaredKind::Module(interface)) = self.lookup(module_name)
        {
            let interface = interface?;
            let span = self.span(name.range);
            return match interface.items.get(&name.text).map(|item| item.kind.clone()) {
                Some(DeclaredKind::Function(signature)) => Some(signature),
                Some(kind) => self.not_a_function(&name.text, &kind, callee),
                None => {
                    self.report(messages::no_member(module, &name.text, &interface, span));
                    None
                }
            };
        }
        let found = self.infer(callee, None);
        self.not_a_function(&name.text, &DeclaredKind::Value(found), callee)
    }

    fn not_a_function(&mut self, name: &str, kind: &DeclaredKind, callee: &Expr) -> Option<Arc<Signature>> {
        let span = self.span(callee.range);
        match kind {
            DeclaredKind::Value(Type::Unknown) | DeclaredKind::Module(None) => {}
            DeclaredKind::Value(ty) => {
                let message = format!("`{name}` is a value of type `{ty}`, not a function");
                self.report(Diagnostic::error(Code("E0306"), span, message));
            }
            DeclaredKind::Module(Some(module)) => self.report(messages::module_as_value(name, module, span)),
            DeclaredKind::Function(_) => {}
        }
        None
    }

    fn arguments(&mut self, call: &Expr, callee: &Expr, signature: &Signature, arguments: &[Argument]) {
        let mut given = vec![Given::default(); signature.parameters.len()];
        let mut position = 0;
        let mut whole = true;
        for argument in arguments {
            match argument {
                Argument::Positional(value) => {
                    self.positional(signature, position, value, &mut given);
                    position += 1;
                }
                Argument::Named(name, value) => self.named(signature, name, value, &mut given),
                Argument::Spread(value) => whole &= self.spread(signature, value, &mut given),
            }
        }
        if whole {
            self.missing(call, callee, signature, &given);
        }
    }

    fn positional(&mut self, signature: &Signature, position: usize, value: &Expr, given: &mut [Given]) {
        match signature.parameters.get(position) {
            Some(_) => {
                self.give(signature, position, (value, value.range, false), given);
            }
            None => {
                self.infer(value, None);
                let span = self.span(value.range);
                self.report(messages::too_many(signature, span));
            }
        }
    }

    fn named(&mut self, signature: &Signature, name: &Name, value: &Expr, given: &mut [Given]) {
        match signature.parameter(&name.text) {
            Some((index, _)) => self.give(signature, index, (value, name.range, true), given),
            None => {
                self.infer(value, None);
                let span = self.span(name.range);
                self.report(messages::unknown_argument(signature, &name.text, span));
            }
        }
    }

    fn give(
        &mut self,
        signature: &Signature,
        index: usize,
        (value, place, by_name): (&Expr, TextRange, bool),
        given: &mut [Given],
    ) {
        let parameter = &signature.parameters[index];
        // Two arguments of one name are a matter of syntax and have been reported.
        if let Some((first, _)) = given[index].explicit.filter(|(_, first_by_name)| !(by_name && *first_by_name)) {
            let message = format!("`{}` is given twice", parameter.name);
            let report = Diagnostic::error(Code("E0304"), self.span(place), message);
            self.report(report.with_place(self.span(first), "first here"));
        }
        given[index].explicit = Some((place, by_name));
        self.unsupported_argument(signature, &parameter.name, place);
        self.expect(value, &parameter.ty, &self.reason(signature, parameter));
    }

    fn reason(&self, signature: &Signature, parameter: &Parameter) -> Reason {
        let text = format!("`{}` of `{}` is declared `{}`", parameter.name, signature.name, parameter.ty);
        Reason::new(text, parameter.span)
    }

    fn unsupported_argument(&mut self, signature: &Signature, name: &str, place: TextRange) {
        if signature.implementation == Implementation::Builtin && self.scope.role != Role::Library {
            let report = unsupported::argument(&signature.name, name, self.span(place));
            report.into_iter().for_each(|report| self.report(report));
        }
    }

    fn spread(&mut self, signature: &Signature, value: &Expr, given: &mut [Given]) -> bool {
        let span = self.span(value.range);
        let fields = match self.infer(value, None) {
            Type::Record(fields) => fields,
            Type::Unknown => return false,
            found => {
                self.report(messages::not_spreadable(&found, "a record", span));
                return false;
            }
        };
        for (name, found) in fields.iter() {
            self.spread_field(signature, name, found, value, given);
        }
        true
    }

    fn spread_field(&mut self, signature: &Signature, name: &str, found: &Type, value: &Expr, given: &mut [Given]) {
        let span = self.span(value.range);
        let Some((index, parameter)) = signature.parameter(name) else {
            let mut report = messages::unknown_argument(signature, name, span);
            report.fixes.clear();
            return self.report(report);
        };
        // What is spread may be replaced by an argument of its own, so it counts as given but never as given twice.
        self.unsupported_argument(signature, name, value.range);
        given[index].spread = true;
        if !parameter.ty.accepts(found) {
            let message = format!("`{name}` of this record is of type `{found}`, `{}` is wanted", parameter.ty);
            let report = self.reason(signature, parameter).explain(Diagnostic::error(Code("E0301"), span, message));
            self.report(report);
        }
    }

    fn missing(&mut self, call: &Expr, callee: &Expr, signature: &Signature, given: &[Given]) {
        let lacks = |(parameter, given): &(&Parameter, &Given)| {
            !parameter.optional && given.explicit.is_none() && !given.spread
        };
        let missing: Vec<&Parameter> =
            signature.parameters.iter().zip(given).filter(lacks).map(|(parameter, _)| parameter).collect();
        if !missing.is_empty() {
            let range = if callee.range.end == 0 { call.range } else { callee.range };
            self.report(messages::missing_arguments(signature, &missing, self.span(range)));
        }
    }

    /// The type of the right side of `input name =`.
    pub(super) fn input(&mut self, value: &Expr) -> Type {
        let ExprKind::Call(callee, arguments) = &value.kind else {
            return self.not_an_input(value);
        };
        let ExprKind::Name(name) = &callee.kind else { return self.not_an_input(value) };
        let span = self.span(callee.range);
        let Some(item) = self.scope.constructors.items.get(name) else {
            let known: Vec<&str> = self.scope.constructors.items.keys().map(String::as_str).collect();
            self.report(messages::unknown_constructor(name, &known, span));
            return Type::Unknown;
        };
        let DeclaredKind::Function(signature) = &item.kind else { return Type::Unknown };
        if let Some(report) = unsupported::constructor(name, span) {
            self.report(report);
        }
        if self.literal_arguments(arguments) {
            self.arguments(value, callee, signature, arguments);
        }
        let several = arguments.first().is_some_and(|first| matches!(self::value(first).kind, ExprKind::List(_)));
        if name == "fetch" && several { Type::Source } else { signature.result.clone() }
    }

    fn not_an_input(&mut self, value: &Expr) -> Type {
        if value.kind != ExprKind::Missing {
            let known: Vec<&str> = self.scope.constructors.items.keys().map(String::as_str).collect();
            let message = "an input is one call that says what comes from outside";
            let report = Diagnostic::error(Code("E0402"), self.span(value.range), message);
            self.report(report.help(format!("it is made by `{}`; anything else is a `let`", known.join("`, `"))));
        }
        Type::Unknown
    }

    fn literal_arguments(&mut self, arguments: &[Argument]) -> bool {
        let mut literal = true;
        for argument in arguments {
            let value = value(argument);
            if !is_literal(value) || matches!(argument, Argument::Spread(_)) {
                let message = "arguments of an input are literals, so that pins can be listed without evaluating";
                let report = Diagnostic::error(Code("E0401"), self.span(value.range), message);
                self.report(
                    report.help("write the value itself; for variants declare several inputs and choose between them"),
                );
                literal = false;
            }
        }
        literal
    }
}

fn value(argument: &Argument) -> &Expr {
    let (Argument::Positional(value) | Argument::Named(_, value) | Argument::Spread(value)) = argument;
    value
}
