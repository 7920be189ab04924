//! The types of expressions.

use super::checker::{Checker, Reason};
use super::interface::DeclaredKind;
use super::{Type, messages};
use crate::diagnostic::{Code, Diagnostic};
use crate::hir::{Element, Expr, ExprKind, Field, Name, PatternArgument};
use crate::source::TextRange;

impl Checker<'_> {
    /// The type of an expression. `hint` is what is wanted there, for suggestions only.
    pub(super) fn infer(&mut self, expr: &Expr, hint: Option<&Type>) -> Type {
        match &expr.kind {
            ExprKind::Str(text) => self.text(text),
            ExprKind::Int(_) => Type::Int,
            ExprKind::Bool(_) => Type::Bool,
            ExprKind::None => Type::optional(Type::Nothing),
            ExprKind::Name(name) => self.name(name, expr.range, hint),
            ExprKind::List(elements) => self.list(elements),
            ExprKind::Record(fields) => self.record(fields),
            ExprKind::Field(value, name) => self.field(value, name),
            ExprKind::Index(value, patterns) => self.index(value, patterns),
            ExprKind::Call(callee, arguments) => self.call(expr, callee, arguments),
            ExprKind::If(condition, yes, no) => self.branches(expr, condition, yes, no),
            ExprKind::Comprehension { body, variable, list, condition } => {
                let depth = self.enter_comprehension(variable, list, condition.as_deref());
                let item = self.infer(body, None);
                self.unbind(depth);
                Type::list(item)
            }
            ExprKind::Binary(operator, left, right) => self.binary(expr, *operator, left, right, hint),
            ExprKind::Not(value) => {
                self.condition(value);
                Type::Bool
            }
            ExprKind::Script(script) => self.script(script),
            ExprKind::Missing => Type::Unknown,
        }
    }

    fn list(&mut self, elements: &[Element]) -> Type {
        let mut item = Type::Nothing;
        for element in elements {
            let (value, found) = match element {
                Element::Item(value) => (value, self.infer(value, None)),
                Element::Spread(value) => (value, self.spread_list(value)),
            };
            item = match item.join(&found) {
                Some(joined) => joined,
                None => {
                    let message = format!("this is of type `{found}`, the items before it are of type `{item}`");
                    let report = Diagnostic::error(Code("E0313"), self.span(value.range), message);
                    self.report(report.help("all items of a list are of one type"));
                    return Type::Unknown;
                }
            };
        }
        Type::list(item)
    }

    fn spread_list(&mut self, value: &Expr) -> Type {
        match self.infer(value, None) {
            Type::List(item) => (*item).clone(),
            Type::Command => Type::Str,
            Type::Unknown => Type::Unknown,
            found => {
                self.report(messages::not_spreadable(&found, "a list", self.span(value.range)));
                Type::Unknown
            }
        }
    }

    fn record(&mut self, fields: &[Field]) -> Type {
        let mut known: Vec<(String, Type)> = Vec::new();
        let mut whole = true;
        for field in fields {
            match field {
                Field::Named(name, value) => {
                    let ty = self.infer(value, None);
                    put(&mut known, &name.text, ty);
                }
                Field::Spread(value) => match self.infer(value, None) {
                    Type::Record(spread) => spread.iter().for_each(|(name, ty)| put(&mut known, name, ty.clone())),
                    Type::Unknown => whole = false,
                    map @ Type::Map(_) if fields.len() == 1 => return map,
                    found => {
                        self.report(messages::not_spreadable(&found, "a record", self.span(value.range)));
                        whole = false;
                    }
                },
            }
        }
        if whole { Type::Record(known.into()) } else { Type::Unknown }
    }

    pub(super) fn expect_elements(&mut self, elements: &[Element], list: &Type, item: &Type, reason: &Reason) {
        for element in elements {
            match element {
                Element::Item(value) => self.expect(value, item, reason),
                Element::Spread(value) => {
                    let found = self.infer(value, Some(list));
                    if !matches!(found, Type::List(_) | Type::Command | Type::Unknown) {
                        self.report(messages::not_spreadable(&found, "a list", self.span(value.range)));
                    } else if !list.accepts(&found) && found != Type::Command {
                        let report = messages::mismatch(value, list, &found, self.span(value.range));
                        self.report(reason.explain(report));
                    }
                }
            }
        }
    }

    pub(super) fn expect_map(&mut self, fields: &[Field], map: &Type, item: &Type, reason: &Reason) {
        for field in fields {
            match field {
                Field::Named(_, value) => self.expect(value, item, reason),
                Field::Spread(value) => self.expect(value, map, reason),
            }
        }
    }

    pub(super) fn expect_record(&mut self, expr: &Expr, fields: &[Field], wanted: &[(String, Type)], reason: &Reason) {
        let mut given: Vec<String> = Vec::new();
        let mut whole = true;
        for field in fields {
            match field {
                Field::Named(name, value) => {
                    given.push(name.text.clone());
                    self.expect_field(name, value, wanted, reason);
                }
                Field::Spread(value) => match self.infer(value, None) {
                    Type::Record(spread) => given.extend(spread.iter().map(|(name, _)| name.clone())),
                    _ => whole = false,
                },
            }
        }
        let required = wanted.iter().filter(|(_, ty)| !matches!(ty, Type::Optional(_)));
        let missing: Vec<&str> =
            required.map(|(name, _)| name.as_str()).filter(|n| !given.iter().any(|g| g == n)).collect();
        if whole && !missing.is_empty() {
            let message = format!("the record lacks `{}`", missing.join("`, `"));
            let report = Diagnostic::error(Code("E0302"), self.span(expr.range), message);
            self.report(reason.explain(report));
        }
    }

    fn expect_field(&mut self, name: &Name, value: &Expr, wanted: &[(String, Type)], reason: &Reason) {
        match wanted.iter().find(|(known, _)| *known == name.text) {
            Some((_, ty)) => self.expect(value, ty, reason),
            None => {
                self.infer(value, None);
                let names: Vec<&str> = wanted.iter().map(|(known, _)| known.as_str()).collect();
                let span = self.span(name.range);
                self.report(reason.explain(messages::no_field(&name.text, &names, span)));
            }
        }
    }

    fn field(&mut self, value: &Expr, name: &Name) -> Type {
        if let ExprKind::Name(module) = &value.kind
            && let Some(DeclaredKind::Module(module)) = self.lookup(module)
        {
            return self.member(module.as_deref(), value, name);
        }
        let found = self.infer(value, None);
        let span = self.span(name.range);
        match &found {
            Type::Unknown => Type::Unknown,
            Type::Platform => match name.text.as_str() {
                "arch" | "os" => Type::Str,
                other => self.lacking(messages::no_field(other, &["arch", "os"], span)),
            },
            Type::Record(fields) => match fields.iter().find(|(known, _)| *known == name.text) {
                Some((_, ty)) => ty.clone(),
                None => {
                    let names: Vec<&str> = fields.iter().map(|(known, _)| known.as_str()).collect();
                    self.lacking(messages::no_field(&name.text, &names, span))
                }
            },
            other => self.lacking(messages::no_fields(&name.text, other, span)),
        }
    }

    fn lacking(&mut self, report: Diagnostic) -> Type {
        self.report(report);
        Type::Unknown
    }

    fn member(&mut self, module: Option<&super::Interface>, value: &Expr, name: &Name) -> Type {
        let Some(module) = module else { return Type::Unknown };
        let span = self.span(name.range);
        match module.items.get(&name.text).map(|item| &item.kind) {
            Some(DeclaredKind::Value(ty)) => ty.clone(),
            Some(DeclaredKind::Function(signature)) => self.lacking(messages::function_as_value(signature, span)),
            Some(DeclaredKind::Module(_)) | None => self.lacking(messages::no_member(value, &name.text, module, span)),
        }
    }

    fn index(&mut self, value: &Expr, patterns: &[PatternArgument]) -> Type {
        let found = self.infer(value, Some(&Type::Files));
        for pattern in patterns {
            let reason = Reason::new("patterns select files here", self.span(value.range));
            self.expect(&pattern.value, &Type::list(Type::Str), &reason);
        }
        match found {
            Type::Unknown => Type::Unknown,
            found if found.is_files() => Type::Files,
            found => self.lacking(messages::not_selectable(&found, self.span(value.range))),
        }
    }

    fn branches(&mut self, expr: &Expr, condition: &Expr, yes: &Expr, no: &Expr) -> Type {
        self.condition(condition);
        let (first, second) = (self.infer(yes, None), self.infer(no, None));
        first.join(&second).unwrap_or_else(|| {
            let message = format!("the branches are of different types: `{first}` and `{second}`");
            let report = Diagnostic::error(Code("E0301"), self.span(expr.range), message);
            let (yes, no) = (self.span(yes.range), self.span(no.range));
            let report = report.with_place(yes, format!("`{first}`")).with_place(no, format!("`{second}`"));
            self.lacking(report)
        })
    }

    /// Checks the list and the condition of a comprehension and binds its variable. Gives the depth to unbind to.
    pub(super) fn enter_comprehension(&mut self, variable: &Name, list: &Expr, condition: Option<&Expr>) -> usize {
        let item = match self.infer(list, None) {
            Type::List(item) => (*item).clone(),
            Type::Command => Type::Str,
            Type::Unknown => Type::Unknown,
            found => {
                let message = format!("`for` walks over a list, this is of type `{found}`");
                let report = Diagnostic::error(Code("E0301"), self.span(list.range), message);
                self.lacking(report)
            }
        };
        let depth = self.depth();
        self.bind(variable, item, false);
        condition.into_iter().for_each(|condition| self.condition(condition));
        depth
    }

    /// Checks the expressions in arguments of a call whose function is not known, for what is wrong inside them.
    pub(super) fn infer_all<'e>(&mut self, values: impl Iterator<Item = &'e Expr>) {
        for value in values {
            self.infer(value, None);
        }
    }

    /// The range that covers two expressions.
    pub(super) fn both(left: &Expr, right: &Expr) -> TextRange {
        left.range.cover(right.range)
    }
}

fn put(fields: &mut Vec<(String, Type)>, name: &str, ty: Type) {
    match fields.iter_mut().find(|(known, _)| known == name) {
        Some((_, known)) => *known = ty,
        None => fields.push((name.to_owned(), ty)),
    }
}
