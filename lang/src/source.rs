//! Files and ranges: where something stands.

use std::ops::Range;

/// Names one file of an evaluation; given out by whoever loads files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A half-open range of byte offsets in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TextRange {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl TextRange {
    /// A range; `end` is raised to `start` if it is smaller.
    #[must_use]
    pub const fn new(start: u32, end: u32) -> Self {
        Self { start, end: if end < start { start } else { end } }
    }

    /// The smallest range that covers both.
    #[must_use]
    pub fn cover(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// For indexing text.
    #[must_use]
    pub const fn as_range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A range in a named file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// Where in it.
    pub range: TextRange,
}

/// Where the lines of a text start, for turning offsets into lines and columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineIndex {
    starts: Vec<u32>,
}

impl LineIndex {
    /// Reads a text; what lies beyond 4 GiB belongs to its last line.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = newlines.filter_map(|(at, _)| u32::try_from(at + 1).ok());
        Self { starts: std::iter::once(0).chain(starts).collect() }
    }

    /// The line, from 0, and the column in bytes of UTF-8, from 0.
    #[must_use]
    pub fn line_column(&self, offset: u32) -> (u32, u32) {
        let line = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        (u32::try_from(line).unwrap_or(u32::MAX), offset - start)
    }

    /// Where a line starts; nothing if there is no such line.
    #[must_use]
    pub fn line_start(&self, line: u32) -> Option<u32> {
        self.starts.get(line as usize).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::{LineIndex, TextRange};

    #[test]
    fn offsets_become_lines_and_columns() {
        let lines = LineIndex::new("a\n\u{e9}b\r\n");
        for (offset, place) in [(0, (0, 0)), (1, (0, 1)), (2, (1, 0)), (4, (1, 2)), (7, (2, 0)), (99, (2, 92))] {
            assert_eq!(lines.line_column(offset), place, "{offset}");
        }
        assert_eq!((lines.line_start(1), lines.line_start(3)), (Some(2), None));
    }

    #[test]
    fn ranges_never_end_before_they_start() {
        assert_eq!(TextRange::new(3, 1), TextRange::new(3, 3));
        assert_eq!(TextRange::new(3, 4).cover(TextRange::new(1, 2)), TextRange::new(1, 4));
    }
}
