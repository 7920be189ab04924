//! The values of expressions.

use std::collections::BTreeMap;
use std::sync::Arc;

use sinter_graph::derivation::Files;
use sinter_lang::hir::{
    Argument, BinaryOperator, Element, Expr, ExprKind, Field, Fragment, Name, PatternArgument, StringLiteral,
};
use sinter_lang::source::Span;

use crate::budget::{Outcome, Stop};
use crate::evaluator::{Callee, Evaluator};
use crate::value::Value;

impl<'a> Evaluator<'a> {
    /// The value of an expression.
    pub(crate) fn expr(&mut self, expr: &'a Expr) -> Outcome<Value> {
        let span = self.span(expr.range);
        self.spend(1, span)?;
        if let Err(exceeded) = self.budget.enter() {
            self.budget.leave();
            return Err(self.exceeded(exceeded, span));
        }
        let value = self.value(expr, span);
        self.budget.leave();
        value
    }

    /// Counts work.
    pub(crate) fn spend(&mut self, steps: usize, span: Span) -> Outcome<()> {
        self.budget.spend_steps(steps).map_err(|exceeded| self.exceeded(exceeded, span))
    }

    /// Counts text that was made.
    pub(crate) fn made(&mut self, text: String, span: Span) -> Outcome<String> {
        match self.budget.spend_bytes(text.len()) {
            Ok(()) => Ok(text),
            Err(exceeded) => Err(self.exceeded(exceeded, span)),
        }
    }

    fn value(&mut self, expr: &'a Expr, span: Span) -> Outcome<Value> {
        match &expr.kind {
            ExprKind::Str(text) => Ok(Value::str(self.text(text, span)?)),
            ExprKind::Int(number) => Ok(Value::Int(*number)),
            ExprKind::Bool(truth) => Ok(Value::Bool(*truth)),
            ExprKind::None => Ok(Value::None),
            ExprKind::Name(name) => self.lookup(name),
            ExprKind::List(elements) => self.list(elements, span),
            ExprKind::Record(fields) => self.record(fields),
            ExprKind::Field(value, name) => self.field(value, name),
            ExprKind::Index(value, patterns) => self.index(value, patterns, span),
            ExprKind::Call(callee, arguments) => self.call(callee, arguments, span),
            ExprKind::If(condition, yes, no) => {
                let chosen = if self.truth(condition)? { yes } else { no };
                self.expr(chosen)
            }
            ExprKind::Comprehension { body, variable, list, condition } => {
                self.comprehension(body, variable, list, condition.as_deref())
            }
            ExprKind::Binary(operator, left, right) => self.binary(*operator, left, right, span),
            ExprKind::Not(value) => Ok(Value::Bool(!self.truth(value)?)),
            ExprKind::Script(script) => self.script(script, span),
            ExprKind::Missing => Err(Stop),
        }
    }

    fn text(&mut self, literal: &'a StringLiteral, span: Span) -> Outcome<String> {
        let mut text = String::new();
        for fragment in &literal.fragments {
            match fragment {
                Fragment::Text { text: piece, .. } => text.push_str(piece),
                Fragment::Value { expr, .. } => text.push_str(&self.expr(expr)?.to_text().ok_or(Stop)?),
            }
        }
        self.made(text, span)
    }

    fn truth(&mut self, expr: &'a Expr) -> Outcome<bool> {
        if let Value::Bool(truth) = self.expr(expr)? { Ok(truth) } else { Err(Stop) }
    }

    fn list(&mut self, elements: &'a [Element], span: Span) -> Outcome<Value> {
        let mut items = Vec::with_capacity(elements.len());
        for element in elements {
            let suffix = format!("[{}]", items.len());
            match element {
                Element::Item(expr) => items.push(self.named(&suffix, |evaluator| evaluator.expr(expr))?),
                Element::Spread(expr) => match self.named(&suffix, |evaluator| evaluator.expr(expr))? {
                    Value::List(spread) => {
                        self.spend(spread.len(), span)?;
                        items.extend(spread.iter().cloned());
                    }
                    _ => return Err(Stop),
                },
            }
        }
        Ok(Value::List(items.into()))
    }

