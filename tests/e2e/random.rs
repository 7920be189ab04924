//! A small generator of numbers, so that a failing run can be repeated (xorshift, Marsaglia 2003).
//!
//! Must not know: what the numbers are for.

/// The same numbers for the same seed, everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `limit`.
    pub(crate) const fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    /// True in `percent` of a hundred cases.
    pub(crate) const fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of them.
    pub(crate) fn pick<'all, T>(&mut self, all: &'all [T]) -> &'all T {
        let index = self.below(all.len() as u64);
        &all[usize::try_from(index).expect("an index of a slice")]
    }

    /// Some of them in any order: each at most once.
    pub(crate) fn some<T: Clone>(&mut self, all: &[T], count: usize) -> Vec<T> {
        let mut rest = all.to_vec();
        let picked = (0..count.min(all.len())).map(|_| {
            let index = usize::try_from(self.below(rest.len() as u64)).expect("an index of a slice");
            rest.swap_remove(index)
        });
        picked.collect()
    }
}
