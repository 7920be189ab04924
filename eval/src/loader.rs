//! From the name of a file to checked modules: the file, what it imports, and the prelude.

use std::collections::HashMap;
use std::sync::Arc;

use sinter_lang::diagnostic::{Code, Diagnostic, Severity};
use sinter_lang::hir::{DeclarationKind, Fragment, ImportPath, Module, Name, StringLiteral};
use sinter_lang::resolve::suggest;
use sinter_lang::source::{FileId, Span, TextRange};
use sinter_lang::types::{Interface, Role, Scope, check};
use sinter_lang::{Dialect, parse};

use crate::{LoadedFile, World, paths};

/// More files than this do not take part in one evaluation.
const MOST_FILES: usize = 1_000;

/// Imports of imports deeper than this are refused; loading recurses.
const DEEPEST_IMPORT: usize = 32;

/// A checked file.
#[derive(Debug)]
pub(crate) struct LoadedModule {
    pub(crate) file: FileId,
    /// Relative to the root of the work tree.
    pub(crate) path: String,
    pub(crate) module: Module,
    /// The first declaration of each name.
    pub(crate) declared: HashMap<String, usize>,
    /// The order in which declarations can be evaluated.
    pub(crate) sequence: Vec<usize>,
    pub(crate) imports: HashMap<String, FileId>,
    pub(crate) interface: Arc<Interface>,
    pub(crate) role: Role,
    /// What names of its nodes begin with: the import names that lead here, each with a dot behind it.
    pub(crate) prefix: String,
}

/// Everything evaluation needs.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) files: Vec<LoadedFile>,
    /// In an order in which they can be evaluated: each after those it imports, the prelude first.
    pub(crate) modules: Vec<LoadedModule>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Index in `modules`.
    pub(crate) by_file: HashMap<FileId, usize>,
}

/// The modules of the prelude, by [`FileId`]: the root file is number 0 and they come next.
pub(crate) const PRELUDE: FileId = FileId(1);
pub(crate) const INPUTS: FileId = FileId(2);
pub(crate) const INTERNAL: FileId = FileId(3);

impl Loaded {
    pub(crate) fn module(&self, file: FileId) -> Option<&LoadedModule> {
        self.modules.get(*self.by_file.get(&file)?)
    }
}

struct Loader<'w> {
    world: &'w dyn World,
    loaded: Loaded,
    /// What user files see, and what files of the library see.
    builtins: Interface,
    library_builtins: Interface,
    constructors: Interface,
    by_path: HashMap<String, FileId>,
    /// The files being loaded now, outermost first, and where each imports the next.
    stack: Vec<(FileId, Span)>,
}

/// Loads and checks the root file, the prelude and all imports.
pub(crate) fn load(world: &dyn World, root_file: &str) -> Loaded {
    let mut loader = Loader {
        world,
        loaded: Loaded::default(),
        builtins: Interface::default(),
        library_builtins: Interface::default(),
        constructors: Interface::default(),
        by_path: HashMap::new(),
        stack: Vec::new(),
    };
    let text = loader.root(root_file);
    loader.prelude();
    if let Some(text) = text {
        loader.module(FileId(0), root_file.to_owned(), &text, Role::Root, String::new());
    }
    loader.loaded
}

