//! Images outside of registries: OCI layouts (image-spec v1.1, `image-layout.md`), tars of them, and what `docker save`
//! writes (docker image specification v1.2, "combined image JSON + filesystem changeset format").
//!
//! Rules: a blob is found by its digest and nothing else, so no name in an index or archive leads anywhere; an archive is
//! read in place, never unpacked. Whoever takes bytes checks them. Must not know: registries, stores.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sinter_graph::digest::BlobDigest;
use sinter_graph::image_source::LocalForm;

use crate::canonical::canonical_json;
use crate::descriptor::{LayerMediaType, document};

/// No document is larger.
const LONGEST_DOCUMENT: u64 = 4 << 20;
/// The name of an image in a layout.
const NAME: &str = "org.opencontainers.image.ref.name";

/// A layout or archive that holds no such image.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what it is said to be.
    #[error("{} is no {form}: {reason}", path.display())]
    Form {
        /// The file or directory.
        path: PathBuf,
        /// What was expected.
        form: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// It holds other images.
    #[error("{} holds {found}: name one of them after another colon", path.display())]
    Name {
        /// The file or directory.
        path: PathBuf,
        /// What it holds, for people.
        found: String,
    },
}

/// The images of one layout or archive.
#[derive(Debug)]
pub struct LocalImages {
    path: PathBuf,
    form: LocalForm,
    files: Files,
}

#[derive(Debug)]
enum Files {
    Directory,
    /// Offset and length of each file by its name; and of docker's archives the names by digest.
    Archive(BTreeMap<String, (u64, u64)>),
}

/// The document of an image.
pub struct Root {
    /// Its digest.
    pub digest: BlobDigest,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl LocalImages {
    /// Opens a layout or archive.
    ///
    /// # Errors
    /// If it cannot be read, or is no archive.
    pub fn open(form: LocalForm, path: &Path) -> Result<Self, LocalError> {
        let failed = |source| LocalError::Read { path: path.to_owned(), source };
        let files = match form {
            LocalForm::OciDirectory => {
                std::fs::metadata(path.join("index.json")).map_err(failed)?;
                Files::Directory
            }
            LocalForm::OciArchive | LocalForm::DockerArchive => {
                let file = File::open(path).map_err(failed)?;
                Files::Archive(listed(&file).map_err(failed)?)
            }
        };
        Ok(Self { path: path.to_owned(), form, files })
    }

    /// The document of the image of a name, or of the only image.
    ///
    /// # Errors
    /// If there is no such image, or no telling which.
    pub fn root(&self, name: Option<&str>) -> Result<Root, LocalError> {
        match self.form {
            LocalForm::OciDirectory | LocalForm::OciArchive => self.of_layout(name),
            LocalForm::DockerArchive => self.of_docker(name),
        }
    }

    fn of_layout(&self, name: Option<&str>) -> Result<Root, LocalError> {
        let index: Value = self.json("index.json")?;
        let entries = index["manifests"].as_array().map(Vec::as_slice).unwrap_or_default();
        let named = |entry: &&Value| name.is_none_or(|name| entry["annotations"][NAME].as_str() == Some(name));
        let fitting: Vec<&Value> = entries.iter().filter(named).collect();
        let [entry] = fitting[..] else {
            let names = entries.iter().filter_map(|entry| entry["annotations"][NAME].as_str());
            return Err(self.names(names.map(str::to_owned).collect(), entries.len()));
        };
        let digest: Option<BlobDigest> = entry["digest"].as_str().and_then(|text| text.parse().ok());
        let digest = digest.ok_or_else(|| self.form("its index names something odd".to_owned()))?;
        let blob = self.blob(&digest)?.ok_or_else(|| self.form(format!("it lacks {digest}, which its index names")))?;
        Ok(Root { digest, bytes: self.whole(blob)? })
    }

    /// Makes the manifest that such an archive lacks.
    fn of_docker(&self, name: Option<&str>) -> Result<Root, LocalError> {
        let listed: Value = self.json("manifest.json")?;
        let images = listed.as_array().map(Vec::as_slice).unwrap_or_default();
        let tags = |image: &Value| -> Vec<String> {
            image["RepoTags"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|tag| tag.as_str().map(str::to_owned))
                .collect()
        };
        let fitting: Vec<&Value> =
            images.iter().filter(|image| name.is_none_or(|name| tags(image).iter().any(|tag| tag == name))).collect();
        let [image] = fitting[..] else {
            return Err(self.names(images.iter().flat_map(tags).collect(), images.len()));
        };
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| self.form("odd names".to_owned()));
        let (config_digest, config_size) = self.hashed(&text(&image["Config"])?)?;
        let layers = image["Layers"].as_array().map(Vec::as_slice).unwrap_or_default().iter().map(|layer| {
            let name = text(layer)?;
            let (digest, size) = self.hashed(&name)?;
            let gzip = self.starts_with(&name, &[0x1f, 0x8b])?;
            let media_type = if gzip { LayerMediaType::DockerTarGzip } else { LayerMediaType::DockerTar };
            Ok(document(media_type.as_str(), digest, size))
        });
        let manifest = canonical_json(&json!({
            "config": document("application/vnd.docker.container.image.v1+json", config_digest, config_size),
            "layers": layers.collect::<Result<Vec<_>, LocalError>>()?,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "schemaVersion": 2,
        }));
        Ok(Root { digest: BlobDigest::of(&manifest), bytes: manifest })
    }

