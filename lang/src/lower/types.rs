//! Types as written.

use super::Lower;
use crate::hir::{Name, TypeExpr, TypeKind};
use crate::source::TextRange;
use crate::syntax::{ElementId, SyntaxKind as K};

impl Lower<'_> {
    /// The first type in a node.
    pub(super) fn type_in(&self, node: ElementId) -> TypeExpr {
        let found = self.tree.nodes(node).find(|child| self.tree.kind(*child).is_type());
        let end = self.tree.range(node).end;
        let missing = TypeExpr { range: TextRange::new(end, end), kind: TypeKind::Missing };
        found.map_or(missing, |node| self.type_expr(node))
    }

    fn type_expr(&self, node: ElementId) -> TypeExpr {
        let kind = match self.tree.kind(node) {
            K::NamedType => TypeKind::Named(self.tree.text_of(node).to_owned()),
            K::ListType => TypeKind::List(Box::new(self.type_in(node))),
            K::RecordType => self.record_type(node),
            K::OptionalType => TypeKind::Optional(Box::new(self.type_in(node))),
            _ => TypeKind::Missing,
        };
        TypeExpr { range: self.tree.range(node), kind }
    }

    /// `{Str: T}` is a map: its one field is called like the type of its keys.
    fn record_type(&self, node: ElementId) -> TypeKind {
        let fields = self.tree.nodes(node).filter(|child| self.tree.kind(*child) == K::TypeField);
        let mut fields: Vec<(Name, TypeExpr)> =
            fields.map(|field| (self.name_in(field), self.type_in(field))).collect();
        let is_map = fields.len() == 1 && fields.iter().all(|(name, _)| name.text == "Str");
        match fields.pop() {
            Some((_, ty)) if is_map => TypeKind::Map(Box::new(ty)),
            last => {
                fields.extend(last);
                self.report_duplicates(fields.iter().map(|(name, _)| name), "field");
                TypeKind::Record(fields)
            }
        }
    }
}
