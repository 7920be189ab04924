//! Reads one package: its control files, and its data as entries with every file staged.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use md5::{Digest as _, Md5};
use sinter_graph::digest::ContentHash;
use sinter_graph::lock::PinnedPackage;
use sinter_graph::path::TreePath;

use super::super::ar::{Member, control_and_data};
use super::super::compression::Compression;
use super::super::control::Control;
use super::super::error::DebianError;
use super::super::placement::{Bytes, Placed, Thing};
use super::super::tape::{Tape, TapeEntry, TapeKind};
use super::write::{EPOCH_TIMES, set_owner};
use super::{ReadPackage, io_fault};

/// Entries and bytes of one package; the largest known have some hundred thousand and a few GiB.
const MAX_ENTRIES: usize = 4_000_000;
const MAX_BYTES: u64 = 64 << 30;
const MAX_PATH: usize = 4096;
const CHUNK: usize = 128 * 1024;

pub(super) fn read_package(mut deb: File, pin: &PinnedPackage, staging: &Path) -> Result<ReadPackage, DebianError> {
    let fault = |reason: String| DebianError::BadPackage { name: pin.name.clone(), reason };
    let (control_member, data_member) = control_and_data(&mut deb).map_err(fault)?;
    let control_reader = member_reader(&deb, &control_member, "control.tar").map_err(fault)?;
    let control = Control::read(control_reader, pin).map_err(fault)?;
    let data = member_reader(&deb, &data_member, "data.tar").map_err(fault)?;
    std::fs::create_dir(staging).map_err(|source| io_fault("create", staging, source))?;
    let wanted_md5 = (control.files.contains_key("md5sums")).then(|| control.conffiles().into_iter().collect());
    let mut reader = DataReader {
        name: &pin.name,
        tape: Tape::new(data),
        staging,
        entries: Vec::new(),
        md5: BTreeMap::new(),
        wanted_md5,
        bytes: 0,
        buffer: vec![0; CHUNK],
    };
    while reader.next()? {}
    Ok(ReadPackage { control, entries: reader.entries, md5: reader.md5 })
}

fn member_reader<'f>(mut deb: &'f File, member: &Member, stem: &str) -> Result<Box<dyn Read + Send + 'f>, String> {
    let compression = Compression::of_name(&member.name, stem)
        .ok_or_else(|| format!("its member `{}` is compressed in an unknown way", member.name.escape_debug()))?;
    deb.seek(SeekFrom::Start(member.offset)).map_err(|error| error.to_string())?;
    compression.reader(deb.take(member.size)).map_err(|error| error.to_string())
}

struct DataReader<'r, R> {
    name: &'r str,
    tape: Tape<R>,
    staging: &'r Path,
    entries: Vec<Placed>,
    md5: BTreeMap<TreePath, String>,
    /// The files whose MD5 the database needs; `None` means all.
    wanted_md5: Option<BTreeSet<TreePath>>,
    bytes: u64,
    buffer: Vec<u8>,
}

impl<R: Read> DataReader<'_, R> {
    fn fault(&self, reason: impl Into<String>) -> DebianError {
        DebianError::BadPackage { name: self.name.to_owned(), reason: reason.into() }
    }

    /// Reads one entry; false at the end.
    fn next(&mut self) -> Result<bool, DebianError> {
        let Some(entry) = self.tape.next_entry().map_err(|reason| self.fault(reason))? else { return Ok(false) };
        self.bytes = self.bytes.saturating_add(entry.size);
        if self.entries.len() == MAX_ENTRIES || self.bytes > MAX_BYTES {
            return Err(self.fault("it is too large"));
        }
        if entry.path.len() > MAX_PATH || entry.link.len() > MAX_PATH {
            return Err(self.fault("it has a path that is too long"));
        }
        let path = TreePath::normalized(&entry.path).map_err(|error| self.fault(error.to_string()))?;
        if path.components().any(|name| name.starts_with(b".wh.")) {
            return Err(self.fault(format!(
                "it holds `/{path}`, but names that begin with `.wh.` mean deletions in image layers; leave the package out"
            )));
        }
        let thing = self.thing(&entry, &path)?;
        let mode = if matches!(thing, Thing::Symlink { .. }) { 0o777 } else { entry.mode };
        self.entries.push(Placed { path, thing, mode, uid: entry.uid, gid: entry.gid });
        Ok(true)
    }

    fn thing(&mut self, entry: &TapeEntry, path: &TreePath) -> Result<Thing, DebianError> {
        match entry.kind {
            TapeKind::Directory => Ok(Thing::Directory),
            TapeKind::Fifo => Ok(Thing::Fifo),
            TapeKind::File => self.stage(entry, path),
            TapeKind::Device => Err(self.fault(format!("/{path} is a device, which is not supported"))),
            TapeKind::Symlink if entry.link.is_empty() || entry.link.contains(&0) => {
                Err(self.fault(format!("/{path} is a link to nothing")))
            }
            TapeKind::Symlink => Ok(Thing::Symlink { target: entry.link.clone() }),
            TapeKind::HardLink => {
                let to = TreePath::normalized(&entry.link).map_err(|error| self.fault(error.to_string()))?;
                Ok(Thing::HardLink { to })
            }
        }
    }

    /// Writes a file to the staging directory with everything but its name.
    fn stage(&mut self, entry: &TapeEntry, path: &TreePath) -> Result<Thing, DebianError> {
        let staged = self.staging.join(self.entries.len().to_string());
        let write_fault = |source| io_fault("write", &staged, source);
        let mut options = File::options();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&staged).map_err(write_fault)?;
        let mut hash = blake3::Hasher::new();
        let mut md5 = self.wanted_md5.as_ref().is_none_or(|wanted| wanted.contains(path)).then(Md5::new);
        let mut size = 0;
        loop {
            let count = self.tape.read_content(&mut self.buffer);
            let count = count.map_err(|reason| DebianError::BadPackage { name: self.name.to_owned(), reason })?;
            if count == 0 {
                break;
            }
            let chunk = &self.buffer[..count];
            hash.update(chunk);
            md5.iter_mut().for_each(|md5| md5.update(chunk));
            file.write_all(chunk).map_err(write_fault)?;
            size += count as u64;
        }
        if let Some(md5) = md5 {
            self.md5.insert(path.clone(), md5.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        // The owner first: changing it clears the set-id bits.
        set_owner(&file, entry.uid, entry.gid).map_err(write_fault)?;
        file.set_permissions(std::fs::Permissions::from_mode(entry.mode)).map_err(write_fault)?;
        rustix::fs::futimens(&file, &EPOCH_TIMES).map_err(|error| write_fault(error.into()))?;
        let content = ContentHash::from_bytes(*hash.finalize().as_bytes());
        Ok(Thing::File { size, content, bytes: Bytes::Staged(staged) })
    }
}
