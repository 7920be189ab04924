//! What was probably meant by a name that does not exist.

/// The candidate most like `name`, if one is near enough to be worth saying. Ties go to the first.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = match name.chars().count() {
        0 => return None,
        1..=2 => 1,
        3..=6 => 2,
        _ => 3,
    };
    candidates
        .filter(|candidate| *candidate != name)
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        .fold(None, |best: Option<(usize, &str)>, next| match best {
            Some(best) if best.0 <= next.0 => Some(best),
            _ => Some(next),
        })
        .map(|(_, candidate)| candidate)
}

/// Edits between the names; a difference of case or of `-` and `_` counts half of what it would.
fn distance(name: &str, candidate: &str) -> usize {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let exact = strsim::osa_distance(name, candidate);
    exact.min(strsim::osa_distance(&plain(name), &plain(candidate)) + 1)
}

/// Words of Dockerfiles, compose files and other build tools, as names of arguments: what to write here.
const FOREIGN_ARGUMENTS: &[(&str, &str)] = &[
    ("FROM", "from"),
    ("base", "from"),
    ("base_image", "from"),
    ("depends_on", "from"),
    ("needs", "from"),
    ("use", "from"),
    ("RUN", "script"),
    ("command", "cmd"),
    ("CMD", "cmd"),
    ("args", "cmd"),
    ("commands", "script"),
    ("COPY", "files"),
    ("ADD", "files"),
    ("copy", "files"),
    ("copies", "files"),
    ("sources", "files"),
    ("srcs", "files"),
    ("inputs", "files"),
    ("contents", "layers"),
    ("ENV", "env"),
    ("environment", "env"),
    ("EXPOSE", "expose"),
    ("ports", "expose"),
    ("port", "expose"),
    ("VOLUME", "volumes"),
    ("volume", "volumes"),
    ("LABEL", "labels"),
    ("label", "labels"),
    ("annotations", "labels"),
    ("USER", "user"),
    ("WORKDIR", "workdir"),
    ("working_dir", "workdir"),
    ("cwd", "workdir"),
    ("dir", "workdir"),
    ("ENTRYPOINT", "entrypoint"),
    ("HEALTHCHECK", "healthcheck"),
    ("STOPSIGNAL", "stop_signal"),
    ("SHELL", "shell"),
    ("PATH", "path"),
    ("outputs", "keep"),
    ("output", "keep"),
    ("exclude", "drop"),
    ("platform", "platforms"),
    ("destination", "to"),
    ("dest", "to"),
    ("chmod", "mode"),
    ("chown", "owner"),
];

/// What to write for an argument named in the words of another tool, if `known` has it.
pub fn foreign_argument<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let meant = FOREIGN_ARGUMENTS.iter().filter(|(word, _)| *word == name).map(|(_, meant)| *meant);
    meant.filter_map(|meant| known.iter().copied().find(|name| *name == meant)).next()
}

/// Words of other tools where a value or function is wanted, and what to say.
const FOREIGN_NAMES: &[(&str, &str)] = &[
    ("step", "a step is `run { from = ..., script = sh \"\"\"...\"\"\" }`"),
    ("RUN", "a step is `run { from = ..., script = sh \"\"\"...\"\"\" }`"),
    ("exec", "a step is `run { from = ..., script = sh \"\"\"...\"\"\" }`"),
    ("copy", "files go into a step with `files = src[\"...\"]` and into an image with `layers = [src[\"...\"]]`"),
    ("COPY", "files go into a step with `files = src[\"...\"]` and into an image with `layers = [src[\"...\"]]`"),
    ("merge", "a list is a merge: `from = [a, b]` in a step, `layers = [a, b]` in an image"),
    ("container", "an image is `image { layers = [...] }`"),
    ("null", "the absent value is `none`"),
    ("nil", "the absent value is `none`"),
    ("None", "the absent value is `none`"),
    ("undefined", "the absent value is `none`"),
    ("True", "write `true`"),
    ("False", "write `false`"),
    ("yes", "write `true`"),
    ("no", "write `false`"),
    ("env", "evaluation sees no environment; `param name: Str = \"...\"` is set with `--set name=value`"),
    ("getenv", "evaluation sees no environment; `param name: Str = \"...\"` is set with `--set name=value`"),
];

/// What to say about a name in the words of another tool.
pub fn foreign_name(name: &str) -> Option<&'static str> {
    FOREIGN_NAMES.iter().find(|(word, _)| *word == name).map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_finds_typos_but_not_strangers() {
        let names = ["deps", "toolchain", "toolchain-packages", "src", "web"];
        for (typo, meant) in [
            ("dep", Some("deps")),
            ("Deps", Some("deps")),
            ("toolchian", Some("toolchain")),
            ("toolchain_packages", Some("toolchain-packages")),
            ("scr", Some("src")),
            ("zebra", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(typo, names.iter().copied()), meant, "{typo}");
        }
    }

    #[test]
    fn foreign_arguments_need_a_parameter() {
        assert_eq!(foreign_argument("ports", &["expose", "env"]), Some("expose"));
        assert_eq!(foreign_argument("ports", &["env"]), None);
    }
}
