//! Which names an expression uses that it does not bind itself.

use crate::hir::{
    Argument, Block, Declaration, DeclarationKind, Element, Expr, ExprKind, Field, Fragment, Function, PatternArgument,
    StringLiteral,
};
use crate::source::TextRange;

/// A use of a name that is bound outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference<'a> {
    /// The name.
    pub name: &'a str,
    /// Where it is used.
    pub range: TextRange,
}

/// Every use, in a declaration, of a name that the declaration does not bind itself.
#[must_use]
pub fn references(declaration: &Declaration) -> Vec<Reference<'_>> {
    let mut walk = Walk { bound: Vec::new(), found: Vec::new() };
    match &declaration.kind {
        // Constructors have a scope of their own, and their arguments are literals.
        DeclarationKind::Input(_) | DeclarationKind::Import(_) => {}
        DeclarationKind::Param { default, .. } => default.iter().for_each(|value| walk.expr(value)),
        DeclarationKind::Let(value) | DeclarationKind::Target(value) => walk.expr(value),
        DeclarationKind::Fn(function) => walk.function(function),
    }
    walk.found
}

struct Walk<'a> {
    bound: Vec<&'a str>,
    found: Vec<Reference<'a>>,
}

impl<'a> Walk<'a> {
    fn function(&mut self, function: &'a Function) {
        function.parameters.iter().filter_map(|p| p.default.as_ref()).for_each(|value| self.expr(value));
        self.bound.extend(function.parameters.iter().map(|parameter| parameter.name.text.as_str()));
        if let Some(Block { lets, result }) = &function.body {
            for (name, value) in lets {
                self.expr(value);
                self.bound.push(&name.text);
            }
            self.expr(result);
        }
        self.bound.clear();
    }

    fn expr(&mut self, expr: &'a Expr) {
        match &expr.kind {
            ExprKind::Name(name) => self.name(name, expr.range),
            ExprKind::Str(text) => self.text(text),
            ExprKind::Script(script) => self.text(&script.body),
            ExprKind::List(elements) => elements.iter().for_each(|element| self.element(element)),
            ExprKind::Record(fields) => fields.iter().for_each(|field| self.field(field)),
            ExprKind::Field(value, _) | ExprKind::Not(value) => self.expr(value),
            ExprKind::Index(value, patterns) => self.index(value, patterns),
            ExprKind::Call(callee, arguments) => self.call(callee, arguments),
            ExprKind::If(condition, yes, no) => [condition, yes, no].into_iter().for_each(|e| self.expr(e)),
            ExprKind::Binary(_, left, right) => [left, right].into_iter().for_each(|e| self.expr(e)),
            ExprKind::Comprehension { body, variable, list, condition } => {
                self.expr(list);
                self.bound.push(&variable.text);
                condition.iter().for_each(|condition| self.expr(condition));
                self.expr(body);
                self.bound.pop();
            }
            ExprKind::Int(_) | ExprKind::Bool(_) | ExprKind::None | ExprKind::Missing => {}
        }
    }

    fn name(&mut self, name: &'a str, range: TextRange) {
        if !self.bound.contains(&name) {
            self.found.push(Reference { name, range });
        }
    }

    fn text(&mut self, text: &'a StringLiteral) {
        for fragment in &text.fragments {
            if let Fragment::Value { expr, .. } = fragment {
                self.expr(expr);
            }
        }
    }

    fn element(&mut self, element: &'a Element) {
        let (Element::Item(value) | Element::Spread(value)) = element;
        self.expr(value);
    }

    fn field(&mut self, field: &'a Field) {
        let (Field::Named(_, value) | Field::Spread(value)) = field;
        self.expr(value);
    }

    fn index(&mut self, value: &'a Expr, patterns: &'a [PatternArgument]) {
        self.expr(value);
        patterns.iter().for_each(|pattern| self.expr(&pattern.value));
    }

    fn call(&mut self, callee: &'a Expr, arguments: &'a [Argument]) {
        self.expr(callee);
        for argument in arguments {
            let (Argument::Positional(value) | Argument::Named(_, value) | Argument::Spread(value)) = argument;
            self.expr(value);
        }
    }
}
