//! Stacks: ordered lists of layers that share what lies below.
//!
//! A stack is the one below it and one more layer. So a chain of steps costs one link a step, in memory and in records,
//! however deep it is, and two stacks are the same if their digests are.
//!
//! The digest of a stack is BLAKE3 of the canonical encoding, domain `stack`, of the digest of the stack below (nothing
//! for the empty one) and the digest of the top layer.
//!
//! Must not know: what layers hold, where stacks are kept.

use std::fmt;
use std::sync::Arc;

use crate::digest::{LayerDigest, StackDigest};
use crate::encode::Encoder;

/// An ordered list of layers. Cheap to copy.
#[derive(Clone, Default)]
pub struct Stack(Option<Arc<Link>>);

struct Link {
    below: Stack,
    layer: LayerDigest,
    digest: StackDigest,
    depth: usize,
}

impl Stack {
    /// The stack without layers.
    #[must_use]
    pub const fn empty() -> Self {
        Self(None)
    }

    /// A stack of these layers, the bottom one first.
    #[must_use]
    pub fn of(layers: impl IntoIterator<Item = LayerDigest>) -> Self {
        layers.into_iter().fold(Self::empty(), |below, layer| below.with(layer))
    }

    /// This stack with one more layer on top.
    #[must_use]
    pub fn with(&self, layer: LayerDigest) -> Self {
        let digest = digest(self.0.as_ref().map(|link| &link.digest), &layer);
        Self(Some(Arc::new(Link { below: self.clone(), layer, digest, depth: self.len() + 1 })))
    }

    /// What names the stack.
    #[must_use]
    pub fn digest(&self) -> StackDigest {
        self.0.as_ref().map_or_else(|| StackDigest::from_bytes(Encoder::new("stack").hash()), |link| link.digest)
    }

    /// How many layers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |link| link.depth)
    }

    /// Whether there are no layers.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The top layer and the stack below it; `None` for the empty stack.
    #[must_use]
    pub fn split_top(&self) -> Option<(&Self, LayerDigest)> {
        self.0.as_ref().map(|link| (&link.below, link.layer))
    }

    /// This stack and those below it, the whole first, the empty one not.
    pub fn downwards(&self) -> impl Iterator<Item = &Self> {
        let mut next = Some(self);
        std::iter::from_fn(move || {
            let here = next?;
            let (below, _) = here.split_top()?;
            next = Some(below);
            Some(here)
        })
    }

    /// The layers, the bottom one first.
    #[must_use]
    pub fn layers(&self) -> Vec<LayerDigest> {
        let mut layers: Vec<LayerDigest> =
            self.downwards().filter_map(|stack| stack.split_top().map(|(_, layer)| layer)).collect();
        layers.reverse();
        layers
    }
}

fn digest(below: Option<&StackDigest>, layer: &LayerDigest) -> StackDigest {
    let mut e = Encoder::new("stack");
    if let Some(below) = below {
        e.field("below").bytes(below.as_bytes());
    }
    e.field("layer").bytes(layer.as_bytes());
    StackDigest::from_bytes(e.hash())
}

impl PartialEq for Stack {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}

impl Eq for Stack {}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.layers()).finish()
    }
}

/// One link after the other: a deep stack must not be a deep recursion.
impl Drop for Stack {
    fn drop(&mut self) {
        let mut next = self.0.take();
        while let Some(mut link) = next.and_then(Arc::into_inner) {
            next = link.below.0.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(byte: u8) -> LayerDigest {
        LayerDigest::from_bytes([byte; 32])
    }

    #[test]
    fn stacks_are_what_their_layers_are() {
        let stack = Stack::of([layer(1), layer(2)]).with(layer(3));
        assert_eq!(stack.layers(), [layer(1), layer(2), layer(3)]);
        assert_eq!((stack.len(), Stack::empty().len()), (3, 0));
        assert_eq!(stack, Stack::of(stack.layers()));
        for other in [vec![1, 2], vec![1, 3, 2], vec![2, 3], vec![1, 2, 3, 3], vec![]] {
            assert_ne!(stack, Stack::of(other.into_iter().map(layer)));
        }
    }

    #[test]
    fn deep_stacks_are_dropped_without_recursion() {
        let stack = (0..500_000_u32).fold(Stack::empty(), |below, number| below.with(layer(number.to_le_bytes()[0])));
        let shared = stack.downwards().nth(100_000).cloned().expect("a deep stack");
        drop(stack);
        assert_eq!(shared.len(), 400_000);
    }

    /// What every store knows stacks by; it changes only together with [`crate::FORMAT`].
    #[test]
    fn golden_digests_guard_the_encoding() {
        assert_eq!(
            Stack::of([layer(1), layer(2)]).digest().hex(),
            "2fe38b4e9a418e903e2492719e80d56db1aeff3e03237a252b2a3fdb50f4f68f"
        );
    }
}
