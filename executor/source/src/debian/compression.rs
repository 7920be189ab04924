//! Decompression by the first bytes of a stream. Bounded: a stream that grows beyond its limit is an error.

use std::io::{self, BufReader, Read};

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Xz,
    Zstd,
}

impl Compression {
    /// By the magic numbers of RFC 1952, the xz format and RFC 8878.
    pub(super) fn of_bytes(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// By the end of a member's name (deb(5)); `None` for one that is not known.
    pub(super) fn of_name(name: &str, stem: &str) -> Option<Self> {
        match name.strip_prefix(stem)? {
            "" => Some(Self::None),
            ".gz" => Some(Self::Gzip),
            ".xz" => Some(Self::Xz),
            ".zst" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The decompressed stream.
    pub(super) fn reader<'r>(self, source: impl Read + Send + 'r) -> io::Result<Box<dyn Read + Send + 'r>> {
        const BUFFER: usize = 128 * 1024;
        /// What the decoder may use: the largest dictionary of `xz -9` needs 65 MiB.
        const MEMORY: u64 = 256 << 20;
        let source = BufReader::with_capacity(BUFFER, source);
        Ok(match self {
            Self::None => Box::new(source),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
            Self::Xz => {
                let stream = liblzma::stream::Stream::new_stream_decoder(MEMORY, liblzma::stream::CONCATENATED)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(source, stream))
            }
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(source)?;
                // 128 MiB: what `zstd --long=27` needs and dpkg accepts.
                decoder.window_log_max(27)?;
                Box::new(decoder)
            }
        })
    }
}

/// Everything a compressed buffer holds.
///
/// # Errors
/// If it is damaged or holds more than `limit` bytes.
pub(super) fn decompress(bytes: &[u8], limit: u64) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    Compression::of_bytes(bytes).reader(bytes)?.take(limit + 1).read_to_end(&mut out)?;
    if out.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it holds more than {limit} bytes")));
    }
    Ok(out)
}
