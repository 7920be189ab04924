//! The paragraph format of control files, indexes, releases and apt's sources (Debian Policy 5.1, deb822(5)).
//!
//! Rules: borrows from the text, keeps values as they are written, bounded in what it accepts.
//! Must not know: what any field means.

/// How many fields one paragraph may have; the largest known has about forty.
const MAX_FIELDS: usize = 512;

/// Why a text is not in this format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub(super) struct SyntaxError {
    /// The line, from 1.
    pub(super) line: usize,
    /// What is wrong there.
    pub(super) reason: &'static str,
}

/// The fields of one paragraph, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Paragraph<'t> {
    fields: Vec<(&'t str, &'t str)>,
}

impl<'t> Paragraph<'t> {
    /// The value of a field, without space around it; continuation lines keep their leading space. Names compare
    /// without regard to case.
    #[must_use]
    pub(super) fn get(&self, name: &str) -> Option<&'t str> {
        self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|&(_, value)| value)
    }

    /// The fields in the order they were written.
    #[must_use]
    pub(super) fn fields(&self) -> &[(&'t str, &'t str)] {
        &self.fields
    }

    /// The words of a field; none if it is absent.
    pub(super) fn words(&self, name: &str) -> impl Iterator<Item = &'t str> + use<'t> {
        self.get(name).unwrap_or_default().split_whitespace()
    }
}

/// Splits a text into its paragraphs, one at a time.
#[derive(Debug, Clone)]
pub(super) struct Paragraphs<'t> {
    text: &'t str,
    position: usize,
    line: usize,
}

impl<'t> Paragraphs<'t> {
    /// Starts at the beginning of `text`.
    #[must_use]
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, position: 0, line: 0 }
    }

    /// The next line without its end, and where it starts.
    fn next_line(&mut self) -> Option<(usize, &'t str)> {
        let start = self.position;
        let rest = self.text.get(start..).filter(|rest| !rest.is_empty())?;
        let length = rest.find('\n').unwrap_or(rest.len());
        self.position = start + (length + 1).min(rest.len());
        self.line += 1;
        let line = &rest[..length];
        Some((start, line.strip_suffix('\r').unwrap_or(line)))
    }

    fn fault<T>(&self, reason: &'static str) -> Result<T, SyntaxError> {
        Err(SyntaxError { line: self.line, reason })
    }

    fn field(&self, line: &'t str) -> Result<(&'t str, usize), SyntaxError> {
        let Some((name, _)) = line.split_once(':') else {
            return self.fault("expected `Field: value`");
        };
        if name.is_empty() || !name.bytes().all(|byte| (b'!'..=b'~').contains(&byte)) || name.starts_with(['#', '-']) {
            return self.fault("not a field name");
        }
        Ok((name, name.len() + 1))
    }

    fn paragraph(&mut self) -> Result<Option<Paragraph<'t>>, SyntaxError> {
        let text = self.text;
        let mut fields: Vec<(&'t str, usize, usize)> = Vec::new();
        while let Some((start, line)) = self.next_line() {
            if line.trim().is_empty() {
                if fields.is_empty() {
                    continue;
                }
                break;
            }
            if line.starts_with([' ', '\t']) {
                match fields.last_mut() {
                    Some(field) => field.2 = start + line.len(),
                    None => return self.fault("a continuation line without a field"),
                }
                continue;
            }
            let (name, skip) = self.field(line)?;
            if fields.iter().any(|(field, ..)| field.eq_ignore_ascii_case(name)) {
                return self.fault("a field is there twice");
            }
            if fields.len() == MAX_FIELDS {
                return self.fault("too many fields in one paragraph");
            }
            fields.push((name, start + skip, start + line.len()));
        }
        let fields = fields.into_iter().map(|(name, start, end)| (name, text[start..end].trim())).collect::<Vec<_>>();
        Ok(if fields.is_empty() { None } else { Some(Paragraph { fields }) })
    }
}

impl<'t> Iterator for Paragraphs<'t> {
    type Item = Result<Paragraph<'t>, SyntaxError>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = self.paragraph();
        if result.is_err() {
            // Nothing after a fault is trusted.
            self.position = self.text.len();
        }
        result.transpose()
    }
}

/// The only paragraph of a text.
///
/// # Errors
/// If the text is not in this format, or has none or several paragraphs.
pub(super) fn single_paragraph(text: &str) -> Result<Paragraph<'_>, SyntaxError> {
    let mut paragraphs = Paragraphs::new(text);
    let first = paragraphs.next().transpose()?;
    let line = paragraphs.line;
    match (first, paragraphs.next().transpose()?) {
        (Some(paragraph), None) => Ok(paragraph),
        (None, _) => Err(SyntaxError { line, reason: "there is no field at all" }),
        (_, Some(_)) => Err(SyntaxError { line, reason: "expected one paragraph, found several" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_keep_values_as_written() {
        let text = "\nPackage: a\nDescription: short\n long\n .\n end\n\n\nPackage:b\r\nEmpty:\n";
        let all: Vec<Paragraph<'_>> = Paragraphs::new(text).collect::<Result<_, _>>().expect("valid");
        assert_eq!(all[0].fields(), [("Package", "a"), ("Description", "short\n long\n .\n end")]);
        assert_eq!((all[1].get("package"), all[1].get("EMPTY"), all[1].get("None")), (Some("b"), Some(""), None));
    }

    #[test]
    fn faults_are_named_by_line() {
        let many: String = (0..=MAX_FIELDS).map(|index| format!("F{index}: x\n")).collect();
        let cases: [(&str, usize); 6] = [
            (" x", 1),
            ("A: b\nno colon", 2),
            ("A: b\nA: c", 2),
            (": x", 1),
            ("A: b\nB c: d", 2),
            (&many, MAX_FIELDS + 1),
        ];
        for (text, line) in cases {
            let error = Paragraphs::new(text).find_map(Result::err).expect(text);
            assert_eq!(error.line, line, "{error}");
        }
    }

    #[test]
    fn single_paragraph_refuses_two() {
        assert!(single_paragraph("A: b\n").is_ok());
        assert!(single_paragraph("A: b\n\nA: c\n").is_err());
        assert!(single_paragraph("\n").is_err());
    }
}
