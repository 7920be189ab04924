//! What is to be known about how a result was made, beside what it is.
//!
//! A mark is inherited by everything that is built on a marked result. Results with marks are kept apart where results
//! are shared: they may differ on another machine.
//!
//! Form in a record: the names in the order below, nothing if there are none.

use crate::decode::{DecodeError, Decoder};
use crate::encode::Encoder;

/// One thing to know about how a result was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// A step used the network without anything that fixes what it got.
    Unpinned,
    /// A step began with a cache directory that held something.
    Warm,
    /// One user id stood for all.
    SingleId,
    /// A program of another architecture was emulated.
    Emulated,
    /// The sandbox lacked some of its walls.
    Weak,
}

impl Mark {
    /// All marks, in the order of their encoding.
    pub const ALL: [Self; 5] = [Self::Unpinned, Self::Warm, Self::SingleId, Self::Emulated, Self::Weak];

    /// The word for it in records and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unpinned => "unpinned",
            Self::Warm => "warm",
            Self::SingleId => "single-id",
            Self::Emulated => "emulated",
            Self::Weak => "weak",
        }
    }
}

/// A set of marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Marks(u8);

impl Marks {
    /// No mark.
    pub const NONE: Self = Self(0);

    /// These marks and one more.
    #[must_use]
    pub const fn with(self, mark: Mark) -> Self {
        Self(self.0 | 1 << mark as u8)
    }

    /// The marks of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the mark is among them.
    #[must_use]
    pub const fn has(self, mark: Mark) -> bool {
        self.0 & 1 << mark as u8 != 0
    }

    /// The marks, in order.
    pub fn iter(self) -> impl Iterator<Item = Mark> {
        Mark::ALL.into_iter().filter(move |mark| self.has(*mark))
    }

    /// Writes the field `marks`, or nothing if there are none.
    pub fn encode(self, e: &mut Encoder) {
        let names: Vec<&str> = self.iter().map(Mark::name).collect();
        if !names.is_empty() {
            e.field("marks").list(names.into_iter(), |e, name| {
                e.text(name);
            });
        }
    }

    /// Reads what [`Marks::encode`] wrote.
    ///
    /// # Errors
    /// If it is something else: an unknown mark too, for what it says about the result is not known.
    pub fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        if !d.optional_field("marks") {
            return Ok(Self::NONE);
        }
        d.value("marks in their order, each once", |d| {
            let names = d.list(|d| d.text()).ok()?;
            let known = |name: &&str| Mark::ALL.into_iter().find(|mark| mark.name() == *name);
            let marks: Vec<Mark> = names.iter().map(known).collect::<Option<_>>()?;
            let rising = marks.windows(2).all(|pair| pair[0] < pair[1]);
            (rising && !marks.is_empty()).then(|| marks.into_iter().fold(Self::NONE, Self::with))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(names: &[&str]) -> Vec<u8> {
        let mut e = Encoder::new("test");
        if !names.is_empty() {
            e.field("marks").list(names.iter(), |e, name| {
                e.text(name);
            });
        }
        e.finish()
    }

    fn decoded(bytes: &[u8]) -> Option<Marks> {
        let mut d = Decoder::new(bytes, "test").ok()?;
        let marks = Marks::decode(&mut d).ok()?;
        d.finish().ok().map(|()| marks)
    }

    #[test]
    fn every_set_has_one_encoding() {
        for bits in 0..1 << Mark::ALL.len() {
            let marks = Marks(bits);
            let mut e = Encoder::new("test");
            marks.encode(&mut e);
            let bytes = e.finish();
            assert_eq!(decoded(&bytes), Some(marks));
            assert_eq!(bytes, encoded(&marks.iter().map(Mark::name).collect::<Vec<_>>()));
        }
        for names in [&["warm", "unpinned"][..], &["warm", "warm"], &["new"]] {
            assert_eq!(decoded(&encoded(names)), None, "{names:?}");
        }
    }
}
