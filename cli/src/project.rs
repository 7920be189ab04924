//! Which file is meant, and what evaluating it gives.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sinter_eval::{Evaluation, Settings, World};
use sinter_graph::derivation::{Input, NodeId};
use sinter_graph::platform::Platform;
use sinter_lang::diagnostic::{Diagnostic, Severity};
use sinter_lang::source::Span;
use sinter_source::directory::WorkTree;

use crate::console;
use crate::failure::Failure;
use crate::render::diagnostics::Renderer;
use crate::render::text::counted;
use crate::source_text::SourceText;

/// A `.build` file, where it stands, and what it says.
pub(crate) struct Project {
    /// The work tree it is in.
    pub(crate) work_tree: WorkTree,
    /// The arguments that were not the file.
    pub(crate) words: Vec<String>,
    /// What evaluation gave.
    pub(crate) evaluation: Evaluation,
    /// Nodes that stand for targets which are selections of files.
    target_nodes: Vec<(NodeId, String)>,
    /// Every file that diagnostics may point into.
    pub(crate) texts: Arc<[SourceText]>,
    /// How the file was called on the command line, for messages.
    pub(crate) file: PathBuf,
}

impl Project {
    /// Finds and evaluates the file that `words` name. Nothing is printed.
    ///
    /// # Errors
    /// If there is no such file, or more than one could be meant.
    pub(crate) fn open(words: &[String], parameters: &[(String, String)]) -> Result<Self, Failure> {
        let (files, words): (Vec<&String>, Vec<&String>) = words.iter().partition(|word| word.ends_with(".build"));
        let file = match files[..] {
            [] => default_file(Path::new("."))?,
            [file] => PathBuf::from(file),
            [first, second, ..] => {
                return Err(Failure::usage(format!("two files were given: {first} and {second}"), "name one"));
            }
        };
        let (directory, name) = split(&file)?;
        let work_tree = WorkTree::discover(&directory).map_err(Failure::directory)?;
        let root_file = root_relative(work_tree.root(), &directory.join(name));
        let world = Disk { root: work_tree.root().to_owned() };
        let settings = Settings {
            parameters: parameters.iter().cloned().collect::<BTreeMap<_, _>>(),
            platform: Platform::native(),
        };
        let mut evaluation = sinter_eval::evaluate(&world, &root_file, &settings);
        let target_nodes = evaluation.graph.root_targets();
        let texts = evaluation.files.iter().map(|file| SourceText::new(file.id, &file.path, &file.text)).collect();
        Ok(Self { work_tree, words: words.into_iter().cloned().collect(), evaluation, target_nodes, texts, file })
    }

    /// Where a node was made: the call, or the target that it stands for.
    pub(crate) fn place_of(&self, node: NodeId) -> Option<Span> {
        let origins = &self.evaluation.origins;
        let target = self.target_nodes.iter().find(|(made, _)| *made == node);
        origins.node_call(node).or_else(|| target.and_then(|(_, name)| origins.target(name)))
    }

    /// Shows what is wrong with the file.
    ///
    /// # Errors
    /// If anything of it is an error.
    pub(crate) fn report(&self, extra: &[Diagnostic]) -> Result<(), Failure> {
        let renderer = Renderer::for_stderr();
        let all: Vec<&Diagnostic> = self.evaluation.diagnostics.iter().chain(extra).collect();
        for diagnostic in &all {
            console::say(&renderer.render(&self.texts, &self.with_file_count((*diagnostic).clone())));
        }
        let errors = all.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
        if errors == 0 {
            return Ok(());
        }
        console::say(&format!("{}: {}\n", self.file.display(), counted(errors, "error")));
        Err(Failure::reported())
    }

    /// Says how many files a source without a selection brings.
    fn with_file_count(&self, diagnostic: Diagnostic) -> Diagnostic {
        if diagnostic.code.0 != "W0401" {
            return diagnostic;
        }
        match self.count_of(diagnostic.primary.span) {
            Some(count) => diagnostic.label(counted(count, "file")),
            None => diagnostic,
        }
    }

