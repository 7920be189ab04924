//! The types of operators.

use super::checker::Checker;
use super::{Type, messages};
use crate::hir::{BinaryOperator, Expr};

impl Checker<'_> {
    pub(super) fn binary(
        &mut self,
        expr: &Expr,
        operator: BinaryOperator,
        left: &Expr,
        right: &Expr,
        hint: Option<&Type>,
    ) -> Type {
        match operator {
            BinaryOperator::And | BinaryOperator::Or => {
                self.condition(left);
                self.condition(right);
                Type::Bool
            }
            BinaryOperator::Equal | BinaryOperator::NotEqual => {
                self.compare(left, right);
                Type::Bool
            }
            BinaryOperator::Add => self.add(left, right),
            BinaryOperator::Default => self.default(expr, left, right, hint),
        }
    }

    fn compare(&mut self, left: &Expr, right: &Expr) {
        let (first, second) = (self.infer(left, None), self.infer(right, None));
        let comparable = !first.is_artifact() && !second.is_artifact() && first.join(&second).is_some();
        if !comparable {
            let span = self.span(Self::both(left, right));
            self.report(messages::operands("compared", &first, &second, span));
        }
    }

    fn add(&mut self, left: &Expr, right: &Expr) -> Type {
        let (first, second) = (self.infer(left, None), self.infer(right, None));
        let words = |ty: Type| if ty == Type::Command { Type::list(Type::Str) } else { ty };
        let joined = match (words(first.clone()), words(second.clone())) {
            (Type::Unknown, _) | (_, Type::Unknown) => Some(Type::Unknown),
            (Type::Str, Type::Str) => Some(Type::Str),
            (a @ Type::List(_), b @ Type::List(_)) => a.join(&b),
            _ => None,
        };
        joined.unwrap_or_else(|| {
            let span = self.span(Self::both(left, right));
            self.report(messages::operands("added", &first, &second, span));
            Type::Unknown
        })
    }

    fn default(&mut self, expr: &Expr, left: &Expr, right: &Expr, hint: Option<&Type>) -> Type {
        let (first, second) = (self.infer(left, hint), self.infer(right, hint));
        match &first {
            Type::Unknown => return second,
            Type::Optional(inner) => {
                if let Some(joined) = inner.join(&second) {
                    return joined;
                }
                let span = self.span(expr.range);
                self.report(messages::operands("alternatives", &first, &second, span));
            }
            _ => self.report(messages::never_none(&first, self.span(left.range))),
        }
        Type::Unknown
    }
}
