//! Inheriting configurations, and properties of the encoding.

use proptest::prelude::*;

use super::*;
use crate::arbitrary::{configuration, rounds, with_one_field_of};

fn strings(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

#[test]
fn new_entrypoint_clears_inherited_cmd() {
    let base = Configuration { cmd: strings(&["node"]), ..Configuration::default() };
    let fields = ImageFields { entrypoint: Some(strings(&["tini"])), ..ImageFields::default() };
    let image = base.clone().with(&fields);
    assert_eq!((image.entrypoint, image.cmd), (strings(&["tini"]), vec![]));
    assert_eq!(base.clone().with(&ImageFields::default()).cmd, base.cmd);
}

#[test]
fn path_goes_before_the_inherited_one() {
    let base =
        Configuration { env: BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]), ..Configuration::default() };
    let fields = ImageFields { path: directories(&["/opt/a", "/opt/b"]), ..ImageFields::default() };
    assert_eq!(base.with(&fields).path(), "/opt/a:/opt/b:/bin");
}

#[test]
fn path_said_in_env_replaces_the_inherited_one() {
    let env = |path: &str| BTreeMap::from([("PATH".to_owned(), path.to_owned())]);
    let base = Configuration { env: env("/bin"), ..Configuration::default() };
    let fields = ImageFields { env: env("/x"), path: directories(&["/first"]), ..ImageFields::default() };
    assert_eq!(base.with(&fields).path(), "/first:/x");
}

fn directories(paths: &[&str]) -> Vec<AbsolutePath> {
    paths.iter().map(|path| path.parse().expect("an absolute path")).collect()
}

#[test]
fn root_or_absent_workdir_means_app() {
    for said in [None, Some("/")] {
        let workdir = said.map(|path| path.parse().expect("an absolute path"));
        let configuration = Configuration { workdir, ..Configuration::default() };
        assert_eq!(configuration.workdir().as_str(), "/app");
    }
}

fn encoded(configuration: &Configuration) -> Vec<u8> {
    let mut e = Encoder::new("test");
    configuration.encode(&mut e);
    e.finish()
}

proptest! {
    #![proptest_config(rounds(300))]

    #[test]
    fn encoded_configuration_reads_back(configuration in configuration()) {
        let bytes = encoded(&configuration);
        let mut d = Decoder::new(&bytes, "test").expect("the domain");
        prop_assert_eq!(Configuration::decode(&mut d), Ok(configuration));
        prop_assert_eq!(d.finish(), Ok(()));
    }

    #[test]
    fn each_field_alone_is_a_difference(base in configuration(), other in configuration()) {
        let variants = with_one_field_of!(&base, &other, Configuration {
            env, user, workdir, entrypoint, cmd, expose, volumes, labels, stop_signal, healthcheck
        });
        for (field, variant) in variants {
            let differences: &[&str] = if variant == base { &[] } else { &[field] };
            prop_assert_eq!(base.differences(&variant), differences);
            prop_assert_eq!(encoded(&base) == encoded(&variant), variant == base, "{}", field);
        }
    }
}