    /// The number of files of the source whose name stands at a place.
    fn count_of(&self, span: Span) -> Option<usize> {
        let file = self.texts.iter().find(|file| file.id == span.file)?;
        let name = file.text.get(span.range.as_range())?;
        let input = self.evaluation.graph.inputs.iter().find(|input| input.name == name)?;
        match &input.input {
            Input::Directory { path } => self.work_tree.list(path).ok().map(|files| files.len()),
            Input::Debian { .. } | Input::Pull { .. } => None,
        }
    }

    /// The lock file: at the top of the git work tree, without git beside the file.
    pub(crate) fn lock_path(&self) -> PathBuf {
        self.work_tree.root().join("sinter.lock")
    }

    /// The targets that were asked for, all of them if none was.
    ///
    /// # Errors
    /// If there is no such target.
    pub(crate) fn targets(&self) -> Result<Vec<String>, Failure> {
        let known: Vec<&str> = self.evaluation.graph.targets.iter().map(|target| target.name.as_str()).collect();
        if let Some(unknown) = self.words.iter().find(|word| !known.contains(&word.as_str())) {
            return Err(unknown_name("target", unknown, &known, &self.file));
        }
        if known.is_empty() {
            let message = format!("{} declares no target, so there is nothing to build", self.file.display());
            return Err(Failure::usage(message, "declare one: target NAME = image { ... }"));
        }
        let all = known.iter().map(|name| (*name).to_owned());
        Ok(if self.words.is_empty() { all.collect() } else { self.words.clone() })
    }
}

/// An unknown name with what was probably meant.
pub(crate) fn unknown_name(kind: &str, unknown: &str, known: &[&str], file: &Path) -> Failure {
    let nearest = known.iter().min_by_key(|name| strsim::damerau_levenshtein(name, unknown));
    let help = match nearest {
        Some(name) if strsim::damerau_levenshtein(name, unknown) <= 2 => format!("did you mean `{name}`?"),
        Some(_) => format!("there is: {}", known.join(", ")),
        None => format!("it declares no {kind}"),
    };
    Failure::usage(format!("{} has no {kind} `{unknown}`", file.display()), help)
}

/// The only `*.build` here, or `default.build`.
fn default_file(directory: &Path) -> Result<PathBuf, Failure> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(directory)
        .map_err(|error| Failure::environment(format!("cannot list the current directory: {error}")))?
        .filter_map(|entry| Some(PathBuf::from(entry.ok()?.file_name())))
        .filter(|name| name.extension().is_some_and(|extension| extension == "build") && name.is_file())
        .collect();
    found.sort();
    match &found[..] {
        [only] => Ok(only.clone()),
        [] => Err(Failure::usage(
            "there is no .build file here",
            "write one, or name one: sinter build path/to/FILE.build",
        )),
        _ => found.iter().find(|name| name.as_os_str() == "default.build").cloned().ok_or_else(|| {
            let names: Vec<String> = found.iter().map(|name| name.display().to_string()).collect();
            Failure::usage(
                format!("there are several .build files here: {}", names.join(", ")),
                "name the one you mean",
            )
        }),
    }
}

fn split(file: &Path) -> Result<(PathBuf, std::ffi::OsString), Failure> {
    let missing =
        |reason: String| Failure::usage(format!("cannot read {}: {reason}", file.display()), "check the path");
    if !file.is_file() {
        return Err(missing("there is no such file".to_owned()));
    }
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = parent.canonicalize().map_err(|error| missing(error.to_string()))?;
    let name = file.file_name().ok_or_else(|| missing("it is no file".to_owned()))?;
    Ok((directory, name.to_owned()))
}

fn root_relative(root: &Path, file: &Path) -> String {
    file.strip_prefix(root).unwrap_or(file).to_string_lossy().into_owned()
}

/// The files of a work tree, as evaluation sees them.
struct Disk {
    root: PathBuf,
}

impl World for Disk {
    fn read(&self, path: &str) -> Result<String, String> {
        std::fs::read_to_string(self.root.join(path)).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            std::io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
            _ => error.to_string(),
        })
    }
}
