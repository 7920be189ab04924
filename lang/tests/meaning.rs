//! What files say: the HIR of small texts, shown in one line each.

#![allow(clippy::disallowed_methods, reason = "tests read the suite and the length of long runs")]

mod common;

use common::parse;
use sinter_lang::hir::{
    Argument, BinaryOperator, DeclarationKind, Element, Expr, ExprKind, Field, Fragment, ImportPath, PatternArgument,
    Quoting, StringLiteral, TypeExpr, TypeKind,
};
use sinter_lang::source::FileId;
use sinter_lang::{Dialect, Parse};

fn joined<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    items.iter().map(show).collect::<Vec<_>>().join(" ")
}

fn show(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Str(literal) => text(literal),
        ExprKind::Int(number) => number.to_string(),
        ExprKind::Bool(value) => value.to_string(),
        ExprKind::None => "none".to_owned(),
        ExprKind::Name(name) => name.clone(),
        ExprKind::List(items) => format!("[{}]", joined(items, element)),
        ExprKind::Record(fields) => format!("{{{}}}", joined(fields, field)),
        ExprKind::Field(of, name) => format!("(. {} {})", show(of), name.text),
        ExprKind::Index(of, patterns) => format!("(at {} {})", show(of), joined(patterns, pattern)),
        ExprKind::Call(function, arguments) => format!("(call {} {})", show(function), joined(arguments, argument)),
        ExprKind::If(condition, yes, no) => format!("(if {} {} {})", show(condition), show(yes), show(no)),
        ExprKind::Comprehension { body, variable, list, condition } => {
            let condition = condition.as_ref().map_or(String::new(), |condition| format!(" {}", show(condition)));
            format!("(each {} {} {}{condition})", variable.text, show(list), show(body))
        }
        ExprKind::Binary(operator, left, right) => format!("({} {} {})", sign(*operator), show(left), show(right)),
        ExprKind::Not(value) => format!("(not {})", show(value)),
        ExprKind::Script(script) => format!("{}:{}", script.tag.text, text(&script.body)),
        ExprKind::Missing => "MISSING".to_owned(),
    }
}

const fn sign(operator: BinaryOperator) -> &'static str {
    match operator {
        BinaryOperator::Add => "+",
        BinaryOperator::Equal => "==",
        BinaryOperator::NotEqual => "!=",
        BinaryOperator::And => "and",
        BinaryOperator::Or => "or",
        BinaryOperator::Default => "??",
    }
}

fn text(literal: &StringLiteral) -> String {
    let fragment = |fragment: &Fragment| match fragment {
        Fragment::Text { text, .. } => format!("{text:?}"),
        Fragment::Value { expr, quoting: Quoting::Plain, .. } => format!("<{}>", show(expr)),
        Fragment::Value { expr, quoting: Quoting::Quoted, .. } => format!("<quoted {}>", show(expr)),
    };
    match literal.fragments.as_slice() {
        [] => "\"\"".to_owned(),
        fragments => joined(fragments, fragment),
    }
}

fn element(item: &Element) -> String {
    match item {
        Element::Item(value) => show(value),
        Element::Spread(value) => format!("...{}", show(value)),
    }
}

fn field(field: &Field) -> String {
    match field {
        Field::Named(name, value) => format!("{}={}", name.text, show(value)),
        Field::Spread(value) => format!("...{}", show(value)),
    }
}

fn argument(argument: &Argument) -> String {
    match argument {
        Argument::Positional(value) => show(value),
        Argument::Named(name, value) => format!("{}={}", name.text, show(value)),
        Argument::Spread(value) => format!("...{}", show(value)),
    }
}

fn pattern(pattern: &PatternArgument) -> String {
    format!("{}{}", if pattern.exclude { "!" } else { "" }, show(&pattern.value))
}

fn shown_type(ty: &TypeExpr) -> String {
    match &ty.kind {
        TypeKind::Named(name) => name.clone(),
        TypeKind::List(item) => format!("[{}]", shown_type(item)),
        TypeKind::Record(fields) => {
            format!("{{{}}}", joined(fields, |(name, ty)| format!("{}:{}", name.text, shown_type(ty))))
        }
        TypeKind::Map(value) => format!("{{Str => {}}}", shown_type(value)),
        TypeKind::Optional(value) => format!("{}?", shown_type(value)),
        TypeKind::Missing => "MISSING".to_owned(),
    }
}

