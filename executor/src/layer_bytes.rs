//! The bytes of a layer's blob, for who sends them: our own are made of files as they go, those of pulled images are kept,
//! or fetched.

use std::io::{self, Read, Seek as _, SeekFrom};
use std::thread::JoinHandle;

use sinter_graph::digest::{BlobDigest, LayerDigest};
use sinter_oci::registry::BlobSource;
use sinter_store::{Store, StoreError};

use crate::context::Context;

/// The blob of a layer.
pub(crate) struct LayerBytes<'a> {
    pub(crate) context: &'a Context,
    pub(crate) blob: BlobDigest,
}

impl BlobSource for LayerBytes<'_> {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>> {
        let store = &self.context.store;
        let own = LayerDigest::from_bytes(*self.blob.as_bytes());
        if store.knows_layer(&own).map_err(io::Error::other)? {
            let mut piped = Piped::start(store.clone(), own)?;
            io::copy(&mut (&mut piped).take(offset), &mut io::sink())?;
            return Ok(Box::new(piped));
        }
        self.context.fetch_blob(&self.blob).map_err(io::Error::other)?;
        let mut blob = store.verified_blob(&self.blob).map_err(io::Error::other)?;
        blob.seek(SeekFrom::Start(offset))?;
        Ok(Box::new(blob))
    }
}

/// A layer that is written by a thread and read here.
struct Piped {
    reader: io::PipeReader,
    writing: Option<JoinHandle<Result<(), StoreError>>>,
}

impl Piped {
    fn start(store: Store, layer: LayerDigest) -> io::Result<Self> {
        let (reader, mut writer) = io::pipe()?;
        let name = "layer-writer".to_owned();
        let writing = std::thread::Builder::new().name(name).spawn(move || store.write_layer(&layer, &mut writer))?;
        Ok(Self { reader, writing: Some(writing) })
    }
}

impl Read for Piped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        if count == 0
            && !buffer.is_empty()
            && let Some(writing) = self.writing.take()
        {
            // The end is one only if every byte was right.
            let written = writing.join().map_err(|_| io::Error::other("the writing thread panicked"))?;
            written.map_err(io::Error::other)?;
        }
        Ok(count)
    }
}
