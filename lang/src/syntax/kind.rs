//! The kinds of tokens and nodes of the lossless tree, and how messages call them.
//!
//! Rule: every byte of a file belongs to exactly one token; nodes only group. Must not know: grammar, diagnostics.

/// What a token or node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names say it; the grammar is documented where each is parsed")]
pub enum SyntaxKind {
    // Trivia: skipped by the grammar.
    Whitespace,
    Newline,
    Comment,
    DocComment,
    /// `;`, reported where the grammar passes it.
    Semicolon,
    /// `// text` or `/* text`, reported where the grammar passes it.
    SlashComment,
    /// A character the language does not use, reported where the grammar passes it.
    Unknown,

    // Words.
    Name,
    Int,
    InputKeyword,
    ParamKeyword,
    ImportKeyword,
    LetKeyword,
    FnKeyword,
    TargetKeyword,
    IfKeyword,
    ThenKeyword,
    ElseKeyword,
    ForKeyword,
    InKeyword,
    AndKeyword,
    OrKeyword,
    NotKeyword,
    TrueKeyword,
    FalseKeyword,
    NoneKeyword,

    // Strings.
    Quote,
    ClosingQuote,
    TripleQuote,
    ClosingTripleQuote,
    Text,
    /// `\n`, `\u{..}` and the like in a one-line string.
    Escape,
    /// `$${{`
    EscapedInterpolation,
    /// `${{` where a plain word stands.
    InterpolationOpen,
    /// `${{` inside quotes, a here-document or a comment of a shell script.
    QuotedInterpolationOpen,
    InterpolationClose,
    /// `'text'`, which is no string here.
    SingleQuoted,

    // Punctuation.
    LeftParen,
    RightParen,
    LeftBracket,
    RightBracket,
    LeftBrace,
    RightBrace,
    Comma,
    Dot,
    Ellipsis,
    Equals,
    EqualEqual,
    BangEqual,
    Bang,
    Question,
    QuestionQuestion,
    Plus,
    Colon,
    Arrow,
    /// An operator of other languages: `-`, `*`, `&&`, `+=`, ...
    ForeignOperator,
    EndOfFile,

    // Nodes.
    File,
    InputDeclaration,
    ParamDeclaration,
    ImportDeclaration,
    LetDeclaration,
    FnDeclaration,
    TargetDeclaration,
    ImportPath,
    ImportAlias,
    ParameterList,
    Parameter,
    Block,
    BlockLet,
    NamedType,
    ListType,
    RecordType,
    TypeField,
    OptionalType,
    MissingType,
    StringLiteral,
    Script,
    Interpolation,
    IntLiteral,
    BoolLiteral,
    NoneLiteral,
    NameExpr,
    ListExpr,
    Comprehension,
    RecordExpr,
    Field,
    FieldKey,
    Spread,
    ParenExpr,
    FieldAccess,
    IndexExpr,
    PatternList,
    Pattern,
    CallExpr,
    ArgumentList,
    IfExpr,
    BinaryExpr,
    NotExpr,
    MissingExpr,
    /// Tokens that were skipped; reported.
    Error,
}

use SyntaxKind as K;

impl SyntaxKind {
    /// Whether the grammar skips it.
    #[must_use]
    pub const fn is_trivia(self) -> bool {
        (self as u8) <= (K::Unknown as u8)
    }

    /// Whether it is trivia that is wrong and has to be reported.
    #[must_use]
    pub const fn is_faulty_trivia(self) -> bool {
        matches!(self, K::Semicolon | K::SlashComment | K::Unknown)
    }

    /// Whether it is a token, not a node.
    #[must_use]
    pub const fn is_token(self) -> bool {
        (self as u8) < (K::File as u8)
    }

    /// Whether it is one of the six words that start a declaration.
    #[must_use]
    pub const fn is_declaration_keyword(self) -> bool {
        (self as u8) >= (K::InputKeyword as u8) && (self as u8) <= (K::TargetKeyword as u8)
    }

    /// Whether it is a reserved word.
    #[must_use]
    pub const fn is_keyword(self) -> bool {
        (self as u8) >= (K::InputKeyword as u8) && (self as u8) <= (K::NoneKeyword as u8)
    }

