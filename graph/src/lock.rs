//! The format of `sinter.lock`.
