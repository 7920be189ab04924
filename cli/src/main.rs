//! `sinter`: the command line. Finds the file, calls the front end and the executor, shows what they say.
//!
//! Rules: standard output carries data, standard error everything else; every way to fail ends in one documented exit
//! code. The only home of the argument parser and the terminal.
//! Must not know: git, registries, system calls, the grammar.

mod arguments;
mod catalog;
mod commands;
mod console;
mod diagnose;
mod failure;
mod project;
mod render;
mod source_text;
mod visible;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Cache, Command};
use failure::Failure;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        console::say(&format!(
            "error: sinter itself failed: {panic}\n  help: this is a bug; please report it with the command and the .build file\n"
        ));
        std::process::exit(sinter_graph::ErrorClass::Internal.exit_code().into());
    }));
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let result = match arguments.command {
        Command::Build(build) => commands::build::run(&build),
        Command::Push(push) => commands::push::run(push),
        Command::Check(check) => commands::check::run(&check),
        Command::Lock(lock) => commands::lock::lock(&lock),
        Command::Update(update) => commands::lock::update(&update),
        Command::Explain { code } => commands::explain::run(code.as_deref()),
        Command::Cache(Cache::Keygen { file }) => commands::cache::keygen(&file),
        Command::Cache(Cache::Clear { store }) => commands::cache::clear(store.as_ref()),
        Command::Runner => commands::runner::run(),
    };
    ended(result)
}

/// The exit code of a command, after what went wrong has been said.
fn ended(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console::say(&render::failure::text(&failure));
            ExitCode::from(failure.class.exit_code())
        }
    }
}

/// Help and version are data and no failure; a wrong command line is the user's error.
fn usage(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if error.use_stderr() {
        console::say(&text);
        return ExitCode::from(sinter_graph::ErrorClass::User.exit_code());
    }
    ended(console::data(text.trim_end()))
}
