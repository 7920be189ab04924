//! A flat tree over a text: kinds, ranges and three links per element, in document order.
//!
//! Rules: leaves are tokens and cover the text without gaps; an element's range is that of its leaves; building and
//! walking never recurse, so depth is no danger here.

use super::SyntaxKind;
use crate::source::TextRange;

/// Names an element of one tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElementId(u32);

const NOTHING: u32 = u32::MAX;

#[derive(Debug, Clone)]
struct Element {
    kind: SyntaxKind,
    range: TextRange,
    parent: u32,
    first_child: u32,
    next_sibling: u32,
}

/// A file as a tree that keeps every byte.
#[derive(Debug, Clone)]
pub struct SyntaxTree {
    text: String,
    elements: Vec<Element>,
}

impl SyntaxTree {
    /// The whole text, equal to what was parsed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The node that holds all others, of kind [`SyntaxKind::File`].
    #[must_use]
    pub const fn root(&self) -> ElementId {
        ElementId(0)
    }

    /// What an element is; [`SyntaxKind::Error`] for an id of another tree.
    #[must_use]
    pub fn kind(&self, id: ElementId) -> SyntaxKind {
        self.element(id).map_or(SyntaxKind::Error, |element| element.kind)
    }

    /// Where an element stands.
    #[must_use]
    pub fn range(&self, id: ElementId) -> TextRange {
        self.element(id).map_or(TextRange::default(), |element| element.range)
    }

    /// The text of an element.
    #[must_use]
    pub fn text_of(&self, id: ElementId) -> &str {
        self.text.get(self.range(id).as_range()).unwrap_or_default()
    }

    /// What holds an element.
    #[must_use]
    pub fn parent(&self, id: ElementId) -> Option<ElementId> {
        self.element(id).and_then(|element| link(element.parent))
    }

    /// What an element holds, in order, tokens and trivia included.
    pub fn children(&self, id: ElementId) -> impl Iterator<Item = ElementId> + '_ {
        let first = self.element(id).and_then(|element| link(element.first_child));
        std::iter::successors(first, |child| self.element(*child).and_then(|element| link(element.next_sibling)))
    }

    /// The nodes an element holds, without tokens.
    pub fn nodes(&self, id: ElementId) -> impl Iterator<Item = ElementId> + '_ {
        self.children(id).filter(|child| !self.kind(*child).is_token())
    }

    /// The first child of a kind.
    #[must_use]
    pub fn child(&self, id: ElementId, kind: SyntaxKind) -> Option<ElementId> {
        self.children(id).find(|child| self.kind(*child) == kind)
    }

    /// All tokens in order.
    pub fn tokens(&self) -> impl Iterator<Item = ElementId> + '_ {
        (0..self.elements.len()).filter_map(|index| {
            let id = ElementId(u32::try_from(index).ok()?);
            self.kind(id).is_token().then_some(id)
        })
    }

    /// The token that holds the byte at `offset`, if there is one.
    #[must_use]
    pub fn token_at(&self, offset: u32) -> Option<ElementId> {
        let mut id = self.root();
        loop {
            let inside = |child: &ElementId| {
                let range = self.range(*child);
                range.start <= offset && offset < range.end
            };
            match self.children(id).find(inside) {
                Some(child) if self.kind(child).is_token() => return Some(child),
                Some(child) => id = child,
                None => return None,
            }
        }
    }

    fn element(&self, id: ElementId) -> Option<&Element> {
        self.elements.get(id.0 as usize)
    }
}

const fn link(raw: u32) -> Option<ElementId> {
    if raw == NOTHING { None } else { Some(ElementId(raw)) }
}

/// Builds a tree from opened and closed nodes and the tokens between them.
#[derive(Debug)]
pub struct TreeBuilder {
    elements: Vec<Element>,
    /// The open nodes, and for each its last child so far.
    open: Vec<(u32, u32)>,
    position: u32,
}

impl Default for TreeBuilder {
    fn default() -> Self {
        let mut builder = Self { elements: Vec::new(), open: Vec::new(), position: 0 };
        builder.open(SyntaxKind::File);
        builder
    }
}

impl TreeBuilder {
    /// Opens a node where the last token ended.
    pub fn open(&mut self, kind: SyntaxKind) {
        let id = self.add(kind, TextRange::new(self.position, self.position));
        self.open.push((id, NOTHING));
    }

    /// Closes the node opened last; the file itself is closed by [`Self::finish`] only.
    pub fn close(&mut self) {
        if self.open.len() > 1 {
            self.close_last();
        }
    }

    /// Adds a token that ends at `end`.
    pub fn token(&mut self, kind: SyntaxKind, end: u32) {
        let range = TextRange::new(self.position, end);
        self.add(kind, range);
        self.position = range.end;
    }

    /// Closes what is open and yields the tree.
    #[must_use]
    pub fn finish(mut self, text: &str) -> SyntaxTree {
        while !self.open.is_empty() {
            self.close_last();
        }
        SyntaxTree { text: text.to_owned(), elements: self.elements }
    }

    fn close_last(&mut self) {
        let end = self.position;
        if let Some(element) = self.open.pop().and_then(|(id, _)| self.elements.get_mut(id as usize)) {
            element.range.end = end.max(element.range.start);
        }
    }

    fn add(&mut self, kind: SyntaxKind, range: TextRange) -> u32 {
        let id = u32::try_from(self.elements.len()).unwrap_or(NOTHING);
        let mut parent = NOTHING;
        if let Some((open, last)) = self.open.last_mut() {
            parent = *open;
            let before = std::mem::replace(last, id);
            link_after(&mut self.elements, parent, before, id);
        }
        self.elements.push(Element { kind, range, parent, first_child: NOTHING, next_sibling: NOTHING });
        id
    }
}

fn link_after(elements: &mut [Element], parent: u32, before: u32, id: u32) {
    if let Some(sibling) = elements.get_mut(before as usize) {
        sibling.next_sibling = id;
    } else if let Some(holder) = elements.get_mut(parent as usize) {
        holder.first_child = id;
    }
}

#[cfg(test)]
mod tests {
    use super::{SyntaxKind as K, TreeBuilder};

    #[test]
    fn elements_are_linked_in_order() {
        let mut builder = TreeBuilder::default();
        builder.open(K::ListExpr);
        builder.token(K::LeftBracket, 1);
        builder.open(K::NameExpr);
        builder.token(K::Name, 2);
        builder.close();
        builder.token(K::RightBracket, 3);
        builder.close();
        builder.token(K::Newline, 4);
        let tree = builder.finish("[a]\n");
        let list = tree.child(tree.root(), K::ListExpr).expect("it was added");
        assert_eq!(tree.children(tree.root()).map(|id| tree.kind(id)).collect::<Vec<_>>(), [K::ListExpr, K::Newline]);
        assert_eq!(tree.text_of(list), "[a]");
        let name = tree.token_at(1).expect("the text is longer");
        assert_eq!((tree.kind(name), tree.text_of(name)), (K::Name, "a"));
        assert_eq!(tree.parent(name).and_then(|id| tree.parent(id)), Some(list));
        assert_eq!(tree.token_at(4), None);
    }

    #[test]
    fn builders_close_what_is_open() {
        let mut builder = TreeBuilder::default();
        builder.close();
        builder.open(K::Error);
        builder.token(K::Name, 1);
        let tree = builder.finish("a");
        assert_eq!(tree.range(tree.root()).end, 1);
        assert_eq!(tree.nodes(tree.root()).count(), 1);
    }
}
