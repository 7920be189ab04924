//! Credentials from files of every form, and from programs.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(&path, text).expect("a file");
        path
    }

    fn environment(&self, more: &[(&str, &Path)]) -> Environment {
        let bin = self.0.path().join("bin");
        let all: Vec<(&str, &Path)> =
            [("HOME", self.0.path()), ("PATH", &bin)].into_iter().chain(more.iter().copied()).collect();
        Environment::made_of(&all, self.0.path())
    }

    fn find(&self, host: &str, repository: &str) -> Option<Credentials> {
        find(&self.environment(&[]), host, repository).expect("files").map(|(found, _)| found)
    }
}

fn password(user: &str, password: &str) -> Option<Credentials> {
    Some(Credentials::Password { user: user.to_owned(), password: password.to_owned() })
}

fn auth(text: &str) -> String {
    STANDARD.encode(text)
}

#[test]
fn entries_of_every_form_are_read() {
    let home = Home::new();
    let text = format!(
        r#"{{"auths": {{
            "https://index.docker.io/v1/": {{"auth": "{}"}},
            "plain.example": {{"username": "u", "password": "p"}},
            "https://old.example/v2/": {{"auth": "{}"}},
            "id.example": {{"auth": "{}", "identitytoken": "it"}},
            "token.example:5000": {{"registrytoken": "rt"}},
            "empty.example": {{}},
            "odd.example": {{"auth": "!!!"}}
        }}}}"#,
        auth("me:pass:word"),
        auth("a:b\0"),
        auth("x:y"),
    );
    home.write(".docker/config.json", &text);
    for (host, expected) in [
        ("docker.io", password("me", "pass:word")),
        ("plain.example", password("u", "p")),
        ("old.example", password("a", "b")),
        ("id.example", Some(Credentials::Identity("it".to_owned()))),
        ("token.example:5000", Some(Credentials::Token("rt".to_owned()))),
        ("token.example", None),
        ("empty.example", None),
        ("odd.example", None),
        ("other.example", None),
    ] {
        assert_eq!(home.find(host, "a/b"), expected, "{host}");
    }
}

