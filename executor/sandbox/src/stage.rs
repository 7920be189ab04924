//! The parts of setting a sandbox up, by which a child says where it failed.

use std::fmt;

/// A part of setting a sandbox up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Making pipes and reading what the machine offers.
    Prepare,
    /// Making the first process a session of its own that dies with its parent.
    Session,
    /// Becoming root of the new user namespace.
    Identity,
    /// Detaching the mounts from the machine's.
    Private,
    /// Opening the directories of the job.
    Directory,
    /// Mounting the overlay.
    Overlay,
    /// Entering the new root.
    Pivot,
    /// Checking what is mounted on.
    MountPoint,
    /// Mounting `/proc`.
    Proc,
    /// Hiding the parts of `/proc` that belong to the machine.
    Mask,
    /// Making `/dev`.
    Devices,
    /// Mounting `/tmp`, `/sys` and `/sinter`.
    Temporary,
    /// Leaving the machine's root.
    Detach,
    /// Setting the host name.
    HostName,
    /// Bringing the loopback interface up.
    Loopback,
    /// Writing the script.
    Script,
    /// Starting the script's process.
    Fork,
    /// Watching the script's process.
    Watch,
    /// Making what is inherited constant.
    Surroundings,
    /// Entering the working directory.
    Workdir,
    /// Dropping capabilities.
    Capabilities,
    /// Becoming the step's user.
    User,
    /// Installing the system call filter.
    Filter,
    /// Starting the interpreter, which was found.
    Execute,
    /// Looking for the interpreter.
    Interpreter,
    /// Waiting for the job.
    Orders,
}

impl Stage {
    const ALL: [(Self, &'static str); 26] = [
        (Self::Prepare, "preparing"),
        (Self::Session, "starting the first process"),
        (Self::Identity, "becoming root of the user namespace"),
        (Self::Private, "detaching the mounts"),
        (Self::Directory, "opening a directory"),
        (Self::Overlay, "mounting the overlay"),
        (Self::Pivot, "entering the new root"),
        (Self::MountPoint, "checking the mount points"),
        (Self::Proc, "mounting /proc"),
        (Self::Mask, "hiding the machine's part of /proc"),
        (Self::Devices, "making /dev"),
        (Self::Temporary, "mounting /tmp, /sys and /sinter"),
        (Self::Detach, "leaving the machine's root"),
        (Self::HostName, "setting the host name"),
        (Self::Loopback, "bringing the loopback interface up"),
        (Self::Script, "writing the script"),
        (Self::Fork, "starting the script's process"),
        (Self::Watch, "watching the script's process"),
        (Self::Surroundings, "making its surroundings constant"),
        (Self::Workdir, "entering the working directory"),
        (Self::Capabilities, "dropping capabilities"),
        (Self::User, "becoming the step's user"),
        (Self::Filter, "installing the system call filter"),
        (Self::Execute, "starting the interpreter"),
        (Self::Interpreter, "looking for the interpreter"),
        (Self::Orders, "waiting for the job"),
    ];

    /// The stage with this number, as [`Stage::number`] gives it.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().map(|(stage, _)| stage).find(|stage| stage.number() == number)
    }

    pub(crate) fn number(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Self::ALL.into_iter().find(|(stage, _)| stage == self).map_or(Ok(()), |(_, text)| f.write_str(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_survives_its_number() {
        for (index, (stage, text)) in Stage::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(stage.number()), index, "{stage:?} is out of order");
            assert_eq!(Stage::from_number(stage.number()), Some(stage));
            assert_eq!(stage.to_string(), text);
        }
        assert_eq!(Stage::from_number(Stage::ALL.len() as u8), None);
    }
}
