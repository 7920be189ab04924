//! Multi-line strings and scripts: the common indentation goes, CRLF becomes LF, each line keeps its place.
//!
//! The body starts behind the newline that follows the opener; text on the opener's own line is kept as it stands and
//! has no part in the common indentation. Blank lines have none either and become empty. The newline before the closer
//! stays, the blanks before it go.

use super::Lower;
use super::literal::Pieces;
use crate::codes;
use crate::hir::{ExprKind, ScriptLiteral, StringLiteral};
use crate::source::TextRange;
use crate::syntax::{ElementId, SyntaxKind as K};

/// A piece of the body in one line.
enum Piece {
    Text(TextRange),
    Escaped(TextRange),
    Value(ElementId),
}

/// A line of the body.
#[derive(Default)]
struct Line {
    pieces: Vec<Piece>,
    /// From its first byte to its newline.
    range: TextRange,
    /// Whether a newline ends it.
    ended: bool,
    /// Whether it is on the opener's line, where nothing is indentation.
    first: bool,
}

impl Lower<'_> {
    pub(super) fn script(&self, node: ElementId) -> ExprKind {
        let Some(literal) = self.tree.child(node, K::StringLiteral) else { return ExprKind::Missing };
        let tag = self.name_in(node);
        if self.tree.child(literal, K::TripleQuote).is_none() {
            let body = self.string(literal);
            let lines = vec![body.range];
            return ExprKind::Script(ScriptLiteral { tag, body, lines });
        }
        let (body, lines) = self.block_string(literal);
        ExprKind::Script(ScriptLiteral { tag, body, lines })
    }

    /// The string and, for each of its lines, where that line stands.
    pub(super) fn block_string(&self, node: ElementId) -> (StringLiteral, Vec<TextRange>) {
        let mut lines = self.lines(node);
        drop_opener_line(&mut lines);
        self.drop_closer_line(&mut lines, self.tree.child(node, K::ClosingTripleQuote).is_some());
        let indent = self.common_indent(&lines);
        let mut pieces = Pieces::default();
        for line in &lines {
            self.add_line(&mut pieces, line, indent);
        }
        let literal = StringLiteral { range: self.tree.range(node), fragments: pieces.finish() };
        (literal, lines.iter().map(|line| line.range).collect())
    }

    /// Cuts the body at its newlines.
    fn lines(&self, node: ElementId) -> Vec<Line> {
        let mut lines = vec![Line { first: true, ..Line::default() }];
        for child in self.tree.children(node) {
            let range = self.tree.range(child);
            match self.tree.kind(child) {
                K::TripleQuote => start_line(&mut lines, range.end),
                K::Text => self.cut_text(&mut lines, range),
                K::EscapedInterpolation => add_piece(&mut lines, Piece::Escaped(range), range),
                K::Interpolation => add_piece(&mut lines, Piece::Value(child), range),
                _ => {}
            }
        }
        lines
    }

    fn cut_text(&self, lines: &mut Vec<Line>, range: TextRange) {
        let text = self.tree.text().get(range.as_range()).unwrap_or_default();
        let mut start = range.start;
        for part in text.split_inclusive('\n') {
            let end = start + length(part);
            let content = part.strip_suffix('\n').unwrap_or(part);
            let content = if part.ends_with('\n') { content.strip_suffix('\r').unwrap_or(content) } else { content };
            let content = TextRange::new(start, start + length(content));
            if content.start < content.end {
                add_piece(lines, Piece::Text(content), content);
            }
            if part.ends_with('\n') {
                if let Some(line) = lines.last_mut() {
                    line.ended = true;
                }
                lines.push(Line::default());
                start_line(lines, end);
            }
            start = end;
        }
    }

    /// The blanks in front of a closer on its own line are no text; neither is an unclosed string's empty last line.
    fn drop_closer_line(&self, lines: &mut Vec<Line>, closed: bool) {
        let has_lines = lines.len() > 1 || lines.iter().any(|line| !line.first);
        let blank = lines.last().is_some_and(|line| self.is_blank(line));
        if has_lines && blank {
            lines.pop();
        } else if let Some(line) = lines.last_mut().filter(|_| !closed) {
            line.ended = true;
        }
    }

    fn is_blank(&self, line: &Line) -> bool {
        line.pieces.iter().all(|piece| match piece {
            Piece::Text(range) => self.text(*range).trim_matches([' ', '\t']).is_empty(),
            Piece::Escaped(_) | Piece::Value(_) => false,
        })
    }

    fn text(&self, range: TextRange) -> &str {
        self.tree.text().get(range.as_range()).unwrap_or_default()
    }

    /// The blanks a line starts with.
    fn indent(&self, line: &Line) -> &str {
        let Some(Piece::Text(range)) = line.pieces.first() else { return "" };
        let text = self.text(*range);
        text.get(..text.len() - text.trim_start_matches([' ', '\t']).len()).unwrap_or_default()
    }

    /// The bytes of indentation all lines share; lines that mix tabs and blanks differently are reported.
    fn common_indent(&self, lines: &[Line]) -> usize {
        let mut common: Option<&str> = None;
        for line in lines.iter().filter(|line| !line.first && !self.is_blank(line)) {
            let indent = self.indent(line);
            let shared = common.unwrap_or(indent);
            let length = shared.bytes().zip(indent.bytes()).take_while(|(a, b)| a == b).count();
            if length < shared.len().min(indent.len()) {
                self.report_mixed(line, indent.len());
                return length;
            }
            common = shared.get(..length);
        }
        common.map_or(0, str::len)
    }

    fn report_mixed(&self, line: &Line, length: usize) {
        let start = line.range.start;
        let range = TextRange::new(start, start.saturating_add(u32::try_from(length).unwrap_or(0)));
        let diagnostic =
            self.error(codes::MIXED_INDENTATION, range, "this line is indented with other blanks than the lines above");
        self.report(
            diagnostic
                .label("tabs and spaces are mixed")
                .help("indent all lines of the text with spaces only, or with tabs only"),
        );
    }

    fn add_line(&self, pieces: &mut Pieces, line: &Line, indent: usize) {
        let mut to_drop = if line.first { 0 } else { u32::try_from(indent).unwrap_or(0) };
        let blank = !line.first && self.is_blank(line);
        for piece in line.pieces.iter().filter(|_| !blank) {
            match piece {
                Piece::Text(range) => {
                    let start = range.start.saturating_add(to_drop).min(range.end);
                    let kept = TextRange::new(start, range.end);
                    pieces.text(self.text(kept), kept);
                }
                Piece::Escaped(range) => pieces.text("${{", *range),
                Piece::Value(node) => pieces.value(self.interpolation(*node)),
            }
            to_drop = 0;
        }
        if line.ended {
            pieces.text("\n", TextRange::new(line.range.end, line.range.end));
        }
    }
}

/// Behind `"""` the rest of the line is no text if it is empty.
fn drop_opener_line(lines: &mut Vec<Line>) {
    let empty = lines.first().is_some_and(|line| line.first && line.ended && line.pieces.is_empty());
    if empty {
        lines.remove(0);
    }
}

fn start_line(lines: &mut [Line], at: u32) {
    if let Some(line) = lines.last_mut() {
        line.range = TextRange::new(at, at);
    }
}

fn add_piece(lines: &mut [Line], piece: Piece, range: TextRange) {
    if let Some(line) = lines.last_mut() {
        line.range = line.range.cover(range);
        line.pieces.push(piece);
    }
}

fn length(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}
