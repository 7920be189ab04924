//! Tests of `check`: one row per rule.

use std::collections::BTreeMap;

use sinter_graph::config::{Configuration, Healthcheck};

use super::*;

fn look_up(path: &str) -> Found {
    match path {
        "/usr/bin/tini" | "/app/run" | "/bin/sh" => Found::Executable,
        "/usr/local/bin/tool" | "/app/notes" => Found::NotExecutable,
        "/usr/bin/tool" => Found::Executable,
        "/usr/bin/plain" => Found::NotExecutable,
        "/srv" | "/app/dir" => Found::NotAFile,
        _ => Found::Missing,
    }
}

fn read(path: &str) -> Option<Vec<u8>> {
    match path {
        "/etc/passwd" => Some(b"root:x:0:0:root:/root:/bin/sh\nweb:x:900:900::/:/bin/false\n".to_vec()),
        "/etc/group" => Some(b"root:x:0:\nstaff:x:50:".to_vec()),
        _ => None,
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn messages(configuration: &Configuration) -> Vec<String> {
    check_configuration(configuration, &look_up, &read).iter().map(ToString::to_string).collect()
}

#[test]
fn programs_are_found_as_a_runtime_would() {
    for (entrypoint, expected) in [
        ("tini -- node", None),
        ("/bin/sh -c true", None),
        ("./run", None),
        ("run", Some("not in the image")),
        ("tool", None),
        ("plain", Some("/usr/bin/plain is not executable")),
        ("./dir/../notes", Some("/app/notes")),
        ("../../bin/sh", None),
        ("/app/notes", Some("place it with `mode = \"755\"`")),
        ("/srv", Some("a directory or a device")),
        ("nope", Some("/usr/local/sbin/nope, /usr/local/bin/nope")),
        ("/nope", Some("looked at /nope")),
        ("", Some("is empty")),
    ] {
        let found = messages(&Configuration { entrypoint: words(entrypoint), ..Configuration::default() });
        match expected {
            None => assert_eq!(found, Vec::<String>::new(), "{entrypoint}"),
            Some(fragment) => assert!(found.len() == 1 && found[0].contains(fragment), "{entrypoint}: {found:?}"),
        }
    }
}

#[test]
fn cmd_counts_without_an_entrypoint_only() {
    let cmd = words("nope");
    let alone = Configuration { cmd: cmd.clone(), ..Configuration::default() };
    assert_eq!(check_configuration(&alone, &look_up, &read).len(), 1);
    let arguments = Configuration { cmd, entrypoint: words("tini"), ..Configuration::default() };
    assert_eq!(messages(&arguments), Vec::<String>::new());
    assert_eq!(messages(&Configuration::default()), Vec::<String>::new());
}

#[test]
fn healthcheck_program_is_checked_too() {
    let healthcheck = Some(Healthcheck { test: words("curl localhost"), ..Healthcheck::default() });
    let problems = check_configuration(&Configuration { healthcheck, ..Configuration::default() }, &look_up, &read);
    assert_eq!(problems.iter().map(AssemblyProblem::field).collect::<Vec<_>>(), ["healthcheck"]);
}

#[test]
fn named_users_and_groups_need_a_line() {
    for (user, expected) in [
        ("web", vec![]),
        ("root:staff", vec![]),
        ("0", vec![]),
        ("4000:4000", vec![]),
        ("we", vec!["user `we`"]),
        ("nobody", vec!["user `nobody`"]),
        ("web:wheel", vec!["group `wheel`"]),
        ("x:y", vec!["user `x`", "group `y`"]),
    ] {
        let found = messages(&Configuration { user: Some(user.to_owned()), ..Configuration::default() });
        let matches = found.len() == expected.len() && found.iter().zip(&expected).all(|(a, b)| a.starts_with(b));
        assert!(matches, "{user}: {found:?}");
    }
}

#[test]
fn image_without_passwd_knows_no_names() {
    let configuration = Configuration { user: Some("root".to_owned()), ..Configuration::default() };
    let problems = check_configuration(&configuration, &look_up, &|_| None);
    assert_eq!(problems, [AssemblyProblem::UnknownUser { user: "root".to_owned() }]);
}

#[test]
fn impossible_variables_are_named() {
    let env: BTreeMap<String, String> =
        [("A=B", "1"), ("", "1"), ("C", "a\0b"), ("D", "=")].map(|(n, v)| (n.to_owned(), v.to_owned())).into();
    let configuration = Configuration { env, ..Configuration::default() };
    let problems = check_configuration(&configuration, &look_up, &read);
    let named = ["", "A=B", "C"].map(|name| AssemblyProblem::InvalidVariable { name: name.to_owned() });
    assert_eq!(problems, named);
}