    fn record(&mut self, fields: &'a [Field]) -> Outcome<Value> {
        let mut record = BTreeMap::new();
        for field in fields {
            match field {
                Field::Named(name, expr) => {
                    let value = self.named(&format!(".{}", name.text), |evaluator| evaluator.expr(expr))?;
                    record.insert(Arc::from(name.text.as_str()), value);
                }
                Field::Spread(expr) => match self.expr(expr)? {
                    Value::Record(spread) => {
                        self.spend(spread.len(), self.span(expr.range))?;
                        record.extend(spread.iter().map(|(name, value)| (name.clone(), value.clone())));
                    }
                    _ => return Err(Stop),
                },
            }
        }
        Ok(Value::Record(record.into()))
    }

    fn field(&mut self, value: &'a Expr, name: &Name) -> Outcome<Value> {
        if let ExprKind::Name(module) = &value.kind
            && let Some(member) = self.member(module, &name.text)
        {
            return member;
        }
        match (self.expr(value)?, name.text.as_str()) {
            (Value::Platform(platform), "arch") => Ok(Value::str(platform.architecture())),
            (Value::Platform(platform), "os") => Ok(Value::str(platform.os())),
            (Value::Record(fields), name) => fields.get(name).cloned().ok_or(Stop),
            _ => Err(Stop),
        }
    }

    fn index(&mut self, value: &'a Expr, arguments: &'a [PatternArgument], span: Span) -> Outcome<Value> {
        let selected = self.expr(value)?;
        let patterns = self.patterns_of_index(&selected, arguments, span)?;
        let files = match selected {
            Value::Source(input) => Files::Source { input, patterns },
            Value::Tree(tree) => Files::Tree { tree, patterns },
            Value::Files(files) => Files::Narrow { what: files, patterns },
            _ => return Err(Stop),
        };
        self.files(files, span)
    }

    fn call(&mut self, callee: &'a Expr, written: &'a [Argument], span: Span) -> Outcome<Value> {
        let function = match &callee.kind {
            ExprKind::Name(name) => self.callee(None, name),
            ExprKind::Field(module, name) => match &module.kind {
                ExprKind::Name(module) => self.callee(Some(module), &name.text),
                _ => None,
            },
            _ => None,
        };
        match function.ok_or(Stop)? {
            Callee::Builtin(signature) => {
                let arguments = self.arguments(span, signature, written)?;
                self.builtin(signature, &arguments)
            }
            Callee::Written(module, function, signature) => {
                let arguments = self.arguments(span, signature, written)?;
                self.enter(module, function, signature, arguments)
            }
        }
    }

    fn comprehension(
        &mut self,
        body: &'a Expr,
        variable: &'a Name,
        list: &'a Expr,
        condition: Option<&'a Expr>,
    ) -> Outcome<Value> {
        let Value::List(items) = self.expr(list)? else { return Err(Stop) };
        let mut results = Vec::new();
        for item in items.iter() {
            self.locals.push((&variable.text, item.clone()));
            let result = self.one(body, condition, results.len());
            self.locals.pop();
            results.extend(result?);
        }
        Ok(Value::List(results.into()))
    }

    fn one(&mut self, body: &'a Expr, condition: Option<&'a Expr>, index: usize) -> Outcome<Option<Value>> {
        let wanted = condition.map_or(Ok(true), |condition| self.truth(condition))?;
        if !wanted {
            return Ok(None);
        }
        self.named(&format!("[{index}]"), |evaluator| evaluator.expr(body)).map(Some)
    }

    fn binary(&mut self, operator: BinaryOperator, left: &'a Expr, right: &'a Expr, span: Span) -> Outcome<Value> {
        match operator {
            BinaryOperator::And => Ok(Value::Bool(self.truth(left)? && self.truth(right)?)),
            BinaryOperator::Or => Ok(Value::Bool(self.truth(left)? || self.truth(right)?)),
            BinaryOperator::Equal => Ok(Value::Bool(self.expr(left)? == self.expr(right)?)),
            BinaryOperator::NotEqual => Ok(Value::Bool(self.expr(left)? != self.expr(right)?)),
            BinaryOperator::Default => match self.expr(left)? {
                Value::None => self.expr(right),
                value => Ok(value),
            },
            BinaryOperator::Add => self.add(left, right, span),
        }
    }

    fn add(&mut self, left: &'a Expr, right: &'a Expr, span: Span) -> Outcome<Value> {
        match (self.expr(left)?, self.expr(right)?) {
            (Value::Str(first), Value::Str(second)) => Ok(Value::str(self.made(format!("{first}{second}"), span)?)),
            (Value::List(first), Value::List(second)) => {
                self.spend(first.len() + second.len(), span)?;
                Ok(Value::List(first.iter().chain(second.iter()).cloned().collect()))
            }
            _ => Err(Stop),
        }
    }
}
