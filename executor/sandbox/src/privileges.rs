//! What the script's process is deprived of before it starts: capabilities, identity, system calls.
//!
//! Rules: no allocation; the constants are part of [`sinter_graph::SEMANTICS`].

use nix::libc;
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::orders::Orders;
use crate::raw;
use crate::report::Failure;
use crate::stage::Stage;

/// What installing packages and running tests as several users takes, all of it confined to the user namespace.
const CAPABILITIES: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::AUDIT_WRITE);

/// What programs can never get back, and what they start with. Of the first process, which starts none.
pub(crate) fn prepare() -> Result<(), Errno> {
    shrink_bounding_set()?;
    rustix::thread::clear_ambient_capability_set()
}

/// Takes everything away that the script is not to have.
pub(crate) fn drop_all(orders: &Orders<'_>, filter: &[libc::sock_filter]) -> Result<(), Failure> {
    raw::become_user(orders.uid, orders.gid, orders.groups).map_err(Failure::at(Stage::User))?;
    keep_capabilities(orders.uid).map_err(Failure::at(Stage::Capabilities))?;
    rustix::thread::set_no_new_privs(true).map_err(Failure::at(Stage::Filter))?;
    raw::install_filter(filter).map_err(Failure::at(Stage::Filter))
}

fn shrink_bounding_set() -> Result<(), Errno> {
    for number in 0..u64::BITS {
        if CAPABILITIES.bits() & (1 << number) != 0 {
            continue;
        }
        match raw::drop_bounding_capability(number) {
            // The kernel knows no more.
            Err(Errno::INVAL) => break,
            result => result?,
        }
    }
    Ok(())
}

/// Another user than root keeps none: they are gone with the change of the user.
fn keep_capabilities(uid: u32) -> Result<(), Errno> {
    let kept = if uid == 0 { CAPABILITIES } else { CapabilitySet::empty() };
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets)
}
