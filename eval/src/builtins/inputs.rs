//! `dir`, `pull`, `debian`, and the builtin behind `std.debian`.

use sinter_graph::derivation::{Derivation, Input, Unpack};
use sinter_graph::image_reference::InvalidReference;
use sinter_graph::image_source::{ImageSource, LocalImage};
use sinter_lang::diagnostic::{Code, Diagnostic};

use crate::arguments::Arguments;
use crate::budget::{Outcome, Stop};
use crate::evaluator::Evaluator;
use crate::paths;
use crate::value::Value;

impl Evaluator<'_> {
    pub(super) fn dir(&mut self, arguments: &Arguments<'_>) -> Outcome<Value> {
        let text = arguments.text("path").ok_or(Stop)?;
        let directory = paths::directory_of(self.path_of_file());
        match paths::within(directory, &text) {
            Ok(path) => {
                let name = self.name.clone();
                Ok(Value::Source(self.builder.input(&name, Input::Directory { path }, arguments.call)))
            }
            Err(reason) => {
                let message = format!("{text:?} is not a directory of this repository: {reason}");
                self.fail(Diagnostic::error(Code("E0404"), arguments.span("path"), message))
            }
        }
    }

    pub(super) fn pull(&mut self, arguments: &Arguments<'_>) -> Outcome<Value> {
        let text = arguments.text("ref").ok_or(Stop)?;
        let parsed = text.parse().map_err(|invalid: InvalidReference| invalid.reason);
        match parsed.and_then(|image| self.in_work_tree(image)) {
            Ok(image) => {
                let (name, origin) = (self.name.clone(), self.origin(arguments.call));
                let input = self.builder.input(&name, Input::Pull { image }, arguments.call);
                Ok(Value::Tree(self.builder.add(&name, Derivation::Pull(input), origin)))
            }
            Err(reason) => {
                let report =
                    Diagnostic::error(Code("E0406"), arguments.span("ref"), format!("{text:?} names no image"));
                self.fail(report.label(reason))
            }
        }
    }

    /// The same image, with a path relative to the root of the work tree.
    fn in_work_tree(&self, image: ImageSource) -> Result<ImageSource, String> {
        let ImageSource::Local(LocalImage { form, path, name }) = image else { return Ok(image) };
        let directory = paths::directory_of(self.path_of_file());
        let path = paths::within(directory, &path).map_err(|reason| format!("`{path}`: {reason}"))?;
        let path = if path.is_empty() { ".".to_owned() } else { path };
        Ok(ImageSource::Local(LocalImage { form, path, name }))
    }

    pub(super) fn debian(&mut self, arguments: &Arguments<'_>) -> Outcome<Value> {
        let suite = arguments.text("suite").ok_or(Stop)?;
        let mut packages = arguments.texts("packages").ok_or(Stop)?;
        let mut wrong = false;
        if !is_suite(&suite) {
            wrong = true;
            let message = format!("{suite:?} is not the name of a suite");
            let report = Diagnostic::error(Code("E0405"), arguments.span("suite"), message);
            self.report(report.help("a suite is named by its code name, for instance \"bookworm\""));
        }
        for (index, package) in packages.iter().enumerate().filter(|(_, package)| !is_package(package)) {
            wrong = true;
            let message = format!("{package:?} is not the name of a Debian package");
            let report = Diagnostic::error(Code("E0405"), arguments.item_span("packages", index), message);
            self.report(report.help("names have at least two of `a-z 0-9 + - .`; one string names one package"));
        }
        if wrong {
            return Err(Stop);
        }
        packages.sort();
        packages.dedup();
        let name = self.name.clone();
        Ok(Value::Packages(self.builder.input(&name, Input::Debian { suite, packages }, arguments.call)))
    }

    pub(super) fn unpack_packages(&mut self, arguments: &Arguments<'_>) -> Outcome<Value> {
        let (Some(Value::Packages(packages)), Some(Value::Bool(system))) =
            (arguments.value("packages"), arguments.value("system"))
        else {
            return Err(Stop);
        };
        let derivation = Derivation::Unpack(Unpack { packages: *packages, system: *system });
        let (name, origin) = (self.name.clone(), self.origin(arguments.call));
        Ok(Value::Tree(self.builder.add(&name, derivation, origin)))
    }
}

/// Code names are lower-case words; `stable-updates` and the like have a dash, mirrors' paths a slash.
fn is_suite(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(allowed)
}

/// Debian Policy 5.6.7.
fn is_package(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    let start = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() >= 2 && text.starts_with(start) && text.bytes().all(allowed)
}