#[test]
fn the_longest_key_that_fits_counts() {
    let home = Home::new();
    let entry = |user: &str| format!(r#"{{"auth": "{}"}}"#, auth(&format!("{user}:x")));
    let text = format!(
        r#"{{"auths": {{"h.example": {}, "h.example/team": {}, "h.example/team/app": {}}}}}"#,
        entry("host"),
        entry("team"),
        entry("app")
    );
    home.write(".config/containers/auth.json", &text);
    home.write(
        ".docker/config.json",
        &format!(r#"{{"auths": {{"h.example": {}, "d.example": {}}}}}"#, entry("no"), entry("docker")),
    );
    for (host, repository, user) in [
        ("h.example", "x", "host"),
        ("h.example", "team/other", "team"),
        ("h.example", "teams", "host"),
        ("h.example", "team/app", "app"),
        ("h.example", "team/app/sub", "app"),
        ("d.example", "x", "docker"),
    ] {
        assert_eq!(home.find(host, repository), password(user, "x"), "{host}/{repository}");
    }
}

#[test]
fn a_named_file_is_the_only_one() {
    let home = Home::new();
    home.write(".docker/config.json", &format!(r#"{{"auths": {{"a.example": {{"auth": "{}"}}}}}}"#, auth("u:p")));
    let named = home.write("named.json", "{}");
    let environment = home.environment(&[("REGISTRY_AUTH_FILE", &named)]);
    assert_eq!(find(&environment, "a.example", "x").expect("a file"), None);
    home.write("named.json", "{");
    let error = find(&environment, "a.example", "x").expect_err("broken").to_string();
    assert!(error.contains("named.json") && error.contains("no JSON"), "{error}");
}

#[test]
fn helpers_are_asked_and_their_failures_told() {
    let home = Home::new();
    let helper = |name: &str, script: &str| {
        let path = home.write(&format!("bin/docker-credential-{name}"), &format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    };
    helper("good", r#"read key; echo "{\"Username\":\"u\",\"Secret\":\"s of $key\"}""#);
    helper("token", r#"echo '{"Username":"<token>","Secret":"t"}'"#);
    helper("none", "echo credentials not found in native keychain; exit 1");
    helper("bad", "echo locked; exit 1");
    home.write(
        ".docker/config.json",
        r#"{"credsStore": "good", "credHelpers": {"t.example": "token", "n.example": "none", "b.example": "bad", "m.example": "missing"}}"#,
    );
    assert_eq!(home.find("x.example", "a"), password("u", "s of x.example"));
    assert_eq!(home.find("docker.io", "a"), password("u", &format!("s of {DOCKER_KEY}")));
    assert_eq!(home.find("t.example", "a"), Some(Credentials::Identity("t".to_owned())));
    assert_eq!(home.find("n.example", "a"), None);
    for (host, reason) in [("b.example", "failed: locked"), ("m.example", "cannot be started")] {
        let error = find(&home.environment(&[]), host, "a").expect_err(reason).to_string();
        assert!(error.contains(reason) && error.contains("config.json"), "{error}");
    }
}

#[test]
fn helpers_cannot_hold_us_up() {
    let home = Home::new();
    let helper = |name: &str, script: &str| {
        let path = home.write(&format!("bin/docker-credential-{name}"), &format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    };
    let answer = r#"echo '{"Username":"u","Secret":"s"}'"#;
    // An agent that goes on with the pipe in its hand; more than a pipe holds; more than anybody needs.
    helper("daemon", &format!("/bin/sleep 60 & {answer}"));
    helper("long", &format!("/usr/bin/printf ' %.0s' $(/usr/bin/seq 100000); {answer}"));
    helper("endless", "exec /usr/bin/yes hidden");
    home.write(
        ".docker/config.json",
        r#"{"credHelpers": {"d.example": "daemon", "l.example": "long", "e.example": "endless"}}"#,
    );
    let began = std::time::Instant::now();
    assert_eq!(home.find("d.example", "a"), password("u", "s"));
    assert_eq!(home.find("l.example", "a"), password("u", "s"));
    let error = find(&home.environment(&[]), "e.example", "a").expect_err("no answer").to_string();
    assert!(error.contains("docker-credential-endless") && !error.contains("hidden"), "{error}");
    assert!(began.elapsed().as_secs() < 25, "{:?}", began.elapsed());
}

#[test]
fn errors_do_not_show_what_is_in_a_file() {
    let home = Home::new();
    home.write("bin/docker-credential-odd", "#!/bin/sh\necho 'hidden hidden'\n");
    let program = home.0.path().join("bin/docker-credential-odd");
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    for (text, reason) in [
        (r#"{"auths": {"a.example": {"auth": "hidden"}, hidden}}"#, "no JSON (line 1, column"),
        ("hidden", "no JSON (line 1, column"),
        (r#"{"auths": {"a.example": {"registrytoken": "hidden\r\nX: hidden"}}}"#, "no header can hold"),
        (r#"{"auths": {"a.example": {"registrytoken": "hidd\u00e4n hidden"}}}"#, "no header can hold"),
        (r#"{"credHelpers": {"a.example": "odd"}}"#, "answers no JSON"),
    ] {
        home.write(".docker/config.json", text);
        let error = find(&home.environment(&[]), "a.example", "x").expect_err(text).to_string();
        assert!(error.contains(reason) && error.contains("config.json") && !error.contains("hidd"), "{error}");
    }
}

#[test]
fn credentials_are_not_shown() {
    let secret = Credentials::Password { user: "u".to_owned(), password: "hidden".to_owned() };
    assert!(!format!("{secret:?}").contains("hidden"));
}
