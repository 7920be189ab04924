//! Writes a lock as text. Written by hand, so that the bytes never depend on a library's taste.

use super::text::{push, quoted};
use super::{LOCK_VERSION, Lock};

const HEADER: &str = "\
# What every input was found to be, pinned by hash. Written by sinter; keep it in version control.
# `sinter lock` adds what is missing and resolves conflicts, `sinter update` moves to newer content.
# Line order and spelling are fixed: a change of one pin is a change of its own lines.
";

pub(super) fn render(lock: &Lock) -> String {
    let mut out = format!("{HEADER}version = {LOCK_VERSION}\n");
    for (kind, tables) in lock.tables() {
        for (question, body) in tables {
            push(&mut out, format_args!("\n[{kind}.{}]\n{body}", quoted(&question)));
        }
    }
    out
}