    /// The bytes of a blob, unchecked; `None` if it is not there.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn blob(&self, digest: &BlobDigest) -> Result<Option<Box<dyn Read + Send>>, LocalError> {
        if self.form != LocalForm::DockerArchive {
            return self.file(&format!("blobs/sha256/{}", digest.hex()));
        }
        let Files::Archive(entries) = &self.files else { return Ok(None) };
        for name in entries.keys() {
            if self.hashed(name)?.0 == *digest {
                return self.file(name);
            }
        }
        Ok(None)
    }

    fn file(&self, name: &str) -> Result<Option<Box<dyn Read + Send>>, LocalError> {
        let failed = |source| LocalError::Read { path: self.path.clone(), source };
        match &self.files {
            Files::Directory => match File::open(self.path.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                opened => Ok(Some(Box::new(opened.map_err(failed)?))),
            },
            Files::Archive(entries) => {
                let Some(&(offset, size)) = entries.get(name) else { return Ok(None) };
                let mut file = File::open(&self.path).map_err(failed)?;
                file.seek(SeekFrom::Start(offset)).map_err(failed)?;
                Ok(Some(Box::new(file.take(size))))
            }
        }
    }

    fn json(&self, name: &str) -> Result<Value, LocalError> {
        let file = self.file(name)?.ok_or_else(|| self.form(format!("it has no {name}")))?;
        serde_json::from_slice(&self.whole(file)?).map_err(|error| self.form(format!("{name}: {error}")))
    }

    fn whole(&self, reader: impl Read) -> Result<Vec<u8>, LocalError> {
        let mut bytes = Vec::new();
        let read = reader.take(LONGEST_DOCUMENT + 1).read_to_end(&mut bytes);
        read.map_err(|source| LocalError::Read { path: self.path.clone(), source })?;
        if bytes.len() as u64 > LONGEST_DOCUMENT {
            return Err(self.form("a document in it is larger than any of an image".to_owned()));
        }
        Ok(bytes)
    }

    fn hashed(&self, name: &str) -> Result<(BlobDigest, u64), LocalError> {
        let mut file = self.file(name)?.ok_or_else(|| self.form(format!("it lacks `{}`", name.escape_debug())))?;
        let (mut hasher, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 128 * 1024]);
        loop {
            let count =
                file.read(&mut buffer).map_err(|source| LocalError::Read { path: self.path.clone(), source })?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            size += count as u64;
        }
        Ok((BlobDigest::from_bytes(hasher.finalize().into()), size))
    }

    fn starts_with(&self, name: &str, magic: &[u8]) -> Result<bool, LocalError> {
        let mut start = vec![0; magic.len()];
        let file = self.file(name)?;
        Ok(file.is_some_and(|mut file| file.read_exact(&mut start).is_ok() && start == magic))
    }

    fn form(&self, reason: String) -> LocalError {
        let form = match self.form {
            LocalForm::OciDirectory => "OCI layout",
            LocalForm::OciArchive => "archive of an OCI layout",
            LocalForm::DockerArchive => "archive of `docker save`",
        };
        LocalError::Form { path: self.path.clone(), form, reason }
    }

    fn names(&self, names: Vec<String>, count: usize) -> LocalError {
        let found = match (count, names.is_empty()) {
            (0, _) => "no image".to_owned(),
            (count, true) => format!("{count} images without names"),
            (_, false) => names.join(", "),
        };
        LocalError::Name { path: self.path.clone(), found }
    }
}

/// The regular files of an archive, each with its place. A link to one is another name of it.
fn listed(file: &File) -> io::Result<BTreeMap<String, (u64, u64)>> {
    let mut archive = tar::Archive::new(file);
    let (mut files, mut links) = (BTreeMap::new(), Vec::new());
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_owned();
        match entry.header().entry_type() {
            tar::EntryType::Regular => drop(files.insert(name, (entry.raw_file_position(), entry.size()))),
            tar::EntryType::Symlink | tar::EntryType::Link => {
                let target = entry.link_name_bytes().map(|name| String::from_utf8_lossy(&name).into_owned());
                links.extend(target.map(|target| (name, target)));
            }
            _ => {}
        }
    }
    for (name, target) in links {
        // docker names what layers share by `../ID/layer.tar`.
        let target = target.trim_start_matches("../");
        if let Some(&place) = files.get(target) {
            files.insert(name, place);
        }
    }
    Ok(files)
}
