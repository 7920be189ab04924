//! Whose fault an error is. The exit code follows from it.

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// A script of the user failed: exit code 1.
    Step,
    /// The `.build` file or the command line is wrong: exit code 2.
    User,
    /// The lock does not match: exit code 3.
    Lock,
    /// Disk, kernel, network, registry, mirror: exit code 4.
    Environment,
    /// A bug in sinter: exit code 70.
    Internal,
}

impl ErrorClass {
    /// The process exit code of this class, as documented in `spec.md`.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Step => 1,
            Self::User => 2,
            Self::Lock => 3,
            Self::Environment => 4,
            Self::Internal => 70,
        }
    }
}
