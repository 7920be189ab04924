//! One compiled pattern.
//!
//! Because a pattern that matches a directory matches all below it, a match has to begin at the base but may end
//! anywhere. So the runs of segments between two `**` can each be taken at their first possible place, and no decision
//! is ever revised; within a segment the last `*` alone is, which keeps that part quadratic.

use super::{InvalidPattern, LONGEST};
use crate::path::TreePath;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(super) struct Glob {
    /// As it stands in the `.build` file.
    pub(super) text: String,
    /// The segments before the first wildcard, below the root of the tree.
    pub(super) prefix: TreePath,
    /// What follows, cut at each `**`: the first run begins right at the prefix, the others anywhere behind.
    runs: Vec<Vec<Segment>>,
    /// Whether the pattern ends in `**`, so that something must lie below.
    open_end: bool,
}

#[derive(Debug, Clone)]
enum Segment {
    Literal(Box<[u8]>),
    Wild(Vec<Token>),
}

#[derive(Debug, Clone)]
enum Token {
    Character(u32),
    Star,
    Any,
    Class { negated: bool, ranges: Vec<(u32, u32)> },
}

/// What [`parse`] makes of a segment.
enum Part {
    Across,
    Segment(Segment),
}

impl Glob {
    pub(super) fn compile(text: &str, base: &TreePath) -> Result<Self, InvalidPattern> {
        let parts =
            parse(text).map_err(|(offset, reason)| InvalidPattern { pattern: text.to_owned(), reason, offset })?;
        let mut glob = Self {
            text: text.to_owned(),
            prefix: if text.starts_with('/') { TreePath::root() } else { base.clone() },
            runs: vec![Vec::new()],
            open_end: matches!(parts.last(), Some(Part::Across)),
        };
        parts.into_iter().for_each(|part| glob.push(part));
        Ok(glob)
    }

    fn push(&mut self, part: Part) {
        let is_prefix = self.is_literal();
        match (part, self.runs.last_mut()) {
            (Part::Segment(Segment::Literal(name)), _) if is_prefix => {
                let name = TreePath::new(name).expect("parsing refuses empty, dot and NUL segments");
                self.prefix = self.prefix.join(&name);
            }
            (Part::Segment(segment), Some(run)) => run.push(segment),
            (Part::Segment(segment), None) => self.runs.push(vec![segment]),
            (Part::Across, _) => self.runs.push(Vec::new()),
        }
    }

    /// Whether there is no wildcard, so that [`Glob::prefix`] is the whole pattern.
    pub(super) fn is_literal(&self) -> bool {
        self.runs.len() == 1 && self.runs[0].is_empty()
    }

    /// The bytes every match begins with.
    pub(super) fn literal_prefix(&self) -> Vec<u8> {
        let mut bytes = self.prefix.as_bytes().to_vec();
        if !bytes.is_empty() && !self.is_literal() {
            bytes.push(b'/');
        }
        if let Some(Segment::Wild(tokens)) = self.runs[0].first() {
            let characters = tokens.iter().map_while(|token| match token {
                Token::Character(character) => char::from_u32(*character),
                _ => None,
            });
            bytes.extend_from_slice(characters.collect::<String>().as_bytes());
        }
        bytes
    }

    /// Whether the pattern matches this path or a directory above it.
    pub(super) fn matches(&self, path: &TreePath) -> bool {
        let Some(rest) = below(path.as_bytes(), self.prefix.as_bytes()) else { return false };
        if self.is_literal() {
            return true;
        }
        let segments: Vec<&[u8]> = rest.split(|&byte| byte == b'/').filter(|segment| !segment.is_empty()).collect();
        self.end_of_match(&segments).is_some_and(|end| !self.open_end || end < segments.len())
    }

    /// Where the shortest match ends, as a number of segments.
    fn end_of_match(&self, segments: &[&[u8]]) -> Option<usize> {
        let (first, others) = self.runs.split_first()?;
        if !run_matches(first, segments) {
            return None;
        }
        others.iter().try_fold(first.len(), |from, run| {
            (from..=segments.len()).find(|&start| run_matches(run, &segments[start..])).map(|start| start + run.len())
        })
    }
}

/// The rest of `path` behind `directory`, without a leading slash; `None` if it does not lie there.
fn below<'a>(path: &'a [u8], directory: &[u8]) -> Option<&'a [u8]> {
    match path.strip_prefix(directory)? {
        rest if directory.is_empty() => Some(rest),
        [] => Some(&[]),
        [b'/', rest @ ..] => Some(rest),
        _ => None,
    }
}

fn run_matches(run: &[Segment], segments: &[&[u8]]) -> bool {
    run.len() <= segments.len() && run.iter().zip(segments).all(|(segment, name)| segment.matches(name))
}

impl Segment {
    fn matches(&self, name: &[u8]) -> bool {
        match self {
            Self::Literal(literal) => **literal == *name,
            Self::Wild(tokens) => wild_matches(tokens, name),
        }
    }
}

