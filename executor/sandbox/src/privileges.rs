//! What the script's process is deprived of before it starts: signals, limits, capabilities, identity, system calls.
//!
//! Rules: no allocation; the constants are part of [`sinter_graph::SEMANTICS`].

use nix::libc;
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::error::Stage;
use crate::plan::Plan;
use crate::raw;
use crate::report::Failure;

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

const UNLIMITED: u64 = libc::RLIM64_INFINITY;

/// Resource, soft and hard limit. A program that sizes its tables by them must find the same everywhere.
const LIMITS: [(libc::__rlimit_resource_t, u64, u64); 11] = [
    (libc::RLIMIT_NOFILE, 1024, 524_288),
    (libc::RLIMIT_CORE, 0, 0),
    (libc::RLIMIT_STACK, 8 << 20, UNLIMITED),
    (libc::RLIMIT_CPU, UNLIMITED, UNLIMITED),
    (libc::RLIMIT_FSIZE, UNLIMITED, UNLIMITED),
    (libc::RLIMIT_DATA, UNLIMITED, UNLIMITED),
    (libc::RLIMIT_AS, UNLIMITED, UNLIMITED),
    (libc::RLIMIT_RSS, UNLIMITED, UNLIMITED),
    (libc::RLIMIT_NPROC, UNLIMITED, UNLIMITED),
    (libc::RLIMIT_LOCKS, UNLIMITED, UNLIMITED),
    (libc::RLIMIT_MEMLOCK, 8 << 20, 8 << 20),
];

/// Takes everything away that the script is not to have.
pub(crate) fn drop_all(plan: &Plan) -> Result<(), Failure> {
    set_limits().map_err(Failure::at(Stage::Limits))?;
    raw::fix_addresses().map_err(Failure::at(Stage::Limits))?;
    shrink_bounding_set().map_err(Failure::at(Stage::Capabilities))?;
    raw::become_user(plan.uid, plan.gid, &plan.groups).map_err(Failure::at(Stage::User))?;
    keep_capabilities(plan.uid).map_err(Failure::at(Stage::Capabilities))?;
    rustix::thread::set_no_new_privs(true).map_err(Failure::at(Stage::Filter))?;
    raw::install_filter(&plan.filter).map_err(Failure::at(Stage::Filter))
}

/// Without privilege over the machine a hard limit cannot be raised; then the script gets what there is.
fn set_limits() -> Result<(), Errno> {
    for (resource, soft, hard) in LIMITS {
        let resource = resource as i32;
        if raw::set_limit(resource, soft, hard).is_err() {
            let hard = hard.min(raw::hard_limit(resource)?);
            raw::set_limit(resource, soft.min(hard), hard)?;
        }
    }
    Ok(())
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
    rustix::thread::clear_ambient_capability_set()?;
    let kept = if uid == 0 { CAPABILITIES } else { CapabilitySet::empty() };
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets)
}
