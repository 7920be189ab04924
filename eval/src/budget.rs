//! The bound on what an evaluation may cost. The language cannot loop for ever, but nested comprehensions and doubled
//! strings grow without measure; a file that asks for more than this is wrong.

/// Why evaluation of an expression ended without a value. The reason has been reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stop;

/// What an expression yields, or that it was wrong.
pub(crate) type Outcome<T> = Result<T, Stop>;

/// Expressions, and items of lists, that one evaluation may work on.
const MOST_STEPS: u64 = 2_000_000;

/// Bytes of text that one evaluation may make.
const MOST_BYTES: u64 = 64 << 20;

/// Expressions inside one another, through calls. The native stack must hold them.
const DEEPEST: u32 = 500;

/// What is left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    steps: u64,
    bytes: u64,
    depth: u32,
    reported: bool,
}

/// Which bound was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exceeded {
    Steps,
    Bytes,
    Depth,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { steps: MOST_STEPS, bytes: MOST_BYTES, depth: 0, reported: false }
    }

    pub(crate) fn spend_steps(&mut self, count: usize) -> Result<(), Exceeded> {
        self.steps = self.steps.checked_sub(count as u64).ok_or(Exceeded::Steps).inspect_err(|_| self.steps = 0)?;
        Ok(())
    }

    pub(crate) fn spend_bytes(&mut self, count: usize) -> Result<(), Exceeded> {
        self.bytes = self.bytes.checked_sub(count as u64).ok_or(Exceeded::Bytes).inspect_err(|_| self.bytes = 0)?;
        Ok(())
    }

    pub(crate) fn enter(&mut self) -> Result<(), Exceeded> {
        self.depth += 1;
        if self.depth > DEEPEST { Err(Exceeded::Depth) } else { Ok(()) }
    }

    pub(crate) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Whether this is the first time; one report is enough.
    pub(crate) fn first_report(&mut self) -> bool {
        !std::mem::replace(&mut self.reported, true)
    }
}

impl Exceeded {
    pub(crate) fn message(self) -> String {
        match self {
            Self::Steps => format!("evaluation takes more than {MOST_STEPS} steps"),
            Self::Bytes => format!("evaluation makes more than {} MiB of text", MOST_BYTES >> 20),
            Self::Depth => format!("expressions and calls are nested more than {DEEPEST} deep"),
        }
    }
}
