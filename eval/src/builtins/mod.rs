//! What the builtin functions of the prelude do: values become derivations.
//!
//! Rules: the checker has seen to the types, so here only contents are judged (patterns, paths, ports); all faults of
//! one call are reported together.

mod files;
mod formats;
mod image;
mod inputs;
mod patterns;
mod run;
mod trees;

use sinter_lang::diagnostic::{Code, Diagnostic};
use sinter_lang::types::Signature;

use crate::arguments::Arguments;
use crate::budget::Outcome;
use crate::evaluator::Evaluator;
use crate::value::Value;

impl<'a> Evaluator<'a> {
    pub(crate) fn builtin(&mut self, signature: &Signature, arguments: &Arguments<'a>) -> Outcome<Value> {
        match signature.name.as_str() {
            "run" => self.run(arguments),
            "image" => self.image(arguments),
            "place" => self.place(arguments),
            "sub" => self.sub(arguments),
            "file" => self.file_of_text(arguments),
            "dir" => self.dir(arguments),
            "pull" => self.pull(arguments),
            "debian" => self.debian(arguments),
            "unpack_packages" => self.unpack_packages(arguments),
            other => {
                let message = format!("`{other}` is declared in the prelude but not built in: this is a bug in sinter");
                self.fail(Diagnostic::error(Code("E0499"), arguments.call, message))
            }
        }
    }
}
