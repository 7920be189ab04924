//! Layers as manifests name them (OCI image-spec v1.1, `descriptor.md`, `layer.md`; docker image manifest v2, schema 2).

use std::fmt;
use std::io::{self, BufReader, Read};
use std::str::FromStr;

use serde_json::{Value, json};
use sinter_graph::digest::{BlobDigest, LayerDigest};

/// How much of a blob is read at once.
const BUFFER: usize = 128 * 1024;

/// A layer of an image. Ours are uncompressed, so their blob and their content have one digest; those of a pulled image
/// stay what they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerDescriptor {
    /// The media type of the blob.
    pub media_type: LayerMediaType,
    /// SHA-256 of the blob.
    pub blob: BlobDigest,
    /// Length of the blob in bytes.
    pub size: u64,
    /// SHA-256 of the uncompressed tar in it, which the configuration lists (`config.md`, `rootfs`).
    pub diff_id: BlobDigest,
}

impl LayerDescriptor {
    /// A layer that sinter made: its canonical tar of `size` bytes.
    #[must_use]
    pub fn uncompressed(layer: LayerDigest, size: u64) -> Self {
        let digest = BlobDigest::from(layer);
        Self { media_type: LayerMediaType::Tar, blob: digest, size, diff_id: digest }
    }

    pub(crate) fn document(&self) -> Value {
        document(self.media_type.as_str(), self.blob, self.size)
    }
}

/// A content descriptor (`descriptor.md`).
pub(crate) fn document(media_type: &str, digest: BlobDigest, size: u64) -> Value {
    json!({ "digest": digest.to_string(), "mediaType": media_type, "size": size })
}

macro_rules! layer_media_types {
    ($($(#[$meaning:meta])* $name:ident = $text:literal, $compression:ident;)*) => {
        /// What a layer's blob is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum LayerMediaType {
            $($(#[$meaning])* $name,)*
        }

        impl LayerMediaType {
            /// Every media type that a layer may have.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As documents spell it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// How the tar in it is compressed.
            #[must_use]
            pub const fn compression(self) -> Compression {
                match self { $(Self::$name => Compression::$compression,)* }
            }
        }
    };
}

layer_media_types! {
    /// OCI, uncompressed.
    Tar = "application/vnd.oci.image.layer.v1.tar", None;
    /// OCI, gzip.
    TarGzip = "application/vnd.oci.image.layer.v1.tar+gzip", Gzip;
    /// OCI, zstd; also zstd:chunked, whose additions are frames that are skipped.
    TarZstd = "application/vnd.oci.image.layer.v1.tar+zstd", Zstd;
    /// docker, uncompressed.
    DockerTar = "application/vnd.docker.image.rootfs.diff.tar", None;
    /// docker, gzip.
    DockerTarGzip = "application/vnd.docker.image.rootfs.diff.tar.gzip", Gzip;
    /// docker, zstd.
    DockerTarZstd = "application/vnd.docker.image.rootfs.diff.tar.zstd", Zstd;
}

impl LayerMediaType {
    /// What OCI calls the same bytes: a manifest of OCI with docker's names in it is refused by strict readers.
    #[must_use]
    pub const fn oci(self) -> Self {
        match self.compression() {
            Compression::None => Self::Tar,
            Compression::Gzip => Self::TarGzip,
            Compression::Zstd => Self::TarZstd,
        }
    }
}

/// How a blob is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// What `blob` holds, decompressed as it is read. Several members or frames are one content.
    ///
    /// # Errors
    /// If the decompressor cannot be made.
    pub fn reader<'a>(self, blob: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::None => Box::new(blob),
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(BufReader::with_capacity(BUFFER, blob))),
            Self::Zstd => Box::new(zstd::stream::read::Decoder::new(blob)?),
        })
    }
}

/// A text that is no media type of a layer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no layer that this program can read")]
pub struct UnknownLayer(pub String);

impl FromStr for LayerMediaType {
    type Err = UnknownLayer;

    fn from_str(text: &str) -> Result<Self, UnknownLayer> {
        Self::ALL.iter().copied().find(|known| known.as_str() == text).ok_or_else(|| UnknownLayer(text.to_owned()))
    }
}

impl fmt::Display for LayerMediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_read_as_they_are_written() {
        for known in LayerMediaType::ALL {
            assert_eq!(known.as_str().parse(), Ok(*known));
        }
        let helm = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
        assert_eq!(helm.parse::<LayerMediaType>(), Err(UnknownLayer(helm.to_owned())));
    }
}