fn declaration(kind: &DeclarationKind) -> String {
    match kind {
        DeclarationKind::Input(value) => format!("input {}", show(value)),
        DeclarationKind::Param { ty, default } => {
            format!("param {} {}", shown_type(ty), default.as_ref().map_or("-".to_owned(), show))
        }
        DeclarationKind::Import(ImportPath::Standard(names)) => {
            format!("std {}", joined(names, |name| name.text.clone()))
        }
        DeclarationKind::Import(ImportPath::File(path)) => format!("file {}", text(path)),
        DeclarationKind::Import(ImportPath::Missing(_)) => "MISSING".to_owned(),
        DeclarationKind::Let(value) => format!("let {}", show(value)),
        DeclarationKind::Fn(function) => {
            let parameters = joined(&function.parameters, |parameter| {
                let default = parameter.default.as_ref().map_or(String::new(), |value| format!("={}", show(value)));
                format!("{}:{}{default}", parameter.name.text, shown_type(&parameter.ty))
            });
            let body = function.body.as_ref().map_or("builtin".to_owned(), |body| {
                let lets = joined(&body.lets, |(name, value)| format!("{}={};", name.text, show(value)));
                format!("{lets}{}", show(&body.result))
            });
            format!("fn ({parameters}) {} {body}", shown_type(&function.result))
        }
        DeclarationKind::Target(value) => format!("target {}", show(value)),
    }
}

fn right(parsed: Parse, text: &str) -> Parse {
    assert!(parsed.diagnostics.is_empty(), "{text}: {:?}", parsed.diagnostics);
    parsed
}

fn shown_value(value: &str) -> String {
    let text = format!("let x = {value}\n");
    let parsed = right(parse(&text), &text);
    declaration(&parsed.module.declarations[0].kind).trim_start_matches("let ").to_owned()
}