impl Loader<'_> {
    fn file(&mut self, path: String, text: Arc<str>, is_std: bool) -> FileId {
        let id = FileId(u32::try_from(self.loaded.files.len()).unwrap_or(u32::MAX));
        self.loaded.files.push(LoadedFile { id, path, text, is_std });
        id
    }

    fn root(&mut self, path: &str) -> Option<Arc<str>> {
        match self.read(path) {
            Ok(text) => {
                let id = self.file(path.to_owned(), text.clone(), false);
                self.by_path.insert(path.to_owned(), id);
                Some(text)
            }
            Err(reason) => {
                let file = self.file(path.to_owned(), Arc::from(""), false);
                let span = Span { file, range: TextRange::default() };
                let message = format!("cannot read `{path}`: {reason}");
                self.loaded.diagnostics.push(Diagnostic::error(Code("E0206"), span, message));
                None
            }
        }
    }

    fn read(&self, path: &str) -> Result<Arc<str>, String> {
        // A file that is too large is refused by the parser, with a code of its own.
        self.world.read(path).map(Arc::from)
    }

    fn prelude(&mut self) {
        self.builtins = self.library_module(sinter_stdlib::PRELUDE);
        self.constructors = self.library_module(sinter_stdlib::INPUTS);
        self.library_builtins = self.library_module(sinter_stdlib::INTERNAL);
        self.library_builtins.items.extend(self.builtins.items.clone());
    }

    fn library_module(&mut self, name: &str) -> Interface {
        let text: Arc<str> = Arc::from(sinter_stdlib::module(name).unwrap_or_default());
        let id = self.file(format!("<{name}>"), text.clone(), true);
        self.by_path.insert(format!("<{name}>"), id);
        // `scratch` is called by its name alone.
        let prefix = if name == sinter_stdlib::PRELUDE { String::new() } else { format!("{name}.") };
        self.module(id, format!("<{name}>"), &text, Role::Library, prefix);
        self.loaded.module(id).map(|module| (*module.interface).clone()).unwrap_or_default()
    }

    fn module(&mut self, file: FileId, path: String, text: &str, role: Role, prefix: String) {
        let dialect = if role == Role::Library { Dialect::Prelude } else { Dialect::User };
        let parsed = parse(text, file, dialect);
        let broken = |reports: &[Diagnostic]| reports.iter().any(|report| report.severity == Severity::Error);
        let before = self.loaded.diagnostics.len();
        let syntax_is_broken = broken(&parsed.diagnostics);
        self.loaded.diagnostics.extend(parsed.diagnostics);
        let imports = self.imports(file, &path, &parsed.module, role, &prefix);
        let interfaces = imports.iter().map(|(name, id)| (name.clone(), self.interface(*id))).collect();
        let builtins = if role == Role::Library { &self.library_builtins } else { &self.builtins };
        let scope = Scope { builtins, constructors: &self.constructors, imports: &interfaces, role };
        let checked = check(&parsed.module, file, &scope);
        // What a fault swallowed is not unused.
        let whole = !syntax_is_broken && !broken(&self.loaded.diagnostics[before..]) && !broken(&checked.diagnostics);
        let keep = |report: &Diagnostic| whole || report.severity == Severity::Error;
        self.loaded.diagnostics.extend(checked.diagnostics.into_iter().filter(keep));
        let mut declared = HashMap::new();
        for (index, declaration) in parsed.module.declarations.iter().enumerate() {
            declared.entry(declaration.name.text.clone()).or_insert(index);
        }
        self.loaded.by_file.insert(file, self.loaded.modules.len());
        self.loaded.modules.push(LoadedModule {
            file,
            path,
            module: parsed.module,
            declared,
            sequence: checked.sequence,
            imports: imports.into_iter().filter_map(|(name, id)| Some((name, id?))).collect(),
            interface: Arc::new(checked.interface),
            role,
            prefix,
        });
    }

    fn interface(&self, file: Option<FileId>) -> Option<Arc<Interface>> {
        Some(self.loaded.module(file?)?.interface.clone())
    }

    fn imports(
        &mut self,
        file: FileId,
        path: &str,
        module: &Module,
        role: Role,
        prefix: &str,
    ) -> Vec<(String, Option<FileId>)> {
        let mut imports = Vec::new();
        for declaration in &module.declarations {
            let DeclarationKind::Import(import) = &declaration.kind else { continue };
            let name = declaration.name.text.clone();
            let prefix = format!("{prefix}{name}.");
            let id = match import {
                ImportPath::Standard(components) => self.standard(file, components, declaration.range),
                ImportPath::File(literal) => self.local(file, path, literal, role, prefix),
                ImportPath::Missing(_) => None,
            };
            imports.push((name, id));
        }
        imports
    }

    fn standard(&mut self, file: FileId, components: &[Name], range: TextRange) -> Option<FileId> {
        let name: Vec<&str> = components.iter().map(|component| component.text.as_str()).collect();
        let name = format!("std.{}", name.join("."));
        if let Some(known) = self.by_path.get(&format!("<{name}>")) {
            return Some(*known);
        }
        if sinter_stdlib::module(&name).is_none() {
            let range = components.iter().map(|component| component.range).reduce(TextRange::cover).unwrap_or(range);
            self.loaded.diagnostics.push(unknown_module(&name, Span { file, range }));
            return None;
        }
        self.library_module(&name);
        self.by_path.get(&format!("<{name}>")).copied()
    }

    fn local(
        &mut self,
        file: FileId,
        importer: &str,
        literal: &StringLiteral,
        role: Role,
        prefix: String,
    ) -> Option<FileId> {
        let span = Span { file, range: literal.range };
        let path = match self.local_path(importer, literal, role) {
            Ok(path) => path,
            Err(reason) => return self.refuse(span, &reason),
        };
        if let Some(known) = self.by_path.get(&path).copied() {
            return if self.loaded.by_file.contains_key(&known) { Some(known) } else { self.cycle(known, span) };
        }
        if self.stack.len() >= DEEPEST_IMPORT || self.loaded.files.len() >= MOST_FILES {
            return self.refuse(span, "there are too many imports inside one another");
        }
        let text = match self.read(&path) {
            Ok(text) => text,
            Err(reason) => return self.refuse(span, &format!("`{path}`: {reason}")),
        };
        let id = self.file(path.clone(), text.clone(), false);
        self.by_path.insert(path.clone(), id);
        self.stack.push((file, span));
        self.module(id, path, &text, Role::Imported, prefix);
        self.stack.pop();
        Some(id)
    }

    fn local_path(&self, importer: &str, literal: &StringLiteral, role: Role) -> Result<String, String> {
        if role == Role::Library {
            return Err("the standard library imports nothing from outside".to_owned());
        }
        let path: String = match literal.fragments.as_slice() {
            [Fragment::Text { text, .. }] => text.clone(),
            [] => String::new(),
            _ => return Err("the path of an import is a literal".to_owned()),
        };
        if !path.ends_with(".build") {
            return Err(format!("`{path}`: it is not a `.build` file"));
        }
        paths::within(paths::directory_of(importer), &path).map_err(|reason| format!("`{path}`: {reason}"))
    }

    fn refuse(&mut self, span: Span, reason: &str) -> Option<FileId> {
        let report = Diagnostic::error(Code("E0206"), span, format!("cannot import {reason}"));
        self.loaded.diagnostics.push(report);
        None
    }

    fn cycle(&mut self, file: FileId, span: Span) -> Option<FileId> {
        let path = |file: FileId| self.loaded.files.get(file.0 as usize).map_or("", |file| file.path.as_str());
        let start = self.stack.iter().position(|(importer, _)| *importer == file).unwrap_or(self.stack.len());
        let links = &self.stack[start..];
        let mut way: Vec<&str> = links.iter().map(|(importer, _)| path(*importer)).collect();
        way.push(path(span.file));
        way.push(path(file));
        let message = format!("files import each other in a circle: {}", way.join(" -> "));
        let report = Diagnostic::error(Code("E0207"), span, message);
        let report =
            links.iter().fold(report, |report, (_, span)| report.with_place(*span, "imports the next one here"));
        self.loaded.diagnostics.push(report.help("move what both need into a third file"));
        None
    }
}

fn unknown_module(name: &str, span: Span) -> Diagnostic {
    let known = sinter_stdlib::modules().iter().map(|(name, _)| *name).filter(|name| name.starts_with("std."));
    let known: Vec<&str> = known.collect();
    let report = Diagnostic::error(Code("E0206"), span, format!("there is no module `{name}`"));
    match suggest::nearest(name, known.iter().copied()) {
        Some(meant) => report.help(format!("did you mean `{meant}`?")),
        None => report.help(format!("the standard library has `{}`", known.join("`, `"))),
    }
}
