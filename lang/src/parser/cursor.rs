//! Where the grammar stands, as an input for nom's combinators.

use super::leaves::Leaf;
use super::sink::Sink;
use crate::source::TextRange;
use crate::syntax::SyntaxKind as K;
use nom::Needed;
use nom::error::{ErrorKind, ParseError};
use std::iter::Enumerate;
use std::slice::Iter;

/// The leaves that are left, and where results go.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    leaves: &'a [Leaf],
    /// The leaf passed last.
    previous: Option<&'a Leaf>,
    pub(super) sink: &'a Sink<'a>,
}

/// A leaf predicate did not hold. Says nothing: what is wrong goes to the sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mismatch;

/// What a grammar function yields.
pub(super) type Step<'a> = nom::IResult<Cursor<'a>, (), Mismatch>;

impl<I> ParseError<I> for Mismatch {
    fn from_error_kind(_: I, _: ErrorKind) -> Self {
        Self
    }

    fn append(_: I, _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// Stands in when there is no leaf at all, which [`super::leaves::leaves`] rules out.
const END: Leaf = Leaf {
    kind: K::EndOfFile,
    token: usize::MAX,
    range: TextRange { start: 0, end: 0 },
    line: 0,
    indent: 0,
    on_new_line: true,
    declares: false,
    unbalanced: false,
};

impl<'a> Cursor<'a> {
    pub(super) const fn new(leaves: &'a [Leaf], sink: &'a Sink<'a>) -> Self {
        Self { leaves, previous: None, sink }
    }

    /// The leaf `ahead` places on; the end of the file from there on.
    pub(super) fn peek_at(&self, ahead: usize) -> &'a Leaf {
        self.leaves.get(ahead).or(self.leaves.last()).unwrap_or(&END)
    }

    pub(super) fn peek(&self) -> &'a Leaf {
        self.peek_at(0)
    }

    pub(super) fn kind(&self) -> K {
        self.peek().kind
    }

    pub(super) fn kind_at(&self, ahead: usize) -> K {
        self.peek_at(ahead).kind
    }

    /// Whether the next leaf is of a kind.
    pub(super) fn at(&self, kind: K) -> bool {
        self.kind() == kind
    }

    /// Whether the next leaf is of a kind and on the line of the one before.
    pub(super) fn at_on_line(&self, kind: K) -> bool {
        self.at(kind) && !self.peek().on_new_line
    }

    /// Whether nothing of this declaration is left.
    pub(super) fn at_boundary(&self) -> bool {
        let leaf = self.peek();
        leaf.declares || leaf.kind == K::EndOfFile
    }

    pub(super) fn text(&self) -> &'a str {
        self.sink.text_of(self.peek().range)
    }

    pub(super) fn previous(&self) -> Option<&'a Leaf> {
        self.previous
    }

    /// The empty range where the leaf before ended.
    pub(super) fn after_previous(&self) -> TextRange {
        let end = self.previous.map_or(0, |leaf| leaf.range.end);
        TextRange::new(end, end)
    }

    /// How many leaves are left; tells whether a step made progress.
    pub(super) fn left(&self) -> usize {
        self.leaves.len()
    }

    /// Passes the next leaf into the tree. At the end of the file it stays.
    pub(super) fn bump(self) -> Self {
        if self.at(K::EndOfFile) {
            return self;
        }
        self.sink.token(self.peek());
        nom::Input::take_from(&self, 1)
    }
}

/// The kinds of the leaves.
pub(super) struct Kinds<'a>(Iter<'a, Leaf>);

impl Iterator for Kinds<'_> {
    type Item = K;

    fn next(&mut self) -> Option<K> {
        self.0.next().map(|leaf| leaf.kind)
    }
}

impl<'a> nom::Input for Cursor<'a> {
    type Item = K;
    type Iter = Kinds<'a>;
    type IterIndices = Enumerate<Kinds<'a>>;

    fn input_len(&self) -> usize {
        self.leaves.len()
    }

    fn take(&self, index: usize) -> Self {
        Self { leaves: self.leaves.get(..index).unwrap_or(self.leaves), ..*self }
    }

    fn take_from(&self, index: usize) -> Self {
        let (passed, left) = self.leaves.split_at(index.min(self.leaves.len()));
        Self { leaves: left, previous: passed.last().or(self.previous), sink: self.sink }
    }

    fn take_split(&self, index: usize) -> (Self, Self) {
        (self.take_from(index), self.take(index))
    }

    fn position<P>(&self, predicate: P) -> Option<usize>
    where
        P: Fn(Self::Item) -> bool,
    {
        self.leaves.iter().position(|leaf| predicate(leaf.kind))
    }

    fn iter_elements(&self) -> Self::Iter {
        Kinds(self.leaves.iter())
    }

    fn iter_indices(&self) -> Self::IterIndices {
        self.iter_elements().enumerate()
    }

    fn slice_index(&self, count: usize) -> Result<usize, Needed> {
        if count <= self.leaves.len() { Ok(count) } else { Err(Needed::new(count - self.leaves.len())) }
    }
}