/// A value and its meaning.
const VALUES: &[(&str, &str)] = &[
    ("42", "42"),
    ("true", "true"),
    ("none", "none"),
    ("a-b_c9", "a-b_c9"),
    ("(a)", "a"),
    ("\"\"", "\"\""),
    (r#""a\n\t\"\\\u{e9}b""#, "\"a\\n\\t\\\"\\\\éb\""),
    ("\"a$b ${c} $${{ d }} ${{ e }}f\"", "\"a$b ${c} ${{ d }} \" <e> \"f\""),
    ("\"${{ \"in ${{ a }}\" }}\"", "<\"in \" <a>>"),
    ("\"${{ { a = { b = 1 } }.a.b }}\"", "<(. (. {a={b=1}} a) b)>"),
    ("[]", "[]"),
    ("[1, 2,]", "[1 2]"),
    ("[1\n 2\n\n 3,\n 4]", "[1 2 3 4]"),
    ("[...a, b, ...c.d]", "[...a b ...(. c d)]"),
    ("[f(a) for a in b if a != \"\"]", "(each a b (call f a) (!= a \"\"))"),
    ("[\n  a\n  for a in b\n]", "(each a b a)"),
    ("{ a = 1, \"b.c\" = 2, ...r }", "{a=1 b.c=2 ...r}"),
    ("{\n  a = 1\n  b =\n    2,\n}", "{a=1 b=2}"),
    ("{ on = 1, from = 2, target = 3, input = 4 }", "{on=1 from=2 target=3 input=4}"),
    ("f(1, b = 2, ...r)", "(call f 1 b=2 ...r)"),
    ("f { a = 1, ...r }", "(call f a=1 ...r)"),
    ("f()(1).b { }", "(call (. (call (call f ) 1) b) )"),
    ("src[\"a/**\", !\"**/*.md\", more]", "(at src \"a/**\" !\"**/*.md\" more)"),
    ("a + b + c", "(+ (+ a b) c)"),
    ("a ?? b ?? c", "(?? a (?? b c))"),
    ("a ?? b + c", "(?? a (+ b c))"),
    ("not a == b or c and d", "(or (not (== a b)) (and c d))"),
    ("a or b and not c != d ?? e + f.g", "(or a (and b (not (!= c (?? d (+ e (. f g)))))))"),
    ("not not a", "(not (not a))"),
    ("if a then b else if c then d else e", "(if a b (if c d e))"),
    ("if a\n  then b\n  else c", "(if a b c)"),
    ("a +\n  b", "(+ a b)"),
    ("[\n  a\n    + b\n]", "[(+ a b)]"),
    ("(a\n  + b)", "(+ a b)"),
    ("[a\n (b)]", "[a b]"),
    ("[a\n [b]]", "[a [b]]"),
    ("sh \"\"\"npm test\"\"\"", "sh:\"npm test\""),
    ("sh \"\"\"\"\"\"", "sh:\"\""),
    ("\"\"\"\n  a\n  b\n\"\"\"", "\"a\\nb\\n\""),
    ("\"\"\"\n    a\n\n      b\n  c\n  \"\"\"", "\"  a\\n\\n    b\\nc\\n\""),
    ("\"\"\"\n  a\n   \n  b\"\"\"", "\"a\\n\\nb\""),
    ("\"\"\"\r\n  a\r\n    b\r\n  \"\"\"", "\"a\\n  b\\n\""),
    ("\"\"\"a\n  b\n  \"\"\"", "\"a\\nb\\n\""),
    ("\"\"\"\n\ta\n\t\tb\n\"\"\"", "\"a\\n\\tb\\n\""),
    ("\"\"\"\n  ${{ a }}\n    ${{ b }}\n  \"\"\"", "<a> \"\\n  \" <b> \"\\n\""),
    ("\"\"\"\n  \\n '${{ a }}' \"x\"\n  \"\"\"", "\"\\\\n '\" <a> \"' \\\"x\\\"\\n\""),
    ("sh \"\"\"\n  a '${{ b }}' ${{ c }}\n  \"\"\"", "sh:\"a '\" <quoted b> \"' \" <c> \"\\n\""),
    (
        "bash \"\"\"\n  cat <<E\n  ${{ a }}\n  E\n  ${{ b }}\n  \"\"\"",
        "bash:\"cat <<E\\n\" <quoted a> \"\\nE\\n\" <b> \"\\n\"",
    ),
    ("python \"\"\"\n  '${{ a }}' # it's\n  \"\"\"", "python:\"'\" <a> \"' # it's\\n\""),
    ("sh \"\"\"\n  echo $${{ a }}\n  \"\"\"", "sh:\"echo ${{ a }}\\n\""),
];

#[test]
fn values_mean_what_they_say() {
    for (value, meaning) in VALUES {
        assert_eq!(shown_value(value), *meaning, "{value}");
    }
}

/// A file, and for each declaration its name and meaning.
const FILES: &[(&str, &[(&str, &str)])] = &[
    ("input src = dir(\".\")", &[("src", "input (call dir \".\")")]),
    ("param a: Str\nparam b: Int = 2\n", &[("a", "param Str -"), ("b", "param Int 2")]),
    ("import std.a.b\nimport \"./l.build\" as lib\n", &[("b", "std a b"), ("lib", "file \"./l.build\"")]),
    ("import std.debian as deb\n", &[("deb", "std debian")]),
    ("let a = 1 # one\n\n# two\ntarget b = a", &[("a", "let 1"), ("b", "target a")]),
    ("\u{feff}let a = 1\r\nlet b = 2\r\n", &[("a", "let 1"), ("b", "let 2")]),
    ("fn f() -> Str { \"\" }", &[("f", "fn () Str \"\"")]),
    (
        "fn f(a: [Str], b: {Str: Int?}? = none\n c: {x: T, y: U}) -> [Tree] {\n  let d = a\n  d\n}\n",
        &[("f", "fn (a:[Str] b:{Str => Int?}?=none c:{x:T y:U}) [Tree] d=a;d")],
    ),
];

#[test]
fn files_mean_what_they_say() {
    for (text, meanings) in FILES {
        let parsed = right(parse(text), text);
        let shown = parsed.module.declarations.iter().map(|it| (it.name.text.clone(), declaration(&it.kind)));
        let meanings: Vec<_> =
            meanings.iter().map(|(name, meaning)| ((*name).to_owned(), (*meaning).to_owned())).collect();
        assert_eq!(shown.collect::<Vec<_>>(), meanings, "{text}");
    }
}

#[test]
fn builtins_need_the_prelude() {
    let text = "## Doc.\nfn run(\n  ## From.\n  from: Tree,\n) -> Tree\nlet a = 1\n";
    let parsed = right(sinter_lang::parse(text, FileId(3), Dialect::Prelude), text);
    assert_eq!(declaration(&parsed.module.declarations[0].kind), "fn (from:Tree) Tree builtin");
    assert_eq!(parse(text).diagnostics[0].code.0, "E0122");
}

#[test]
fn doc_comments_stand_directly_above() {
    let text = concat!(
        "## Lost.\n\n## One,\n##  two.\nfn f(\n  ## Of a.\n  a: Str, # no doc\n  b: Str,\n",
        ") -> Str { a }\n# no doc\nlet x = 1\n"
    );
    let parsed = right(parse(text), text);
    let [function, value] = parsed.module.declarations.as_slice() else { panic!("two declarations") };
    assert_eq!(function.doc.as_deref(), Some("One,\n two."));
    assert_eq!(value.doc, None);
    let DeclarationKind::Fn(function) = &function.kind else { panic!("a function") };
    let docs: Vec<_> = function.parameters.iter().map(|parameter| parameter.doc.as_deref()).collect();
    assert_eq!(docs, [Some("Of a."), None]);
}

#[test]
fn script_lines_know_their_place() {
    let text = "let x = sh \"\"\"\r\n    one ${{ a }}\r\n\r\n      two\r\n  \"\"\"\r\n";
    let parsed = right(parse(text), text);
    let DeclarationKind::Let(Expr { kind: ExprKind::Script(script), .. }) = &parsed.module.declarations[0].kind else {
        panic!("a script")
    };
    let lines: Vec<_> = script.lines.iter().map(|range| &text[range.as_range()]).collect();
    assert_eq!(lines, ["    one ${{ a }}", "", "      two"]);
}

#[test]
fn broken_files_still_say_something() {
    let text = "let a = \nlet b = run {\n  from = \n  files = src[\"a\"\n}\ntarget t = image { from = b }\n";
    let parsed = parse(text);
    let shown: Vec<_> = parsed.module.declarations.iter().map(|it| declaration(&it.kind)).collect();
    assert_eq!(
        shown,
        ["let MISSING", "let (call run from=MISSING files=(at src \"a\"))", "target (call image from=b)"]
    );
}
