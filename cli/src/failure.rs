//! A command that did not succeed, as plain data: whose fault it is, what happened where, what to do next.
//!
//! Rules: every way to fail ends here. Must not know: how it is shown, and in which form.

use std::sync::Arc;

use sinter_graph::ErrorClass;
use sinter_lang::diagnostic::Diagnostic;
use sinter_oci::DestinationError;
use sinter_sandbox::SandboxError;
use sinter_source::directory::DirectoryError;
use sinter_store::StoreError;

use crate::source_text::SourceText;

/// A command that did not succeed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Whose fault it is.
    pub(crate) class: ErrorClass,
    /// What happened.
    pub(crate) what: What,
    /// The next steps, one sentence each.
    pub(crate) help: Vec<String>,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum What {
    /// It has been shown.
    Shown,
    /// A sentence, and lines that belong to it.
    Message(String, Vec<String>),
    /// Something at a place of a file.
    Placed(Placed),
}

/// Something at a place of a file.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) diagnostic: Box<Diagnostic>,
    /// The files it may point into.
    pub(crate) texts: Arc<[SourceText]>,
    /// What was printed before it, if a script failed.
    pub(crate) output: Option<LastLines>,
}

/// The end of what a step printed.
#[derive(Debug)]
pub(crate) struct LastLines {
    pub(crate) step: String,
    pub(crate) lines: Vec<String>,
}

impl Failure {
    /// The command line or the file is wrong.
    pub(crate) fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { help: vec![help.into()], ..Self::message(ErrorClass::User, message) }
    }

    /// The store could not be opened or changed.
    pub(crate) fn store(error: &StoreError) -> Self {
        Self::message(error.class(), error.to_string())
    }

    /// The machine is in the way.
    pub(crate) fn environment(message: impl Into<String>) -> Self {
        Self::message(ErrorClass::Environment, message)
    }

    /// A work tree cannot be read.
    pub(crate) fn directory(error: DirectoryError) -> Self {
        Self::message(error.class(), error.to_string())
    }

    /// The machine cannot make sandboxes.
    pub(crate) fn sandbox(error: &SandboxError) -> Self {
        Self::message(error.class(), error.to_string())
    }

    /// A destination that is none.
    pub(crate) fn destination(error: &DestinationError) -> Self {
        Self::message(error.class(), error.to_string())
    }

    /// Diagnostics of the file, which have been shown.
    pub(crate) fn reported() -> Self {
        Self { class: ErrorClass::User, what: What::Shown, help: vec![] }
    }

    /// The lock would change.
    pub(crate) fn lock_differs(diff: &[String]) -> Self {
        let what = What::Message("sinter.lock does not match".to_owned(), diff.to_vec());
        Self { class: ErrorClass::Lock, what, help: vec!["run `sinter lock`".to_owned()] }
    }

    /// A sentence without a place.
    pub(crate) fn message(class: ErrorClass, message: impl Into<String>) -> Self {
        Self { class, what: What::Message(message.into(), vec![]), help: vec![] }
    }
}
