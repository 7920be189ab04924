//! The arguments of a call of a builtin: values by name, and where each of them and its parts are written.

use std::collections::HashMap;

use sinter_lang::hir::{Element, Expr, ExprKind, Field};
use sinter_lang::source::{FileId, Span, TextRange};

use crate::value::Value;

/// One argument.
#[derive(Debug, Clone)]
pub(crate) struct Given<'a> {
    pub(crate) value: Value,
    /// The expression; the spread record if the argument came out of one.
    pub(crate) expr: &'a Expr,
    /// From its name, if it has one, to its end.
    pub(crate) whole: TextRange,
}

/// The arguments of one call.
#[derive(Debug, Clone)]
pub(crate) struct Arguments<'a> {
    pub(crate) file: FileId,
    /// The call.
    pub(crate) call: Span,
    pub(crate) given: HashMap<&'a str, Given<'a>>,
}

impl<'a> Arguments<'a> {
    /// The value of an argument; `None` if it is left out or `none`.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.given.get(name).map(|given| &given.value).filter(|value| **value != Value::None)
    }

    /// The items of an argument that is a list; none if it is left out.
    pub(crate) fn items(&self, name: &str) -> &[Value] {
        match self.value(name) {
            Some(Value::List(items)) => items,
            Some(single) => std::slice::from_ref(single),
            None => &[],
        }
    }

    /// The items of an argument that is a list of text; `None` if it is left out.
    pub(crate) fn texts(&self, name: &str) -> Option<Vec<String>> {
        self.value(name)?;
        Some(self.items(name).iter().filter_map(Value::to_text).collect())
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.value(name).and_then(Value::to_text)
    }

    /// The entries of an argument that is a map of text; none if it is left out.
    pub(crate) fn map(&self, name: &str) -> Vec<(String, String)> {
        let Some(Value::Record(fields)) = self.value(name) else { return Vec::new() };
        fields.iter().filter_map(|(name, value)| Some((name.to_string(), value.to_text()?))).collect()
    }

    /// Where an argument is written; the call if it is left out.
    pub(crate) fn span(&self, name: &str) -> Span {
        self.given.get(name).map_or(self.call, |given| self.at(given.expr.range))
    }

    /// Where item `index` of an argument is written, or the whole argument if that cannot be told.
    pub(crate) fn item_span(&self, name: &str, index: usize) -> Span {
        let Some(given) = self.given.get(name) else { return self.call };
        self.at(item_range(given.expr, index))
    }

    /// Where an entry of an argument is written, or the whole argument if that cannot be told.
    pub(crate) fn entry_span(&self, name: &str, key: &str) -> Span {
        let Some(given) = self.given.get(name) else { return self.call };
        let ExprKind::Record(fields) = &given.expr.kind else { return self.at(given.expr.range) };
        let entry = fields.iter().rev().find_map(|field| match field {
            Field::Named(name, value) if name.text == key => Some(value.range),
            _ => None,
        });
        self.at(entry.unwrap_or(given.expr.range))
    }

    pub(crate) fn at(&self, range: TextRange) -> Span {
        Span { file: self.file, range }
    }
}

fn item_range(expr: &Expr, index: usize) -> TextRange {
    let ExprKind::List(elements) = &expr.kind else { return expr.range };
    let plain = elements.iter().all(|element| matches!(element, Element::Item(_)));
    match elements.get(index) {
        Some(Element::Item(item)) if plain => item.range,
        _ => expr.range,
    }
}
