//! The walk over checked files: declarations in their order, calls, names.

use std::collections::HashMap;

use sinter_graph::derivation::TargetValue;
use sinter_lang::diagnostic::{Code, Diagnostic, Severity};
use sinter_lang::hir::{Argument, Declaration, DeclarationKind, Expr, ExprKind, Function};
use sinter_lang::source::{FileId, Span, TextRange};
use sinter_lang::types::{DeclaredKind, Role, Signature, Type};

use crate::arguments::{Arguments, Given};
use crate::budget::{Budget, Exceeded, Outcome, Stop};
use crate::graph_builder::GraphBuilder;
use crate::loader::{INPUTS, INTERNAL, Loaded, LoadedModule, PRELUDE};
use crate::origins::NodeOrigin;
use crate::value::Value;
use crate::{Evaluation, Settings, settings};

pub(crate) struct Evaluator<'a> {
    loaded: &'a Loaded,
    settings: &'a Settings,
    pub(crate) builder: GraphBuilder,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) budget: Budget,
    /// Values of top-level declarations; one that is missing was wrong.
    globals: HashMap<(FileId, &'a str), Value>,
    /// Names of the function that runs now, innermost last.
    pub(crate) locals: Vec<(&'a str, Value)>,
    /// The file of the expression that is evaluated.
    pub(crate) file: FileId,
    /// The name that a node made now would have.
    pub(crate) name: String,
    /// The calls of functions that led here, outermost first.
    calls: Vec<Span>,
}

/// A function that is called.
#[derive(Clone, Copy)]
pub(crate) enum Callee<'a> {
    Builtin(&'a Signature),
    Written(&'a LoadedModule, &'a Function, &'a Signature),
}

/// Evaluates everything. With errors already reported nothing is evaluated: one fault would be told twice.
pub(crate) fn run(mut loaded: Loaded, settings: &Settings) -> Evaluation {
    let mut diagnostics = std::mem::take(&mut loaded.diagnostics);
    let mut evaluation = Evaluation::default();
    unknown_settings(&loaded, settings, &mut diagnostics);
    if diagnostics.iter().all(|report| report.severity != Severity::Error) {
        let mut evaluator = Evaluator {
            loaded: &loaded,
            settings,
            builder: GraphBuilder::default(),
            diagnostics,
            budget: Budget::new(),
            globals: HashMap::new(),
            locals: Vec::new(),
            file: FileId(0),
            name: String::new(),
            calls: Vec::new(),
        };
        loaded.modules.iter().for_each(|module| evaluator.module(module));
        diagnostics = evaluator.diagnostics;
        (evaluation.graph, evaluation.origins) = evaluator.builder.finish();
    }
    evaluation.diagnostics = sorted(diagnostics);
    evaluation.files = loaded.files;
    evaluation
}

fn sorted(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by_key(|report| (report.primary.span, report.code));
    diagnostics.dedup_by(|a, b| (a.primary.span, a.code, &a.message) == (b.primary.span, b.code, &b.message));
    diagnostics
}

fn unknown_settings(loaded: &Loaded, settings: &Settings, diagnostics: &mut Vec<Diagnostic>) {
    let Some(root) = loaded.module(FileId(0)) else { return };
    let is_param = |d: &&Declaration| matches!(d.kind, DeclarationKind::Param { .. });
    let params = root.module.declarations.iter().filter(is_param).map(|d| d.name.text.as_str());
    let params: Vec<&str> = params.collect();
    for name in settings.parameters.keys().filter(|name| !params.contains(&name.as_str())) {
        let span = Span { file: FileId(0), range: TextRange::default() };
        let report =
            Diagnostic::error(Code("E0210"), span, format!("`--set {name}=...`: this file has no param `{name}`"));
        let known =
            if params.is_empty() { "it has none".to_owned() } else { format!("it has `{}`", params.join("`, `")) };
        diagnostics.push(report.help(known));
    }
}

impl<'a> Evaluator<'a> {
    fn module(&mut self, module: &'a LoadedModule) {
        for &index in &module.sequence {
            let declaration = &module.module.declarations[index];
            self.file = module.file;
            self.name = format!("{}{}", module.prefix, declaration.name.text);
            if let Some(value) = self.declaration(module, declaration) {
                self.globals.insert((module.file, &declaration.name.text), value);
            }
        }
    }

    fn declaration(&mut self, module: &'a LoadedModule, declaration: &'a Declaration) -> Option<Value> {
        match &declaration.kind {
            DeclarationKind::Let(value) => self.expr(value).ok(),
            DeclarationKind::Input(value) => self.input(value).ok(),
            DeclarationKind::Target(value) => {
                let value = self.expr(value).ok()?;
                if module.role == Role::Root {
                    self.target(declaration, &value);
                }
                Some(value)
            }
            DeclarationKind::Param { default, .. } => self.param(module, declaration, default.as_ref()).ok(),
            DeclarationKind::Import(_) | DeclarationKind::Fn(_) => None,
        }
    }

    fn target(&mut self, declaration: &Declaration, value: &Value) {
        let span = self.span(declaration.name.range);
        let value = match value {
            Value::Tree(node) => Some(TargetValue::Node(*node)),
            other => other.to_files().map(TargetValue::Files),
        };
        if let Some(value) = value {
            self.builder.target(&declaration.name.text, value, span);
        }
    }

    fn param(&mut self, module: &LoadedModule, declaration: &Declaration, default: Option<&'a Expr>) -> Outcome<Value> {
        let name = declaration.name.text.as_str();
        let ty = match module.interface.items.get(name).map(|item| &item.kind) {
            Some(DeclaredKind::Value(ty)) => ty.clone(),
            _ => Type::Unknown,
        };
        if module.role == Role::Library {
            return Ok(Value::Platform(self.settings.platform.clone().into()));
        }
        let span = self.span(declaration.name.range);
        match (self.settings.parameters.get(name), default) {
            (Some(text), _) if module.role == Role::Root => settings::value(text, &ty).or_else(|wanted| {
                self.fail(Diagnostic::error(Code("E0210"), span, format!("`--set {name}={text}`: {wanted}")))
            }),
            (_, Some(default)) => Ok(self.expr(default)?.fit(&ty)),
            (_, None) if matches!(ty, Type::Optional(_)) => Ok(Value::None),
            (_, None) => {
                let report = Diagnostic::error(Code("E0210"), span, format!("the param `{name}` has no value"));
                self.fail(
                    report.help(format!("give one with `--set {name}=VALUE`, or write `= value` behind the type")),
                )
            }
        }
    }

    // Constructors have a scope of their own: a function of the file with such a name is not meant.
    fn input(&mut self, expr: &'a Expr) -> Outcome<Value> {
        let ExprKind::Call(callee, written) = &expr.kind else { return Err(Stop) };
        let ExprKind::Name(name) = &callee.kind else { return Err(Stop) };
        let constructors = self.loaded.module(INPUTS).ok_or(Stop)?;
        let Some(Callee::Builtin(signature)) = function(constructors, name) else { return Err(Stop) };
        let arguments = self.arguments(self.span(expr.range), signature, written)?;
        self.builtin(signature, &arguments)
    }

    pub(crate) fn span(&self, range: TextRange) -> Span {
        Span { file: self.file, range }
    }

    pub(crate) fn report(&mut self, report: Diagnostic) {
        // A fault inside a library function shows where the user called it.
        let in_library = self.loaded.files.get(report.primary.span.file.0 as usize).is_some_and(|file| file.is_std);
        let report = match self.calls.first() {
            Some(call) if in_library => report.with_place(*call, "called here"),
            _ => report,
        };
        self.diagnostics.push(report);
    }

    /// Reports and stops.
    pub(crate) fn fail<T>(&mut self, report: Diagnostic) -> Outcome<T> {
        self.report(report);
        Err(Stop)
    }

    pub(crate) fn exceeded(&mut self, exceeded: Exceeded, span: Span) -> Stop {
        if self.budget.first_report() {
            let report = Diagnostic::error(Code("E0420"), span, exceeded.message());
            self.report(report.help("no sensible file comes near this bound"));
        }
        Stop
    }

    /// Where a node made by `call` comes from.
    pub(crate) fn origin(&self, call: Span) -> NodeOrigin {
        let chain = self.calls.iter().rev().copied().collect();
        NodeOrigin { call, chain, files: None, script: None, lines: Vec::new() }
    }

    /// Evaluates with `suffix` behind the current name.
    pub(crate) fn named<T>(&mut self, suffix: &str, evaluate: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.name.len();
        self.name.push_str(suffix);
        let result = evaluate(self);
        self.name.truncate(length);
        result
    }

    /// The value of a name. A name without value belongs to a declaration that was wrong.
    pub(crate) fn lookup(&self, name: &str) -> Outcome<Value> {
        if let Some((_, value)) = self.locals.iter().rev().find(|(known, _)| *known == name) {
            return Ok(value.clone());
        }
        let declared = self.loaded.module(self.file).is_some_and(|module| module.declared.contains_key(name));
        let file = if declared { self.file } else { PRELUDE };
        self.globals.get(&(file, name)).cloned().ok_or(Stop)
    }

    pub(crate) fn member(&self, module: &str, name: &str) -> Option<Outcome<Value>> {
        if self.locals.iter().any(|(known, _)| *known == module) {
            return None;
        }
        let file = self.loaded.module(self.file)?.imports.get(module)?;
        Some(self.globals.get(&(*file, name)).cloned().ok_or(Stop))
    }

    /// The function that `name` stands for in the current file, or in what is imported as `module`.
    pub(crate) fn callee(&self, module: Option<&str>, name: &str) -> Option<Callee<'a>> {
        let current = self.loaded.module(self.file)?;
        if let Some(module) = module {
            return function(self.loaded.module(*current.imports.get(module)?)?, name);
        }
        let builtins = [PRELUDE, INTERNAL].into_iter().filter_map(|file| self.loaded.module(file));
        function(current, name).or_else(|| builtins.into_iter().find_map(|module| function(module, name)))
    }

    pub(crate) fn path_of_file(&self) -> &'a str {
        self.loaded.module(self.file).map_or("", |module| module.path.as_str())
    }

    /// Evaluates the arguments of a call in the order written.
    pub(crate) fn arguments(
        &mut self,
        call: Span,
        signature: &'a Signature,
        written: &'a [Argument],
    ) -> Outcome<Arguments<'a>> {
        let mut arguments = Arguments { file: self.file, call, given: HashMap::new() };
        let mut position = 0;
        for argument in written {
            match argument {
                Argument::Positional(expr) => {
                    let parameter = signature.parameters.get(position).ok_or(Stop)?;
                    position += 1;
                    self.argument(&mut arguments, &parameter.name, &parameter.ty, expr, expr.range)?;
                }
                Argument::Named(name, expr) => {
                    let (_, parameter) = signature.parameter(&name.text).ok_or(Stop)?;
                    let whole = name.range.cover(expr.range);
                    self.argument(&mut arguments, &parameter.name, &parameter.ty, expr, whole)?;
                }
                Argument::Spread(expr) => self.spread(&mut arguments, signature, expr)?,
            }
        }
        Ok(arguments)
    }

    fn argument(
        &mut self,
        arguments: &mut Arguments<'a>,
        name: &'a str,
        ty: &Type,
        expr: &'a Expr,
        whole: TextRange,
    ) -> Outcome<()> {
        let value = self.named(&format!(".{name}"), |evaluator| evaluator.expr(expr))?.fit(ty);
        arguments.given.insert(name, Given { value, expr, whole });
        Ok(())
    }

    fn spread(&mut self, arguments: &mut Arguments<'a>, signature: &'a Signature, expr: &'a Expr) -> Outcome<()> {
        let Value::Record(fields) = self.expr(expr)? else { return Err(Stop) };
        for (name, value) in fields.iter() {
            let (_, parameter) = signature.parameter(name).ok_or(Stop)?;
            let given = Given { value: value.clone().fit(&parameter.ty), expr, whole: expr.range };
            arguments.given.insert(&parameter.name, given);
        }
        Ok(())
    }

    /// Calls a function that has a body.
    pub(crate) fn enter(
        &mut self,
        module: &'a LoadedModule,
        function: &'a Function,
        signature: &'a Signature,
        mut arguments: Arguments<'a>,
    ) -> Outcome<Value> {
        let caller = (self.file, std::mem::take(&mut self.locals));
        self.file = module.file;
        self.calls.push(arguments.call);
        let result = self.body(function, signature, &mut arguments);
        self.calls.pop();
        (self.file, self.locals) = caller;
        result
    }

    fn body(
        &mut self,
        function: &'a Function,
        signature: &'a Signature,
        arguments: &mut Arguments<'a>,
    ) -> Outcome<Value> {
        let block = function.body.as_ref().ok_or(Stop)?;
        let mut bound = Vec::new();
        for (parameter, declared) in function.parameters.iter().zip(&signature.parameters) {
            let value = match (arguments.given.remove(declared.name.as_str()), &parameter.default) {
                (Some(given), _) => given.value,
                (None, Some(default)) => self.expr(default)?.fit(&declared.ty),
                (None, None) => Value::None,
            };
            bound.push((parameter.name.text.as_str(), value));
        }
        self.locals = bound;
        for (name, expr) in &block.lets {
            let value = self.named(&format!(".{}", name.text), |evaluator| evaluator.expr(expr))?;
            self.locals.push((&name.text, value));
        }
        Ok(self.expr(&block.result)?.fit(&signature.result))
    }
}

fn function<'a>(module: &'a LoadedModule, name: &str) -> Option<Callee<'a>> {
    let declaration = &module.module.declarations[*module.declared.get(name)?];
    let DeclarationKind::Fn(function) = &declaration.kind else { return None };
    let DeclaredKind::Function(signature) = &module.interface.items.get(name)?.kind else { return None };
    Some(match function.body {
        Some(_) => Callee::Written(module, function, signature),
        None => Callee::Builtin(signature),
    })
}
