//! What may be inserted into strings and scripts.

use super::checker::Checker;
use super::unsupported;
use super::{Role, Type, messages};
use crate::hir::{Expr, Fragment, ScriptLiteral, StringLiteral};

impl Checker<'_> {
    pub(super) fn text(&mut self, text: &StringLiteral) -> Type {
        for value in values(text) {
            let found = self.infer(value, Some(&Type::Str));
            if !matches!(found, Type::Str | Type::Int | Type::Bool | Type::Platform | Type::Unknown) {
                let span = self.span(value.range);
                self.report(messages::not_text(&found, span));
            }
        }
        Type::Str
    }

    pub(super) fn script(&mut self, script: &ScriptLiteral) -> Type {
        if let Some(report) = unsupported::tag(&script.tag, self.span(script.tag.range)) {
            self.report(report);
        }
        for value in values(&script.body) {
            self.inserted(value);
        }
        Type::Script
    }

    fn inserted(&mut self, value: &Expr) {
        let found = self.infer(value, Some(&Type::Str));
        let span = self.span(value.range);
        match &found {
            Type::Str | Type::Int | Type::Bool | Type::Platform | Type::Unknown | Type::Command => {}
            Type::List(item) if matches!(**item, Type::Str | Type::Nothing | Type::Unknown) => {}
            files if files.is_files() && self.scope.role != Role::Library => {
                self.report(unsupported::mounted(files, span));
            }
            other => self.report(messages::not_insertable(other, span)),
        }
    }
}

fn values(text: &StringLiteral) -> impl Iterator<Item = &Expr> {
    text.fragments.iter().filter_map(|fragment| match fragment {
        Fragment::Value { expr, .. } => Some(&**expr),
        Fragment::Text { .. } => None,
    })
}
