//! Pages about names, types, inputs and what is not supported yet.

use super::Page;

/// The pages.
pub(super) const PAGES: &[Page] = &[
    page(
        "E0201",
        "an unknown name",
        "No declaration of this file, no parameter or `let` around the place and no builtin has this name. The order of \
         declarations means nothing, so it is a typo, an import that is missing, or a name of another file, which is \
         reached through its import: `lib.name`.",
        "target t = file(\"f\", nmae)\n",
        "let name = \"x\"\ntarget t = file(\"f\", name)\n",
    ),
    page(
        "E0202",
        "a name declared twice",
        "Inputs, params, imports, lets, functions and targets of a file share one set of names, and so do the lets of a \
         function. Rename one of the two.",
        "let a = \"x\"\nlet a = \"y\"\ntarget t = file(\"f\", a)\n",
        "let a = \"x\"\nlet b = \"y\"\ntarget t = file(a, b)\n",
    ),
    page(
        "E0203",
        "declarations in a circle",
        "Each of the named declarations needs the next one to be made first, and the last needs the first. Nothing can \
         be made of that; take one of the references out, or split a declaration so that the others need only a part.",
        "let a = b\nlet b = a\ntarget t = file(\"f\", a)\n",
        "let a = b\nlet b = \"x\"\ntarget t = file(\"f\", a)\n",
    ),
    page(
        "E0204",
        "a function that calls itself",
        "Evaluation always ends, so no function calls itself, directly or through others. What a loop would do is said \
         with `[... for x in list]`.",
        "fn f(a: Str) -> Str { f(a) }\ntarget t = file(\"f\", f(\"x\"))\n",
        "fn f(a: Str) -> Str { a + \"!\" }\ntarget t = file(\"f\", f(\"x\"))\n",
    ),
    page(
        "E0205",
        "a constructor of inputs in an expression",
        "What comes from outside is declared at the left margin, with `input name = constructor(...)`, so that it can be \
         listed and pinned without evaluating anything. Declare the input and use its name.",
        "target t = dir(\".\")[\"a\"]\n",
        "input src = dir(\".\")\ntarget t = src[\"a\"]\n",
    ),
    page(
        "E0206",
        "a file that cannot be imported",
        "`import std.name` takes a module of the standard library. `import \"path.build\" as name` takes a file of this \
         repository; the path is relative to the importing file and stays within the work tree.",
        "import \"/lib.build\" as lib\ntarget t = file(\"f\", lib.x)\n",
        "import std.debian\ninput p = debian(\"bookworm\", [\"libc6\"])\ntarget t = debian.unpack(p)\n",
    ),
    Page {
        code: "E0207",
        title: "files that import each other",
        text: "A file is checked after those it imports, so imports cannot form a circle. Move what both files need into \
               a third one.",
        bad: None,
        good: None,
    },
    page(
        "E0208",
        "an import that lacks a name",
        "The imported file declares no such name. Its own imports are not passed on: import what you need where you need \
         it.",
        "import std.debian\ninput p = debian(\"bookworm\", [\"libc6\"])\ntarget t = debian.unpak(p)\n",
        "import std.debian\ninput p = debian(\"bookworm\", [\"libc6\"])\ntarget t = debian.unpack(p)\n",
    ),
    page(
        "E0209",
        "an import used as a value",
        "The name of an import stands only before a dot: `debian.unpack`. It cannot be passed on or be a target.",
        "import std.debian\ntarget t = debian\n",
        "import std.debian\ninput p = debian(\"bookworm\", [\"libc6\"])\ntarget t = debian.unpack(p)\n",
    ),
    page(
        "E0210",
        "a param without a proper value",
        "A `param` gets its value from `--set name=value`, else from its default. This one has neither, or the value on \
         the command line is not of its type, or there is no param of that name. Only params of the file that is built \
         can be set. A `[Str]` is given as `--set name=a,b`.",
        "param name: Str\ntarget t = file(\"f\", name)\n",
        "param name: Str = \"x\"\ntarget t = file(\"f\", name)\n",
    ),
    Page {
        code: "E0211",
        title: "a param of an imported file without default",
        text: "Only params of the file that is built can be set on the command line, so those of imported files need a \
               default. What an imported file should be told is an argument of one of its functions.",
        bad: None,
        good: None,
    },
    page(
        "E0301",
        "a value of the wrong type",
        "The place wants a value of one type and gets another. Only these fit without being equal: an Image where a Tree \
         is wanted; a Tree, Source or Blob where Files are wanted; one T where a `[T]` is wanted; a T where a `T?` is \
         wanted. The second place shows who wants the type.",
        "target t = file(\"f\", 42)\n",
        "target t = file(\"f\", \"42\")\n",
    ),
    page(
        "E0302",
        "a missing argument",
        "A parameter without default, or a required field of a record, is not given.",
        "target t = run { user = \"app\" }\n",
        "target t = run { user = \"app\", script = sh \"\"\"true\"\"\" }\n",
    ),
    page(
        "E0303",
        "an unknown argument",
        "The function has no parameter of this name. `sinter doc NAME` lists the parameters of a builtin.",
        "target t = image { environment = { A = \"b\" } }\n",
        "target t = image { env = { A = \"b\" } }\n",
    ),
    page(
        "E0304",
        "an argument given twice",
        "A parameter is given by position and by name. Take one of the two out.",
        "target t = file(\"f\", \"x\", path = \"g\")\n",
        "target t = file(\"f\", text = \"x\")\n",
    ),
    page(
        "E0305",
        "too many arguments",
        "More values are given by position than the function has parameters.",
        "target t = file(\"f\", \"x\", \"755\", \"root\")\n",
        "target t = file(\"f\", \"x\", \"755\")\n",
    ),
    page(
        "E0306",
        "a call of something that is no function",
        "Only functions are called, by `f(...)` or `f { ... }`.",
        "let a = \"x\"\ntarget t = a(\"y\")\n",
        "fn a(x: Str) -> Files { file(\"f\", x) }\ntarget t = a(\"y\")\n",
    ),
    page(
        "E0307",
        "an unknown field",
        "The record has no such field, or the value is no record. `platform` has `arch` and `os`.",
        "let a = { name = \"x\" }\ntarget t = file(\"f\", a.nmae)\n",
        "let a = { name = \"x\" }\ntarget t = file(\"f\", a.name)\n",
    ),
    page(
        "E0308",
        "an unknown type",
        "The types are Str, Int, Bool, Source, Tree, Image, Blob, Packages, Script, Secret, Platform and Files, and \
         made of them `[T]`, `{Str: T}`, `{ name: T }` and `T?`. Files declare no types of their own.",
        "fn f(a: String) -> Files { file(\"f\", a) }\ntarget t = f(\"x\")\n",
        "fn f(a: Str) -> Files { file(\"f\", a) }\ntarget t = f(\"x\")\n",
    ),
    page(
        "E0309",
        "a command as one string",
        "Commands are lists of words, because no shell splits them: what the list says is what the program gets. Where \
         a shell is wanted, it is the program: `[\"sh\", \"-c\", \"...\"]`.",
        "target t = image { entrypoint = \"tini -- server\" }\n",
        "target t = image { entrypoint = [\"tini\", \"--\", \"server\"] }\n",
    ),
    page(
        "E0310",
        "an artifact or secret in a string",
        "What comes out of a step or from outside has no text at the time of evaluation, and a secret must not leave its \
         step. Files a step needs are declared in `files` and reached by their paths.",
        "input src = dir(\".\")\ntarget t = file(\"f\", \"${{ src }}\")\n",
        "input src = dir(\".\")\ntarget t = image { layers = [src[\"a\"], file(\"f\", \"x\")] }\n",
    ),
    page(
        "E0311",
        "a value that cannot be inserted",
        "Strings take Str, Int, Bool and Platform; scripts take a `[Str]` too. What may be `none` needs `?? default`.",
        "let a = [\"x\"]\ntarget t = file(\"f\", \"${{ a }}\")\n",
        "let a = \"x\"\ntarget t = file(\"f\", \"${{ a }}\")\n",
    ),
    page(
        "E0312",
        "a selection from something that has no files",
        "`[\"pattern\"]` selects files of a Source, Tree, Image or selection. Items of lists are not taken by number.",
        "let a = [\"x\"]\ntarget t = file(\"f\", a[\"0\"])\n",
        "let a = run { script = sh \"\"\"true\"\"\" }\ntarget t = a[\"dist\"]\n",
    ),
    page(
        "E0313",
        "a list of different types",
        "All items of a list are of one type; trees, sources and selections together are Files.",
        "let a = [\"x\", 1]\ntarget t = image { cmd = a }\n",
        "let a = [\"x\", \"1\"]\ntarget t = image { cmd = a }\n",
    ),
    page(
        "E0314",
        "an operator on values it does not take",
        "`+` joins two strings or two lists. `==` and `!=` compare data of one type, never trees or files. `??` has a \
         value that may be `none` before it and one of the same type behind it.",
        "target t = file(\"f\", \"x\" + 1)\n",
        "target t = file(\"f\", \"x${{ 1 }}\")\n",
    ),
    page(
        "E0316",
        "a function used as a value",
        "Functions are called where they are named; they are no values that could be stored or passed on.",
        "fn f() -> Str { \"x\" }\ntarget t = file(\"f\", f)\n",
        "fn f() -> Str { \"x\" }\ntarget t = file(\"f\", f())\n",
    ),
    page(
        "E0317",
        "a target that cannot be asked for",
        "A target is an image, a tree or a selection of files. A list becomes one image with `image { layers = [...] }`.",
        "target t = \"x\"\n",
        "target t = file(\"f\", \"x\")\n",
    ),
    page(
        "E0318",
        "a param of a type the command line cannot give",
        "A param is a Str, an Int, a Bool or a `[Str]`, or one of these with `?`.",
        "param base: Tree = scratch\ntarget t = image { from = base }\n",
        "param user: Str = \"app\"\ntarget t = image { user = user }\n",
    ),
    page(
        "E0319",
        "a spread of something else",
        "`...` takes a list inside of a list and a record inside of a record or call.",
        "target t = image { cmd = [\"a\", ...\"b\"] }\n",
        "target t = image { cmd = [\"a\", ...[\"b\"]] }\n",
    ),
    page(
        "E0320",
        "an unknown script tag",
        "The word before `\"\"\"` says what runs the script: `sh`, `bash` or `python`. Any other interpreter is named by \
         a `#!` line, or by `shell = [...]` of the step.",
        "target t = run { script = zsh \"\"\"true\"\"\" }\n",
        "target t = run { script = sh \"\"\"true\"\"\" }\n",
    ),
    page(
        "E0401",
        "an input with computed arguments",
        "Arguments of inputs are literals, so that everything from outside can be listed, pinned and updated by reading \
         the file alone. For variants declare several inputs and choose between them.",
        "let suite = \"bookworm\"\ninput p = debian(suite, [\"libc6\"])\nimport std.debian\ntarget t = debian.unpack(p)\n",
        "input p = debian(\"bookworm\", [\"libc6\"])\nimport std.debian\ntarget t = debian.unpack(p)\n",
    ),
    page(
        "E0402",
        "an input that comes from nowhere",
        "Right of `input name =` stands one call of a constructor: `dir`, `git`, `pull`, `fetch`, `debian` or `secret`. \
         What is computed is a `let`.",
        "input a = \"x\"\ntarget t = file(\"f\", a)\n",
        "let a = \"x\"\ntarget t = file(\"f\", a)\n",
    ),
    page(
        "E0403",
        "a text that is no pattern",
        "Patterns are paths with `*`, `?` and `[...]` within a segment and `**` across segments; a directory means all \
         below it. They do not leave their tree, on a source they are relative, and an exclude has its `!` before the \
         quotes.",
        "input src = dir(\".\")\ntarget t = src[\"../x\"]\n",
        "input src = dir(\".\")\ntarget t = src[\"x\", !\"x/*.tmp\"]\n",
    ),
    page(
        "E0404",
        "a directory outside of the repository",
        "The path of `dir` is relative to the file it stands in and stays within the work tree.",
        "input src = dir(\"/etc\")\ntarget t = src[\"x\"]\n",
        "input src = dir(\"etc\")\ntarget t = src[\"x\"]\n",
    ),
    page(
        "E0405",
        "a suite or package with an impossible name",
        "A suite is named by its code name, `\"bookworm\"`. Each package is a string of its own: `[\"gcc\", \"make\"]`.",
        "input p = debian(\"bookworm\", [\"gcc make\"])\nimport std.debian\ntarget t = debian.unpack(p)\n",
        "input p = debian(\"bookworm\", [\"gcc\", \"make\"])\nimport std.debian\ntarget t = debian.unpack(p)\n",
    ),
    page(
        "E0406",
        "a text that names no image",
        "An image of a registry is named as docker and podman name it: `node:22`, `registry.example.org/team/app:1`. One in \
         a file or directory of the work tree begins with `oci:`, `oci-archive:` or `docker-archive:` and its path.",
        "input base = pull(\"Node:22\")\ntarget t = image { from = base }\n",
        "input base = pull(\"node:22\")\ntarget t = image { from = base }\n",
    ),
    page(
        "E0410",
        "a path that does not fit",
        "`workdir`, `path` and `volumes` are absolute paths. `to` of `place` and `path` of `file` are relative to the \
         working directory or absolute. None contains `..`.",
        "target t = image { workdir = \"srv\" }\n",
        "target t = image { workdir = \"/srv\" }\n",
    ),
    page(
        "E0411",
        "a value that would have to be quoted",
        "In a script a value that is no plain word is inserted as one quoted word. Inside quotes or a here-document that \
         would insert the quotes too. Give the value to the step as a variable.",
        "let name = \"my app\"\ntarget t = run { script = sh \"\"\"echo \"${{ name }}\" \"\"\" }\n",
        "let name = \"my app\"\ntarget t = run { env = { NAME = name }, script = sh \"\"\"echo \"$NAME\" \"\"\" }\n",
    ),
    page(
        "E0412",
        "a NUL byte",
        "Arguments, variables and scripts end at a NUL byte wherever they are used, so they cannot contain one.",
        "target t = image { env = { A = \"\\u{0}\" } }\n",
        "target t = image { env = { A = \"x\" } }\n",
    ),
    page(
        "E0413",
        "a text of the wrong form",
        "Durations are written \"30s\", \"10m\", \"1h\"; ports 8080 or \"53/udp\"; permission bits \"755\"; signals \
         \"SIGTERM\"; users are names or numbers; variables are letters, digits and `_`.",
        "target t = image { expose = 70000 }\n",
        "target t = image { expose = 7000 }\n",
    ),
    page(
        "E0414",
        "`$PATH` in `env`",
        "No shell reads `env`, so `$PATH` would stay as it is written and no command would be found. `path = [...]` puts \
         directories before the inherited PATH.",
        "target t = image { env = { PATH = \"/opt/bin:$PATH\" } }\n",
        "target t = image { path = [\"/opt/bin\"] }\n",
    ),
    Page {
        code: "E0420",
        title: "an evaluation without measure",
        text: "Evaluation is bounded: in steps, in text it makes, and in depth. A file that passes a bound usually \
               multiplies lists with each other or doubles a string again and again.",
        bad: None,
        good: None,
    },
    Page {
        code: "E0499",
        title: "a bug in sinter",
        text: "The prelude declares a builtin that the program does not have. Please report it.",
        bad: None,
        good: None,
    },
    unsupported(
        "E0902",
        "`git` is not supported yet",
        "input a = git(\"https://example.org/x\", \"v1\")\ntarget t = a[\"x\"]\n",
    ),
    unsupported("E0903", "`fetch` is not supported yet", "input a = fetch(\"https://example.org/x\")\ntarget t = a\n"),
    unsupported(
        "E0904",
        "`secret` is not supported yet",
        "input _a = secret(\"TOKEN\")\ntarget t = file(\"f\", \"x\")\n",
    ),
    unsupported(
        "E0905",
        "`network` is not supported yet",
        "target t = run { script = sh \"\"\"true\"\"\", network = true }\n",
    ),
    unsupported(
        "E0906",
        "`pinned_by` is not supported yet",
        "target t = run { script = sh \"\"\"true\"\"\", pinned_by = \"lock\" }\n",
    ),
    unsupported(
        "E0907",
        "`secrets` is not supported yet",
        "target t = run { script = sh \"\"\"true\"\"\", secrets = {} }\n",
    ),
    unsupported(
        "E0908",
        "`cache` is not supported yet",
        "target t = run { script = sh \"\"\"true\"\"\", cache = \"/c\" }\n",
    ),
    unsupported(
        "E0909",
        "`on` is not supported yet",
        "target t = run { script = sh \"\"\"true\"\"\", on = \"linux/arm64\" }\n",
    ),
    unsupported("E0910", "`platforms` is not supported yet", "target t = image { platforms = \"linux/arm64\" }\n"),
    unsupported(
        "E0911",
        "a file or tree in a script is not supported yet",
        "let a = run { script = sh \"\"\"true\"\"\" }\ntarget t = run { script = sh \"\"\"cp -r ${{ a }} .\"\"\" }\n",
    ),
    unsupported(
        "E0912",
        "this script tag is not supported yet",
        "target t = run { script = ruby \"\"\"puts 1\"\"\" }\n",
    ),
    page(
        "W0201",
        "a declaration that nothing uses",
        "Nothing refers to this `input`, `param`, `import` or `let`. Remove it, or begin its name with `_` to keep it.",
        "let a = \"x\"\ntarget t = file(\"f\", \"x\")\n",
        "let a = \"x\"\ntarget t = file(\"f\", a)\n",
    ),
    page(
        "W0202",
        "a name that hides a builtin",
        "The names of a file win over those of the prelude, so that a new builtin never breaks a file. Here the builtin \
         is out of reach.",
        "let file = \"x\"\ntarget t = image { user = file }\n",
        "let user = \"x\"\ntarget t = image { user = user }\n",
    ),
    page(
        "W0401",
        "a whole source",
        "Without a selection every file of the source is seen, so a change of any of them, however unrelated, runs the \
         step again or changes the image. Select what is needed.",
        "input src = dir(\".\")\ntarget t = run { files = src, script = sh \"\"\"true\"\"\" }\n",
        "input src = dir(\".\")\ntarget t = run { files = src[\"a\"], script = sh \"\"\"true\"\"\" }\n",
    ),
];

const fn page(
    code: &'static str,
    title: &'static str,
    text: &'static str,
    bad: &'static str,
    good: &'static str,
) -> Page {
    Page { code, title, text, bad: Some(bad), good: Some(good) }
}

const fn unsupported(code: &'static str, title: &'static str, bad: &'static str) -> Page {
    let text = "The language has a place for it and the checker knows its type, but this version cannot do it. The help \
                of the message says what works today.";
    Page { code, title, text, bad: Some(bad), good: Some("target t = file(\"f\", \"x\")\n") }
}
