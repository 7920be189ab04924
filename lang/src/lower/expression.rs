//! Expressions.

use super::Lower;
use crate::codes;
use crate::hir::{Argument, BinaryOperator, Element, Expr, ExprKind, Field, Fragment, Name, PatternArgument};
use crate::syntax::{ElementId, SyntaxKind as K};

impl Lower<'_> {
    pub(super) fn expr(&self, node: ElementId) -> Expr {
        Expr { range: self.tree.range(node), kind: self.expr_kind(node) }
    }

    fn expr_kind(&self, node: ElementId) -> ExprKind {
        match self.tree.kind(node) {
            K::StringLiteral => ExprKind::Str(self.string(node)),
            K::Script => self.script(node),
            K::IntLiteral => self.int(node),
            K::BoolLiteral => ExprKind::Bool(self.tree.text_of(node) == "true"),
            K::NoneLiteral => ExprKind::None,
            K::NameExpr => ExprKind::Name(self.tree.text_of(node).to_owned()),
            K::ListExpr => self.list(node),
            K::RecordExpr => self.record(node),
            K::ParenExpr => self.group(node),
            K::NotExpr => ExprKind::Not(Box::new(self.value_in(node))),
            K::FieldAccess | K::IndexExpr | K::CallExpr | K::IfExpr | K::BinaryExpr => self.compound(node),
            _ => ExprKind::Missing,
        }
    }

    /// The one value between parentheses.
    fn group(&self, node: ElementId) -> ExprKind {
        let mut nodes = self.tree.nodes(node);
        let one = nodes.next().filter(|child| self.tree.kind(*child).is_expression());
        if one.is_some() && nodes.next().is_none() && self.tree.child(node, K::Comma).is_none() {
            return self.value_in(node).kind;
        }
        if self.tree.child(node, K::Error).is_none() {
            let message = "parentheses hold one value";
            let diagnostic = self.error(codes::GROUP_FORM, self.tree.range(node), message);
            self.report(
                diagnostic.help(
                    "a list stands in `[...]`, a record in `{...}`; is the name of a function missing before `(`?",
                ),
            );
        }
        ExprKind::Missing
    }

    fn compound(&self, node: ElementId) -> ExprKind {
        let mut operands = self.expressions(node).map(|operand| self.expr(operand));
        let mut next = || Box::new(operands.next().unwrap_or_else(|| self.missing_value(node)));
        match self.tree.kind(node) {
            K::FieldAccess => ExprKind::Field(next(), self.field_name(node)),
            K::IndexExpr => ExprKind::Index(next(), self.patterns(node)),
            K::CallExpr => ExprKind::Call(next(), self.arguments(node)),
            K::IfExpr => ExprKind::If(next(), next(), next()),
            _ => match self.operator(node) {
                Some(operator) => ExprKind::Binary(operator, next(), next()),
                None => ExprKind::Missing,
            },
        }
    }

    fn field_name(&self, node: ElementId) -> Name {
        let names = self.tree.children(node).filter(|child| self.tree.kind(*child) == K::Name);
        names.last().map_or_else(
            || {
                let end = self.tree.range(node).end;
                Name { text: String::new(), range: crate::source::TextRange::new(end, end) }
            },
            |name| self.name_of(name),
        )
    }

    fn operator(&self, node: ElementId) -> Option<BinaryOperator> {
        self.tree.children(node).find_map(|child| match self.tree.kind(child) {
            K::Plus => Some(BinaryOperator::Add),
            K::EqualEqual => Some(BinaryOperator::Equal),
            K::BangEqual => Some(BinaryOperator::NotEqual),
            K::AndKeyword => Some(BinaryOperator::And),
            K::OrKeyword => Some(BinaryOperator::Or),
            K::QuestionQuestion => Some(BinaryOperator::Default),
            _ => None,
        })
    }

    /// A list, or the comprehension that is its only item.
    fn list(&self, node: ElementId) -> ExprKind {
        let comprehension = self.tree.child(node, K::Comprehension);
        if let Some(comprehension) = comprehension {
            let items = self.tree.nodes(node).filter(|child| self.tree.kind(*child) != K::Error);
            if items.count() > 1 {
                self.report_mixed_comprehension(comprehension);
            }
            return self.comprehension(comprehension);
        }
        ExprKind::List(self.tree.nodes(node).filter_map(|child| self.element(child)).collect())
    }

    fn report_mixed_comprehension(&self, node: ElementId) {
        let range = self.tree.range(node);
        let message = "a comprehension is the only item of its list";
        let diagnostic = self.error(codes::COMPREHENSION_FORM, range, message);
        self.report(diagnostic.help("join lists with `+`: `[a, b] + [f(x) for x in xs]`"));
    }

    fn element(&self, node: ElementId) -> Option<Element> {
        match self.tree.kind(node) {
            K::Spread => Some(Element::Spread(self.value_in(node))),
            kind if kind.is_expression() => Some(Element::Item(self.expr(node))),
            _ => None,
        }
    }

    fn comprehension(&self, node: ElementId) -> ExprKind {
        let mut parts = self.expressions(node).map(|part| self.expr(part));
        let mut next = || Box::new(parts.next().unwrap_or_else(|| self.missing_value(node)));
        let (body, list) = (next(), next());
        let condition = parts.next().map(Box::new);
        ExprKind::Comprehension { body, variable: self.name_in(node), list, condition }
    }

    fn record(&self, node: ElementId) -> ExprKind {
        let fields: Vec<Field> = self.tree.nodes(node).filter_map(|child| self.record_field(child)).collect();
        let names = fields.iter().filter_map(|field| match field {
            Field::Named(name, _) => Some(name),
            Field::Spread(_) => None,
        });
        self.report_duplicates(names, "field");
        ExprKind::Record(fields)
    }

    fn record_field(&self, node: ElementId) -> Option<Field> {
        match self.tree.kind(node) {
            K::Field => Some(Field::Named(self.key(node), self.value_in(node))),
            K::Spread => Some(Field::Spread(self.value_in(node))),
            _ => None,
        }
    }

    /// The name of a field, quoted or not.
    fn key(&self, field: ElementId) -> Name {
        let Some(key) = self.tree.child(field, K::FieldKey) else { return self.missing_name(field) };
        let Some(literal) = self.tree.child(key, K::StringLiteral) else { return self.name_in(key) };
        let text = match self.string(literal).fragments.as_slice() {
            [] => String::new(),
            [Fragment::Text { text, .. }] => text.clone(),
            _ => {
                let message = "the name of a field is a plain string";
                self.report(self.error(codes::COMPUTED_KEY, self.tree.range(literal), message));
                String::new()
            }
        };
        Name { text, range: self.tree.range(literal) }
    }

    fn arguments(&self, node: ElementId) -> Vec<Argument> {
        let Some(list) = self.tree.child(node, K::ArgumentList) else { return Vec::new() };
        let arguments: Vec<Argument> = self.tree.nodes(list).filter_map(|child| self.argument(child)).collect();
        let names = arguments.iter().filter_map(|argument| match argument {
            Argument::Named(name, _) => Some(name),
            _ => None,
        });
        self.report_duplicates(names, "argument");
        arguments
    }

    fn argument(&self, node: ElementId) -> Option<Argument> {
        match self.tree.kind(node) {
            K::Field => Some(Argument::Named(self.key(node), self.value_in(node))),
            K::Spread => Some(Argument::Spread(self.value_in(node))),
            kind if kind.is_expression() => Some(Argument::Positional(self.expr(node))),
            _ => None,
        }
    }

    fn patterns(&self, node: ElementId) -> Vec<PatternArgument> {
        let Some(list) = self.tree.child(node, K::PatternList) else { return Vec::new() };
        let patterns = self.tree.nodes(list).filter(|child| self.tree.kind(*child) == K::Pattern);
        patterns
            .map(|pattern| PatternArgument {
                exclude: self.tree.child(pattern, K::Bang).is_some(),
                value: self.value_in(pattern),
            })
            .collect()
    }
}
