//! The codes of syntax errors. Each has a page in [`crate::catalog`].

use crate::diagnostic::Code;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        $($(#[$doc])* pub(crate) const $name: Code = Code($code);)*

        /// All codes of this file.
        #[cfg(test)]
        pub(crate) const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    /// Text at the top level that is no declaration.
    NO_DECLARATION = "E0101";
    /// `name = value` at the top level.
    MISSING_KEYWORD = "E0102";
    /// A declaration that is not at column 0.
    INDENTED_DECLARATION = "E0103";
    /// A name is missing.
    EXPECTED_NAME = "E0104";
    /// A reserved word where a name is wanted.
    RESERVED_WORD = "E0105";
    /// A fixed token (`=`, `:`, `->`, `then`, ...) is missing.
    EXPECTED_TOKEN = "E0106";
    /// A value is missing.
    EXPECTED_VALUE = "E0107";
    /// Two items on a line without a comma.
    MISSING_SEPARATOR = "E0108";
    /// A bracket that is not closed.
    UNCLOSED_BRACKET = "E0109";
    /// Something between brackets that is no item.
    NO_ITEM = "E0110";
    /// A one-line string that is not closed.
    UNCLOSED_STRING = "E0111";
    /// A multi-line string that is not closed.
    UNCLOSED_BLOCK = "E0112";
    /// `${{` without `}}`.
    UNCLOSED_INTERPOLATION = "E0113";
    /// `name: value`.
    COLON_FOR_EQUALS = "E0114";
    /// A Dockerfile instruction.
    INSTRUCTION = "E0115";
    /// `var`, `const`, `def`, or a misspelt keyword.
    FOREIGN_KEYWORD = "E0116";
    /// `'text'`.
    SINGLE_QUOTES = "E0117";
    /// `;`
    SEMICOLON = "E0118";
    /// `// text`
    SLASH_COMMENT = "E0119";
    /// A character the language does not use.
    UNKNOWN_CHARACTER = "E0120";
    /// A type is missing.
    EXPECTED_TYPE = "E0121";
    /// A function without a body.
    MISSING_BODY = "E0122";
    /// A `name = value` in a function without `let`.
    MISSING_LET = "E0123";
    /// The body of a function is not `let`s and one last expression.
    BODY_FORM = "E0124";
    /// An import of something that is no module.
    IMPORT_PATH = "E0125";
    /// An imported file without a name.
    IMPORT_ALIAS = "E0126";
    /// Too many levels.
    TOO_DEEP = "E0127";
    /// `a == b == c`
    CHAINED_COMPARISON = "E0128";
    /// A number that is none.
    BAD_NUMBER = "E0129";
    /// `"\q"`
    UNKNOWN_ESCAPE = "E0130";
    /// `"\u{FFFFFFFF}"`
    BAD_CODE_POINT = "E0131";
    /// Tabs and blanks mixed in the indentation of a multi-line string.
    MIXED_INDENTATION = "E0132";
    /// A name given twice in one bracket.
    DUPLICATE_NAME = "E0133";
    /// A value without a name between braces.
    POSITIONAL_IN_BRACES = "E0134";
    /// A comprehension that is not the only item of its list.
    COMPREHENSION_FORM = "E0135";
    /// `!` outside of an index.
    STRAY_EXCLUDE = "E0136";
    /// An operator of other languages.
    FOREIGN_OPERATOR = "E0137";
    /// Text behind a complete declaration.
    TEXT_AFTER_DECLARATION = "E0138";
    /// `sh "text"`
    ONE_LINE_SCRIPT = "E0139";
    /// `param name = value`
    PARAM_WITHOUT_TYPE = "E0140";
    /// A name of a field that holds a value.
    COMPUTED_KEY = "E0141";
    /// Parentheses around anything but one value.
    GROUP_FORM = "E0143";
    /// A file of more than [`crate::MAX_FILE_BYTES`].
    FILE_TOO_LARGE = "E0142";
}
