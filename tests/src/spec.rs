//! Reads `spec.md`: its numbered rules and its examples, the fenced blocks.
//!
//! A block's info string says what it is: `sinter` and attributes, or another word. Attributes of `sinter`:
//! `error=CODE` and `warning=CODE` (what it must yield), `line=N` (where, counted within the block), `file=NAME` (no
//! example of its own, a file that the other examples of the same rule can import), `set=NAME=VALUE` (a param), `graph`
//! (the block behind it is the graph it yields).
//!
//! Rules: pure; a function from the text to what is in it. Must not know: evaluation, where the text comes from.

use std::collections::BTreeMap;

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CodeBlock {
    /// The line of its opening fence, from 1.
    pub line: usize,
    /// The words of its info string.
    pub info: Vec<String>,
    /// What stands between the fences.
    pub text: String,
    /// Number of the rule it stands in.
    pub rule: String,
}

/// A numbered heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The line of the heading, from 1.
    pub line: usize,
    /// `3` for a chapter, `3.2` for a rule.
    pub number: String,
}

/// What a specification consists of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spec {
    /// Chapters and rules in the order of the text.
    pub rules: Vec<Rule>,
    /// Fenced blocks in the order of the text.
    pub blocks: Vec<CodeBlock>,
    /// Headings that have no number, and fences that are not closed.
    pub violations: Vec<String>,
}

impl Spec {
    /// Reads a text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut spec = Self::default();
        let mut open: Option<CodeBlock> = None;
        for (line, content) in (1..).zip(text.lines()) {
            match (&mut open, content.strip_prefix("```")) {
                (Some(_), Some("")) => spec.blocks.extend(open.take()),
                (Some(block), _) => block.text += &format!("{content}\n"),
                (None, Some(info)) => open = Some(spec.block(line, info)),
                (None, None) => spec.heading(line, content),
            }
        }
        spec.violations.extend(open.map(|block| format!("line {}: the fence is not closed", block.line)));
        spec
    }

    fn block(&self, line: usize, info: &str) -> CodeBlock {
        let rule = self.rules.last().map(|rule| rule.number.clone()).unwrap_or_default();
        CodeBlock { line, info: info.split_whitespace().map(str::to_owned).collect(), text: String::new(), rule }
    }

    fn heading(&mut self, line: usize, content: &str) {
        let Some(title) = content.strip_prefix("### ").or_else(|| content.strip_prefix("## ")) else { return };
        let number = title.split(' ').next().unwrap_or_default().trim_end_matches('.');
        let numbered = !number.is_empty() && number.split('.').all(|part| part.parse::<u32>().is_ok());
        if numbered {
            self.rules.push(Rule { line, number: number.to_owned() });
        } else {
            self.violations.push(format!("line {line}: the heading `{title}` has no number"));
        }
    }

    /// Numbers that are not the next one: each chapter follows the one before, each rule within its chapter too.
    #[must_use]
    pub fn misnumbered(&self) -> Vec<String> {
        let (mut chapter, mut rule) = (0, 0);
        let mut violations = Vec::new();
        for heading in &self.rules {
            let expected = if heading.number.contains('.') {
                rule += 1;
                format!("{chapter}.{rule}")
            } else {
                (chapter, rule) = (chapter + 1, 0);
                chapter.to_string()
            };
            if heading.number != expected {
                violations.push(format!("line {}: {} stands where {expected} is due", heading.line, heading.number));
            }
        }
        violations
    }

    /// Rules of the given chapters without an example that runs.
    #[must_use]
    pub fn rules_without_example(&self, chapters: &[&str]) -> Vec<String> {
        let in_chapter =
            |rule: &&Rule| rule.number.split_once('.').is_some_and(|(chapter, _)| chapters.contains(&chapter));
        let lacks = |rule: &&Rule| !self.blocks.iter().any(|block| block.rule == rule.number && block.is_example());
        let lacking = self.rules.iter().filter(in_chapter).filter(lacks);
        lacking.map(|rule| format!("line {}: rule {} has no example", rule.line, rule.number)).collect()
    }

    /// The files that examples of the same rule as `block` can import.
    #[must_use]
    pub fn files_beside(&self, block: &CodeBlock) -> BTreeMap<String, String> {
        let beside = self.blocks.iter().filter(|other| other.is_language() && other.rule == block.rule);
        beside.filter_map(|other| Some((other.attribute("file")?.to_owned(), other.text.clone()))).collect()
    }
}

impl CodeBlock {
    /// Whether it is written in the language.
    #[must_use]
    pub fn is_language(&self) -> bool {
        self.info.first().is_some_and(|word| word == "sinter")
    }

    /// Whether it is a whole file that is to be checked.
    #[must_use]
    pub fn is_example(&self) -> bool {
        self.is_language() && self.attribute("file").is_none()
    }

    /// The value of an attribute: the first, if it is there several times.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes(name).next()
    }

    /// All values of an attribute.
    pub fn attributes(&self, name: &str) -> impl Iterator<Item = &str> {
        self.info.iter().filter_map(move |word| word.strip_prefix(name)?.strip_prefix('='))
    }

    /// Whether a word stands in its info string.
    #[must_use]
    pub fn says(&self, word: &str) -> bool {
        self.info.iter().any(|said| said == word)
    }
}

/// The diagnostic codes in a text: `E` or `W` and four digits, a word of their own.
#[must_use]
pub fn codes_in(text: &str) -> Vec<String> {
    let is_code = |word: &&str| {
        let digits = word.strip_prefix(['E', 'W']).unwrap_or_default();
        digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let mut codes: Vec<String> = words.filter(is_code).map(str::to_owned).collect();
    codes.sort();
    codes.dedup();
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# T\n## 1. A\n### 1.1 B\n```sinter error=E0301 line=2\nx\n\ny\n```\n```sinter file=lib.build\nz\n```\n\
                        ### 1.2 C\n```toml lock\n```\n### 1.4 D\n## 2. E\n## Unnumbered\n```sh\n";

    #[test]
    fn blocks_keep_line_rule_and_text() {
        let spec = Spec::parse(TEXT);
        let first = &spec.blocks[0];
        assert_eq!((first.line, first.rule.as_str(), first.text.as_str()), (4, "1.1", "x\n\ny\n"));
        assert_eq!(
            (first.attribute("error"), first.attribute("line"), first.attribute("file")),
            (Some("E0301"), Some("2"), None)
        );
        assert!(spec.blocks[2].says("lock") && !spec.blocks[2].is_language());
        assert_eq!(spec.files_beside(first), BTreeMap::from([("lib.build".to_owned(), "z\n".to_owned())]));
    }

    #[test]
    fn faults_of_the_text_are_found() {
        let spec = Spec::parse(TEXT);
        assert_eq!(
            spec.violations,
            ["line 17: the heading `Unnumbered` has no number", "line 18: the fence is not closed"]
        );
        assert_eq!(spec.misnumbered(), ["line 15: 1.4 stands where 1.3 is due"]);
        assert_eq!(
            spec.rules_without_example(&["1"]),
            ["line 12: rule 1.2 has no example", "line 15: rule 1.4 has no example"]
        );
        assert_eq!(spec.rules_without_example(&["2"]), Vec::<String>::new());
    }

    #[test]
    fn codes_are_words() {
        assert_eq!(codes_in("`W0201`, E0301. E03011 XE0301 E030 \"E0301\""), ["E0301", "W0201"]);
    }
}
