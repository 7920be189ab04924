//! The pages of `sinter explain`: the language's, and those of what can go wrong while building.

use sinter_lang::catalog::Page;

/// All pages, by code.
pub(crate) fn pages() -> impl Iterator<Item = &'static Page> {
    let mut pages: Vec<&'static Page> = sinter_lang::catalog::pages().chain(OPERATIONAL).collect();
    pages.sort_by_key(|page| page.code);
    pages.into_iter()
}

const OPERATIONAL: &[Page] = &[
    Page {
        code: "E0430",
        title: "a pattern matches nothing",
        text: "Each pattern of a selection must match at least one file, so that a typo cannot silently leave a file out. \
               Patterns of a source are relative to its directory; patterns of a tree are relative to its working \
               directory unless they start with `/`. Ignored files, and `*.build` and `sinter.lock` unless named without \
               wildcards, are not part of a source. An exclude (`!\"...\"`) may match nothing.",
        bad: None,
        good: None,
    },
    Page {
        code: "E0431",
        title: "a pattern is malformed",
        text: "`*` and `?` match within a segment, `[...]` one character of a set, `**` whole segments; a directory means \
               all below it. There is no `..`, no `\\\\` and no `{a,b}`.",
        bad: None,
        good: None,
    },
    Page {
        code: "E0432",
        title: "packages cannot be had",
        text: "The packages of an input could not be resolved, fetched or unpacked: an unknown name, a dependency that \
               nothing meets, packages that conflict, a mirror that is missing, lost the file or answers what no lock can \
               hold, or bytes that are not those that were pinned. The message says which, and what to do.",
        bad: None,
        good: None,
    },
    Page {
        code: "E0601",
        title: "a step failed",
        text: "The script of a step ended with a status other than 0, was killed, or ran longer than its `timeout`. The \
               last lines of its output stand above the message, the place in the script below it. A step sees only the \
               files it declares: if it looked for one that exists in a source and was not declared, the message names it \
               and the change to `files` that admits it.",
        bad: None,
        good: None,
    },
    Page {
        code: "E0602",
        title: "the sandbox cannot be made",
        text: "Steps run in user, mount, process, network, IPC and host-name namespaces of their own. The message names the \
               first ability this machine lacks and the fix of least privilege. A missing interpreter is reported under \
               this code too: the tree a step stands on must contain it.",
        bad: None,
        good: None,
    },
    Page {
        code: "E0603",
        title: "what a step wrote cannot become a layer",
        text: "Names that begin with `.wh.` mean deletions in the OCI layer format, so a step may not write such a file.",
        bad: None,
        good: None,
    },
    Page {
        code: "E0604",
        title: "`keep` names what the step did not write",
        text: "`keep` narrows what the script adds. Each of its patterns must match something that the script wrote: files \
               that were there before, or that the script only read, do not count.",
        bad: None,
        good: None,
    },
    Page {
        code: "E0605",
        title: "a step cannot have this user",
        text: "`user` is a number, or a name in /etc/passwd of the tree the step stands on; a group may follow after `:`. A \
               sandbox has the ids 0 to 65535, so that every machine can map them: a step whose user or one of whose groups \
               has a larger number is refused. An image may name any user.",
        bad: None,
        good: None,
    },
    Page {
        code: "E0701",
        title: "trees cannot be merged",
        text: "Two items of a list changed the same path differently: another type, content, link target, mode, owner or \
               attribute. There is no silent winner. The message names the path, both steps and what each has there. Trees \
               without a common base are different systems and cannot be merged whole: take files of one of them.",
        bad: None,
        good: None,
    },
    Page {
        code: "E0702",
        title: "files cannot be placed",
        text: "Two selections put different files at one path; or a file or link would stand where the tree has a directory, or \
               below what is no directory; or a name begins with `.wh.`, which means a deletion in the OCI layer format. A \
               file that is placed hides a file below it, never a directory: mostly a `/` was forgotten at the end of `to`.",
        bad: Some(
            "let base = image { layers = [file(\"/opt/readme\", \"hello\\n\")] }\n\
             target web = image { from = base, layers = [place(file(\"run\", \"\"), to = \"/opt\")] }\n",
        ),
        good: Some(
            "let base = image { layers = [file(\"/opt/readme\", \"hello\\n\")] }\n\
             target web = image { from = base, layers = [place(file(\"run\", \"\"), to = \"/opt/\")] }\n",
        ),
    },
    Page {
        code: "E0703",
        title: "configurations differ",
        text: "Several items of a list carry an image configuration, and they differ. Say which one counts with \
               `from = ...` in the image.",
        bad: None,
        good: None,
    },
    Page {
        code: "E0704",
        title: "an image could not start",
        text: "The first word of `entrypoint` (or of `cmd` without one) must be an executable file in the image, found on its \
               PATH, and a `user` name must be in its /etc/passwd.",
        bad: None,
        good: None,
    },
];
