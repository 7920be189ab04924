//! Evaluation: from the text of a `.build` file to the graph of derivations.
//!
//! Rules: pure and total. The world is met through [`World`] only; every fault of a text is a diagnostic beside the
//! result; evaluation always ends (no recursion in the language, and a budget against explosion). Must not know: the
//! lock, the store, execution, the terminal.

mod arguments;
mod budget;
mod builtins;
mod evaluator;
mod expressions;
mod graph_builder;
mod loader;
mod origins;
mod paths;
mod script;
mod settings;
mod value;

use std::collections::BTreeMap;
use std::sync::Arc;

use sinter_graph::derivation::Graph;
use sinter_graph::platform::Platform;
use sinter_lang::diagnostic::{Diagnostic, Severity};
use sinter_lang::source::FileId;

pub use origins::{NodeOrigin, Origins, ScriptLine};

/// What evaluation asks the outside for: the text of files, nothing else.
pub trait World {
    /// The text of a `.build` file.
    ///
    /// # Errors
    /// Why it cannot be read, in words that continue "cannot read PATH: ".
    fn read(&self, path: &str) -> Result<String, String>;
}

/// What the command line says about an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Values of `param`s of the root file, as given to `--set`.
    pub parameters: BTreeMap<String, String>,
    /// What `platform` is in this evaluation.
    pub platform: Platform,
}

impl Settings {
    /// Settings without parameters.
    #[must_use]
    pub fn new(platform: Platform) -> Self {
        Self { parameters: BTreeMap::new(), platform }
    }
}

/// A file that took part in an evaluation. [`FileId`] `n` is the `n`th of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedFile {
    /// Its number.
    pub id: FileId,
    /// Relative to the root of the work tree, or `<std.name>` for a module of the program.
    pub path: String,
    /// Its text.
    pub text: Arc<str>,
    /// Whether it is part of the program.
    pub is_std: bool,
}

/// The result of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evaluation {
    /// What is to be made: the nodes that targets need, and every declared input. Usable only without errors.
    pub graph: Graph,
    /// Where in the files each part of the graph comes from.
    pub origins: Origins,
    /// What is wrong, in the order of the files and of their texts.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that took part; the root file is the first.
    pub files: Vec<LoadedFile>,
}

impl Evaluation {
    /// Whether there is an error, so that the graph cannot be used.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|report| report.severity == Severity::Error)
    }

    /// The file with this number.
    #[must_use]
    pub fn file(&self, id: FileId) -> Option<&LoadedFile> {
        self.files.get(id.0 as usize)
    }
}

/// Evaluates the file `root_file` (relative to the root of the work tree, normal form) and what it imports. Never
/// fails: what is wrong is in [`Evaluation::diagnostics`].
#[must_use]
pub fn evaluate(world: &dyn World, root_file: &str, settings: &Settings) -> Evaluation {
    let loaded = loader::load(world, root_file);
    evaluator::run(loaded, settings)
}
