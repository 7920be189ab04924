//! Declarations, functions and their doc comments.

use super::Lower;
use crate::codes;
use crate::hir::{Block, Declaration, DeclarationKind, Expr, ExprKind, Function, ImportPath, Module, Name, Parameter};
use crate::source::TextRange;
use crate::syntax::{ElementId, SyntaxKind as K};

impl Lower<'_> {
    pub(super) fn module(&self) -> Module {
        let root = self.tree.root();
        let mut docs = Docs::default();
        let mut declarations = Vec::new();
        for child in self.tree.children(root) {
            match self.tree.kind(child) {
                kind if kind.is_declaration() => declarations.push(self.declaration(child, kind, docs.take())),
                kind => docs.pass(kind, self.tree.text_of(child)),
            }
        }
        Module { declarations }
    }

    fn declaration(&self, node: ElementId, kind: K, doc: Option<String>) -> Declaration {
        let (name, kind) = match kind {
            K::InputDeclaration => (self.name_in(node), DeclarationKind::Input(self.value_in(node))),
            K::ParamDeclaration => (self.name_in(node), self.param(node)),
            K::ImportDeclaration => self.import(node),
            K::FnDeclaration => (self.name_in(node), DeclarationKind::Fn(self.function(node))),
            K::TargetDeclaration => (self.name_in(node), DeclarationKind::Target(self.value_in(node))),
            _ => (self.name_in(node), DeclarationKind::Let(self.value_in(node))),
        };
        Declaration { name, doc, range: self.tree.range(node), kind }
    }

    /// The first expression in a node.
    pub(super) fn value_in(&self, node: ElementId) -> Expr {
        self.expressions(node).next().map_or_else(|| self.missing_value(node), |value| self.expr(value))
    }

    /// Stands for an expression that is not there, at the end of what should hold it.
    pub(super) fn missing_value(&self, node: ElementId) -> Expr {
        let end = self.tree.range(node).end;
        Expr { range: TextRange::new(end, end), kind: ExprKind::Missing }
    }

    fn param(&self, node: ElementId) -> DeclarationKind {
        let default = self.expressions(node).next().map(|value| self.expr(value));
        DeclarationKind::Param { ty: self.type_in(node), default }
    }

    fn import(&self, node: ElementId) -> (Name, DeclarationKind) {
        let path = self.tree.child(node, K::ImportPath);
        let lowered = path.map_or(ImportPath::Missing(self.tree.range(node)), |path| self.import_path(path));
        let alias = self.tree.child(node, K::ImportAlias).map(|alias| self.alias(alias));
        let name = match (&lowered, alias) {
            (_, Some(alias)) => alias,
            (ImportPath::Standard(components), None) => {
                components.last().cloned().unwrap_or_else(|| self.missing_name(node))
            }
            _ => self.missing_name(node),
        };
        (name, DeclarationKind::Import(lowered))
    }

    /// The name behind `as`.
    fn alias(&self, node: ElementId) -> Name {
        let names = self.tree.children(node).filter(|child| self.tree.kind(*child) == K::Name);
        let last = names.last().filter(|name| self.tree.text_of(*name) != "as");
        last.map_or_else(|| self.missing_name(node), |name| self.name_of(name))
    }

    fn import_path(&self, node: ElementId) -> ImportPath {
        if let Some(literal) = self.tree.child(node, K::StringLiteral) {
            return self.file_path(literal);
        }
        let tree = self.tree;
        let mut names = tree.children(node).filter(|child| tree.kind(*child) == K::Name).map(|name| self.name_of(name));
        let first = names.next();
        let rest: Vec<Name> = names.collect();
        match first {
            Some(first) if first.text == "std" && !rest.is_empty() => ImportPath::Standard(rest),
            Some(first) => self.no_module(&first, node),
            None => ImportPath::Missing(self.tree.range(node)),
        }
    }

    fn no_module(&self, first: &Name, node: ElementId) -> ImportPath {
        let range = self.tree.range(node);
        let message = format!("`{}` is no module", self.tree.text_of(node));
        let diagnostic = self.error(codes::IMPORT_PATH, range, message);
        let help = if first.text == "std" { "name a module of it: `import std.debian`" } else { IMPORT_HELP };
        self.report(diagnostic.help(help));
        ImportPath::Missing(range)
    }

    fn file_path(&self, literal: ElementId) -> ImportPath {
        let range = self.tree.range(literal);
        if self.tree.child(literal, K::Interpolation).is_some() {
            let diagnostic = self.error(codes::IMPORT_PATH, range, "the path of an import is a plain string");
            self.report(diagnostic.help("imports are found by reading the file, without computing anything"));
            return ImportPath::Missing(range);
        }
        ImportPath::File(self.string(literal))
    }

    fn function(&self, node: ElementId) -> Function {
        let parameters = self.tree.child(node, K::ParameterList).map_or_else(Vec::new, |list| self.parameters(list));
        let body = self.tree.child(node, K::Block).map(|block| self.block(block));
        Function { parameters, result: self.type_in(node), body }
    }

    fn parameters(&self, list: ElementId) -> Vec<Parameter> {
        let mut docs = Docs::default();
        let mut parameters = Vec::new();
        for child in self.tree.children(list) {
            match self.tree.kind(child) {
                K::Parameter => parameters.push(self.parameter(child, docs.take())),
                K::Comma => {}
                kind => docs.pass(kind, self.tree.text_of(child)),
            }
        }
        self.report_duplicates(parameters.iter().map(|parameter| &parameter.name), "parameter");
        parameters
    }

    fn parameter(&self, node: ElementId, doc: Option<String>) -> Parameter {
        let default = self.expressions(node).next().map(|value| self.expr(value));
        Parameter { name: self.name_in(node), doc, ty: self.type_in(node), default }
    }

    /// `let`s and one last expression; every other order is reported.
    fn block(&self, node: ElementId) -> Block {
        let tree = self.tree;
        let statements = || tree.nodes(node).filter(|child| tree.kind(*child) != K::Error);
        let lets = statements().filter(|child| tree.kind(*child) == K::BlockLet);
        let lets = lets.map(|child| (self.name_in(child), self.value_in(child))).collect();
        let last = statements().last();
        let unused = statements().filter(|child| tree.kind(*child).is_expression() && Some(*child) != last);
        unused.for_each(|value| self.report_unused_value(value));
        let result = statements().filter(|child| tree.kind(*child).is_expression()).last();
        let result = result.map_or_else(|| self.missing_result(node), |value| self.expr(value));
        Block { lets, result: Box::new(result) }
    }

    fn report_unused_value(&self, value: ElementId) {
        let range = self.tree.range(value);
        let diagnostic = self.error(codes::BODY_FORM, range, "the result of a function is its last line");
        self.report(diagnostic.label("this value is not used").help("name it with `let`, or move it to the end"));
    }

    fn missing_result(&self, node: ElementId) -> Expr {
        if self.tree.child(node, K::Error).is_some() {
            return self.missing_value(node);
        }
        let range = self.tree.range(node);
        let last = TextRange::new(range.end.saturating_sub(1).max(range.start), range.end);
        let diagnostic = self.error(codes::BODY_FORM, last, "the function has no result");
        self.report(diagnostic.help("its last line is the value it yields"));
        self.missing_value(node)
    }
}

const IMPORT_HELP: &str =
    "modules of the standard library start with `std.`; files are quoted: `import \"./lib.build\" as lib`";

/// Collects the `##` lines directly above something.
#[derive(Default)]
struct Docs {
    lines: Vec<String>,
    /// Newlines since the last `##` line; two make an empty line, after which the comment belongs to nothing.
    newlines: u32,
}

impl Docs {
    fn pass(&mut self, kind: K, text: &str) {
        match kind {
            K::DocComment => {
                self.newlines = 0;
                let text = text.trim_start_matches('#');
                self.lines.push(text.strip_prefix(' ').unwrap_or(text).trim_end().to_owned());
            }
            K::Newline => {
                self.newlines += 1;
                if self.newlines > 1 {
                    self.lines.clear();
                }
            }
            K::Whitespace => {}
            _ => self.lines.clear(),
        }
    }

    fn take(&mut self) -> Option<String> {
        let lines = std::mem::take(&mut self.lines);
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}
