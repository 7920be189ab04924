//! Scripts in real sandboxes, over a small root file system made from this machine's own shells and tools.
//!
//! These tests need root, or a user with subordinate ids; where namespaces are missing they fail, they never skip.

#![allow(unsafe_code)]

mod escapes;
mod identity;
mod lines;
mod outcomes;
mod support;
mod surroundings;
mod trees;

/// Runs before `main`, while the process has a single thread: makes an unprivileged tester root of a user namespace.
extern "C" fn become_root() {
    if let Err(error) = sinter_sandbox::enter_user_namespace() {
        eprintln!("these tests need root or subordinate ids: {error}");
        std::process::exit(1);
    }
}

// SAFETY: the C library calls the functions of this section one after the other; this one relies on nothing but it.
#[used]
#[unsafe(link_section = ".init_array")]
static BECOME_ROOT: extern "C" fn() = become_root;
