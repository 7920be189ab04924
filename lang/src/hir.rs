//! What a file says, as plain data with ranges: the form that name resolution, the type checker and the evaluator read.
//!
//! Lowered from the lossless tree and always there, also for broken files: what could not be understood is
//! [`ExprKind::Missing`] or [`TypeKind::Missing`] and has been reported already, so nobody reports it again.

use crate::source::TextRange;

/// A name and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The text.
    pub text: String,
    /// Where.
    pub range: TextRange,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Module {
    /// Its declarations in the order of the file.
    pub declarations: Vec<Declaration>,
}

/// One column-0 declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// What it binds.
    pub name: Name,
    /// The `##` comment above it, without the marks, lines joined by newlines.
    pub doc: Option<String>,
    /// The whole declaration.
    pub range: TextRange,
    /// What it is.
    pub kind: DeclarationKind,
}

/// The six declarations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeclarationKind {
    /// `input name = constructor(literals)`. The right side is any expression here; that it is a call of a constructor
    /// with literal arguments is checked later.
    Input(Expr),
    /// `param name: Type = default`.
    Param {
        /// Its type.
        ty: TypeExpr,
        /// The value without `--set`.
        default: Option<Expr>,
    },
    /// `import std.apt` binds `apt`; `import "./lib.build" as lib` binds `lib`.
    Import(ImportPath),
    /// `let name = value`.
    Let(Expr),
    /// `fn name(a: T, b: U = default) -> R { ... }`.
    Fn(Function),
    /// `target name = value`.
    Target(Expr),
}

/// What an import names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportPath {
    /// A module of the standard library: the components after `std`.
    Standard(Vec<Name>),
    /// A file, relative to the importing file.
    File(StringLiteral),
    /// Not understood; reported.
    Missing(TextRange),
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its parameters, all of them usable by name.
    pub parameters: Vec<Parameter>,
    /// What it yields.
    pub result: TypeExpr,
    /// `None` for builtins, which are declared without a body in the prelude.
    pub body: Option<Block>,
}

/// A parameter of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: Name,
    /// The `##` comment above it.
    pub doc: Option<String>,
    /// Its type.
    pub ty: TypeExpr,
    /// The value if it is not given.
    pub default: Option<Expr>,
}

/// `let`s and one last expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The `let`s in order.
    pub lets: Vec<(Name, Expr)>,
    /// What the block yields.
    pub result: Box<Expr>,
}

/// A type as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeExpr {
    /// Where.
    pub range: TextRange,
    /// What.
    pub kind: TypeKind,
}

/// The forms of types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeKind {
    /// `Str`, `Tree`, ...
    Named(String),
    /// `[T]`
    List(Box<TypeExpr>),
    /// `{ name: T, other: U }`
    Record(Vec<(Name, TypeExpr)>),
    /// `{Str: T}`
    Map(Box<TypeExpr>),
    /// `T?`
    Optional(Box<TypeExpr>),
    /// Not understood; reported.
    Missing,
}

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expr {
    /// Where.
    pub range: TextRange,
    /// What.
    pub kind: ExprKind,
}

/// The forms of expressions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExprKind {
    /// `"text"` or an untagged `"""`.
    Str(StringLiteral),
    /// `42`
    Int(i64),
    /// `true`, `false`
    Bool(bool),
    /// `none`
    None,
    /// A name.
    Name(String),
    /// `[a, b, ...c]`
    List(Vec<Element>),
    /// `{ a = 1, "b.c" = 2, ...r }`
    Record(Vec<Field>),
    /// `value.field`
    Field(Box<Expr>, Name),
    /// `files["a", !"b"]`
    Index(Box<Expr>, Vec<PatternArgument>),
    /// `f(a, b = c)` or `f { b = c }`.
    Call(Box<Expr>, Vec<Argument>),
    /// `if c then a else b`
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `[e for x in xs if c]`
    Comprehension {
        /// What each item becomes.
        body: Box<Expr>,
        /// The name of an item.
        variable: Name,
        /// The list.
        list: Box<Expr>,
        /// Which items.
        condition: Option<Box<Expr>>,
    },
    /// `a + b`, `a == b`, ...
    Binary(BinaryOperator, Box<Expr>, Box<Expr>),
    /// `not a`
    Not(Box<Expr>),
    /// `sh """..."""`
    Script(ScriptLiteral),
    /// Not understood; reported.
    Missing,
}

/// Operators with two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOperator {
    /// `+`
    Add,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `and`
    And,
    /// `or`
    Or,
    /// `??`
    Default,
}

/// An element of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element {
    /// A value.
    Item(Expr),
    /// `...list`
    Spread(Expr),
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// `name = value`; the name may have been quoted.
    Named(Name, Expr),
    /// `...record`
    Spread(Expr),
}

/// An argument of a call. In `f { a = 1, ...r }` the spread is a [`Argument::Spread`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// By position.
    Positional(Expr),
    /// By name.
    Named(Name, Expr),
    /// `...record`: each field is an argument.
    Spread(Expr),
}

/// One argument of an index: `"glob"`, `!"glob"` or a value of type `[Str]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternArgument {
    /// Whether there is a `!` before it.
    pub exclude: bool,
    /// A Str or a `[Str]`.
    pub value: Expr,
}

/// A string as fragments, escapes resolved, indentation removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StringLiteral {
    /// The whole literal with its quotes.
    pub range: TextRange,
    /// Text and interpolations in turn.
    pub fragments: Vec<Fragment>,
}

/// A piece of a string or script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fragment {
    /// Literal text.
    Text {
        /// The text as it will stand.
        text: String,
        /// Where it came from.
        range: TextRange,
    },
    /// `${{ expr }}`
    Value {
        /// The expression.
        expr: Box<Expr>,
        /// From `${{` to `}}`.
        range: TextRange,
        /// Where in a script it stands; [`Quoting::Plain`] in strings.
        quoting: Quoting,
    },
}

/// Where in a shell script an interpolation stands, as the lexer saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quoting {
    /// A plain word.
    Plain,
    /// Inside `'...'`, `"..."` or a here-document, where a value that needs quoting cannot be inserted.
    Quoted,
}

/// A tagged script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptLiteral {
    /// `sh`, `bash`, `python`, ...
    pub tag: Name,
    /// The body.
    pub body: StringLiteral,
    /// For each line of the finished script (before values are inserted), the range of that line in the source: a
    /// failing line is shown there.
    pub lines: Vec<TextRange>,
}
