//! `sinter push`: a build of one target whose image goes to registries.

use crate::arguments::{Build, Push, Selection};
use crate::commands::build;
use crate::failure::Failure;

const SCHEME: &str = "docker://";

pub(crate) fn run(arguments: Push) -> Result<(), Failure> {
    let Push { words, parameters, options } = arguments;
    let (words, outputs) = divided(words)?;
    build::run(&Build { selection: Selection { words, parameters }, outputs, options })
}

/// FILE and TARGET, and the destinations.
fn divided(mut words: Vec<String>) -> Result<(Vec<String>, Vec<String>), Failure> {
    let has_file = words.first().is_some_and(|word| word.ends_with(".build"));
    let first = 1 + usize::from(has_file);
    if words.len() <= first {
        let help = "name a target and where it goes, for instance `sinter push app registry.example.org/team/app:1.2`";
        return Err(Failure::usage("nothing is said about where the image goes".to_owned(), help));
    }
    let references = words.split_off(first);
    let destination = |reference: &String| format!("{SCHEME}{}", reference.strip_prefix(SCHEME).unwrap_or(reference));
    Ok((words, references.iter().map(destination).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_file_target_and_references() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (given, selected, outputs) in [
            ("app host/app:1", "app", "docker://host/app:1"),
            ("a.build app host/app:1 docker://host/app:2", "a.build app", "docker://host/app:1 docker://host/app:2"),
        ] {
            assert_eq!(divided(words(given)).expect(given), (words(selected), words(outputs)));
        }
        for given in ["app", "a.build", "a.build app"] {
            assert!(divided(words(given)).is_err(), "{given}");
        }
    }
}
