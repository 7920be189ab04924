//! Memory straight from the kernel, for children that must not allocate: no lock of the parent's allocator is touched.

use std::ffi::{CStr, c_char};
use std::marker::PhantomData;

use nix::libc;
use rustix::io::Errno;

use super::last_errno;

/// Zeroed bytes that nobody else has; they stay until the process ends.
pub(crate) fn memory(length: usize) -> Result<&'static mut [u8], Errno> {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: asks for new pages; a length of zero is refused by the kernel, so it is made one.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), length.max(1), access, kind, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(last_errno());
    }
    // SAFETY: the kernel gave that many readable, writable, zeroed bytes, and nobody else knows their address.
    Ok(unsafe { std::slice::from_raw_parts_mut(start.cast(), length) })
}

/// The null-terminated array of pointers to strings that `execve` wants.
pub(crate) struct StringArray<'a> {
    pointers: *const *const c_char,
    strings: PhantomData<&'a CStr>,
}

impl<'a> StringArray<'a> {
    pub(crate) fn new(strings: impl Iterator<Item = &'a CStr> + Clone) -> Result<Self, Errno> {
        let bytes = memory((strings.clone().count() + 1) * size_of::<*const c_char>())?;
        let (slots, _) = bytes.as_chunks_mut::<{ size_of::<usize>() }>();
        for (slot, string) in slots.iter_mut().zip(strings) {
            *slot = (string.as_ptr() as usize).to_ne_bytes();
        }
        // The memory was zero, so the last pointer is null. Pages are aligned for anything.
        Ok(Self { pointers: bytes.as_ptr().cast(), strings: PhantomData })
    }

    pub(super) fn as_ptr(&self) -> *const *const c_char {
        self.pointers
    }
}
