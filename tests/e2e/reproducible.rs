//! The same bytes in other places, by other users, at other times.

use std::os::unix::process::CommandExt as _;

use crate::support::{Built, Place, User, c_server, run, share_packages};

/// The example in another place with another store that holds packages and no results.
fn elsewhere() -> Place {
    let (source, _) = c_server();
    let place = Place::copy_of(source);
    share_packages(&place);
    place
}

#[test]
fn other_place_store_locale_and_jobs_give_same_digest() {
    let (_, built) = c_server();
    let place = elsewhere();
    let mut command = place.program("sh", &["-c", "umask 077; exec \"$0\" build --jobs 8", crate::support::SINTER]);
    command.env("TZ", "Asia/Kathmandu").env("LC_ALL", "tr_TR.UTF-8").env("LANG", "tr_TR.UTF-8");
    let again = Built::of(&run(command));
    assert!(again.ran > 0, "nothing ran, so nothing was shown");
    assert_eq!(again.digest, built.digest);
}

#[test]
fn one_job_gives_same_digest() {
    let (_, built) = c_server();
    assert_eq!(elsewhere().build(&["--jobs", "1"]).digest, built.digest);
}

#[test]
fn unprivileged_user_gives_same_digest() {
    let (_, built) = c_server();
    let place = elsewhere();
    let user = User::with_subordinate_ids("sinter-test");
    user.owns(place.root());
    let mut command = place.command(&["build", "-o", "oci:image"]);
    command.uid(user.uid).gid(user.uid).env("USER", "sinter-test");
    let again = Built::of(&run(command));
    assert!(again.ran > 0, "nothing ran, so nothing was shown");
    assert_eq!(again.digest, built.digest);
}

#[test]
fn locked_and_offline_in_an_empty_network_gives_same_digest() {
    let (source, built) = c_server();
    let place = Place::copy_of(source).with_store(source.store());
    let sinter = crate::support::SINTER;
    let command = place.program("unshare", &["--net", sinter, "build", "--locked", "--offline"]);
    assert_eq!(Built::of(&run(command)), Built { ran: 0, ..built.clone() });
    // Not only the look-up: everything is made again from what the store holds.
    let fresh = elsewhere();
    let command = fresh.program("unshare", &["--net", sinter, "build", "--locked", "--offline"]);
    let again = Built::of(&run(command));
    assert_eq!((again.digest, again.ran > 0), (built.digest.clone(), true));
}