    /// Whether it is a node that stands for a declaration.
    #[must_use]
    pub const fn is_declaration(self) -> bool {
        (self as u8) >= (K::InputDeclaration as u8) && (self as u8) <= (K::TargetDeclaration as u8)
    }

    /// Whether it is a node that stands for a type.
    #[must_use]
    pub const fn is_type(self) -> bool {
        matches!(self, K::NamedType | K::ListType | K::RecordType | K::OptionalType | K::MissingType)
    }

    /// Whether it is a node that stands for an expression.
    #[must_use]
    pub const fn is_expression(self) -> bool {
        matches!(
            self,
            K::StringLiteral
                | K::Script
                | K::IntLiteral
                | K::BoolLiteral
                | K::NoneLiteral
                | K::NameExpr
                | K::ListExpr
                | K::Comprehension
                | K::RecordExpr
                | K::ParenExpr
                | K::FieldAccess
                | K::IndexExpr
                | K::CallExpr
                | K::IfExpr
                | K::BinaryExpr
                | K::NotExpr
                | K::MissingExpr
        )
    }

    /// The closing bracket of an opening one.
    #[must_use]
    pub const fn closer(self) -> Option<Self> {
        match self {
            K::LeftParen => Some(K::RightParen),
            K::LeftBracket => Some(K::RightBracket),
            K::LeftBrace => Some(K::RightBrace),
            K::InterpolationOpen | K::QuotedInterpolationOpen => Some(K::InterpolationClose),
            _ => None,
        }
    }

    /// Whether it closes a bracket.
    #[must_use]
    pub const fn is_closer(self) -> bool {
        matches!(self, K::RightParen | K::RightBracket | K::RightBrace | K::InterpolationClose)
    }

    /// The text of a token that is always written the same way.
    #[must_use]
    pub const fn fixed_text(self) -> Option<&'static str> {
        Some(match self {
            K::InputKeyword => "input",
            K::ParamKeyword => "param",
            K::ImportKeyword => "import",
            K::LetKeyword => "let",
            K::FnKeyword => "fn",
            K::TargetKeyword => "target",
            K::IfKeyword => "if",
            K::ThenKeyword => "then",
            K::ElseKeyword => "else",
            K::ForKeyword => "for",
            K::InKeyword => "in",
            K::Quote | K::ClosingQuote => "\"",
            K::TripleQuote | K::ClosingTripleQuote => "\"\"\"",
            K::InterpolationOpen | K::QuotedInterpolationOpen => "${{",
            K::InterpolationClose => "}}",
            K::LeftParen => "(",
            K::RightParen => ")",
            K::LeftBracket => "[",
            K::RightBracket => "]",
            K::LeftBrace => "{",
            K::RightBrace => "}",
            K::Comma => ",",
            K::Dot => ".",
            K::Ellipsis => "...",
            K::Equals => "=",
            K::Colon => ":",
            K::Arrow => "->",
            _ => return None,
        })
    }
}

/// The reserved word a name spells, apart from the words that are reserved at column 0 only.
pub(crate) fn keyword(word: &str) -> Option<SyntaxKind> {
    Some(match word {
        "let" => K::LetKeyword,
        "fn" => K::FnKeyword,
        "if" => K::IfKeyword,
        "then" => K::ThenKeyword,
        "else" => K::ElseKeyword,
        "for" => K::ForKeyword,
        "in" => K::InKeyword,
        "and" => K::AndKeyword,
        "or" => K::OrKeyword,
        "not" => K::NotKeyword,
        "true" => K::TrueKeyword,
        "false" => K::FalseKeyword,
        "none" => K::NoneKeyword,
        _ => return None,
    })
}

/// The declaration a word starts at column 0.
pub(crate) fn declaration_keyword(word: &str) -> Option<SyntaxKind> {
    Some(match word {
        "input" => K::InputKeyword,
        "param" => K::ParamKeyword,
        "import" => K::ImportKeyword,
        "let" => K::LetKeyword,
        "fn" => K::FnKeyword,
        "target" => K::TargetKeyword,
        _ => return None,
    })
}