/// On a mismatch the last star takes one character more; earlier stars never have to.
fn wild_matches(tokens: &[Token], name: &[u8]) -> bool {
    let (mut token, mut at) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while at < name.len() {
        let (character, length) = character_at(&name[at..]);
        match tokens.get(token) {
            Some(Token::Star) => {
                last_star = Some((token + 1, at));
                token += 1;
            }
            Some(wanted) if wanted.matches(character) => {
                token += 1;
                at += length;
            }
            _ => {
                let Some((behind_star, taken)) = last_star else { return false };
                let (_, length) = character_at(&name[taken..]);
                last_star = Some((behind_star, taken + length));
                (token, at) = (behind_star, taken + length);
            }
        }
    }
    tokens[token..].iter().all(|token| matches!(token, Token::Star))
}

impl Token {
    fn matches(&self, character: u32) -> bool {
        match self {
            Self::Character(wanted) => *wanted == character,
            Self::Star => false,
            Self::Any => true,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|&(from, to)| (from..=to).contains(&character)) != *negated
            }
        }
    }
}

/// The first character and its length in bytes. A byte that is not UTF-8 is a character of its own, equal to no other.
fn character_at(name: &[u8]) -> (u32, usize) {
    let beginning = &name[..name.len().min(4)];
    let valid = match std::str::from_utf8(beginning) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&beginning[..error.valid_up_to()]).unwrap_or_default(),
    };
    match (valid.chars().next(), name.first()) {
        (Some(character), _) => (u32::from(character), character.len_utf8()),
        (None, byte) => (0x11_0000 + u32::from(byte.copied().unwrap_or_default()), 1),
    }
}

type Fault = (usize, &'static str);

fn parse(text: &str) -> Result<Vec<Part>, Fault> {
    if text.is_empty() {
        return Err((0, "it is empty: leave the brackets out to take everything"));
    }
    if text.len() > LONGEST {
        return Err((LONGEST, "it is longer than any path"));
    }
    if let Some(offset) = text.find('\0') {
        return Err((offset, "it contains a NUL byte"));
    }
    if text.starts_with('!') {
        return Err((0, "it starts with `!`: an exclude is written !\"...\", a name that starts with `!` as [!]"));
    }
    let mut offset = usize::from(text.starts_with('/'));
    let body = text[offset..].strip_suffix('/').unwrap_or(&text[offset..]);
    if body.is_empty() {
        return if text.len() == 1 { Ok(Vec::new()) } else { Err((1, EMPTY_SEGMENT)) };
    }
    let mut parts = Vec::new();
    for segment in body.split('/') {
        let part = parse_segment(segment).map_err(|(at, reason)| (offset + at, reason))?;
        if !matches!((&part, parts.last()), (Part::Across, Some(Part::Across))) {
            parts.push(part);
        }
        offset += segment.len() + 1;
    }
    Ok(parts)
}

const EMPTY_SEGMENT: &str = "a segment is empty: write one `/`";

fn parse_segment(segment: &str) -> Result<Part, Fault> {
    match segment {
        "" => Err((0, EMPTY_SEGMENT)),
        "." => Err((0, "there is a `.`: leave it out")),
        ".." => Err((0, "there is a `..`: a pattern cannot leave its tree")),
        "**" => Ok(Part::Across),
        _ if !segment.contains(['*', '?', '[', '\\']) => Ok(Part::Segment(Segment::Literal(segment.as_bytes().into()))),
        _ => parse_tokens(segment).map(|tokens| Part::Segment(Segment::Wild(tokens))),
    }
}

fn parse_tokens(segment: &str) -> Result<Vec<Token>, Fault> {
    let mut tokens = Vec::new();
    let mut characters = segment.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        tokens.push(match character {
            '*' if segment[at..].starts_with("**") => {
                return Err((at, "`**` has to be a segment of its own: write `**/*.c` for `**.c`"));
            }
            '*' => Token::Star,
            '?' => Token::Any,
            '\\' => return Err((at, "there is a `\\`, which escapes nothing here: write `[*]` for a `*`")),
            '[' => {
                let (token, end) = parse_class(segment, at)?;
                while characters.next_if(|&(next, _)| next < end).is_some() {}
                token
            }
            other => Token::Character(u32::from(other)),
        });
    }
    Ok(tokens)
}

/// Parses the class that opens at `open`; gives the offset behind its `]` too.
fn parse_class(segment: &str, open: usize) -> Result<(Token, usize), Fault> {
    let mut at = open + 1;
    let negated = segment[at..].starts_with('!') && !segment[at..].starts_with("!]");
    if segment[at..].starts_with('^') {
        return Err((at, "a class is negated by `!`: write `[!a]` for `[^a]`"));
    }
    at += usize::from(negated);
    let mut ranges = Vec::new();
    loop {
        let from = class_character(segment, at).ok_or((open, UNCLOSED))?;
        if from == ']' && !ranges.is_empty() {
            return Ok((Token::Class { negated, ranges }, at + 1));
        }
        let behind = at + from.len_utf8();
        let to = segment[behind..].strip_prefix('-').and_then(|rest| rest.chars().next()).filter(|&to| to != ']');
        if to.is_some_and(|to| to < from) {
            return Err((at, "the range of a class runs backwards"));
        }
        ranges.push((u32::from(from), u32::from(to.unwrap_or(from))));
        at = behind + to.map_or(0, |to| 1 + to.len_utf8());
    }
}

const UNCLOSED: &str = "a `[` is not closed: write `[[]` for the character itself";

fn class_character(segment: &str, at: usize) -> Option<char> {
    segment[at..].chars().next()
}
