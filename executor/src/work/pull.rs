//! Unpacking an image that somebody else made, layer by layer.

use std::io::Read;
use std::time::Instant;

use sinter_graph::SEMANTICS;
use sinter_graph::derivation::{InputId, NodeId};
use sinter_graph::digest::{BlobDigest, ContentKey, LayerDigest};
use sinter_graph::encode::Encoder;
use sinter_graph::marks::Marks;
use sinter_graph::stack::Stack;
use sinter_graph::tree::{LayerIndex, Tree};
use sinter_oci::LayerDescriptor;
use sinter_store::{Foreign, Origin, Store, StoreError};

use crate::context::Context;
use crate::error::BuildError;
use crate::events::{Event, Work};
use crate::images::{ImageError, Pulled};
use crate::record::{ContentRecord, Outcome};
use crate::work::beside::read_beside;

/// So many times its own length a blob may unpack to; gzip cannot do more than about a thousand.
const MOST_EXPANSION: u64 = 2_000;
/// Small blobs may be any text.
const SMALL: u64 = 64 << 20;

/// Makes the layers of a pulled image.
pub(crate) fn pull(context: &Context, id: NodeId, input: InputId) -> Result<Outcome, BuildError> {
    let started = Instant::now();
    let name = context.name(id);
    context.listener.on(Event::Started { node: id, name: name.clone(), work: Work::Pull });
    let stack = unpack(context, input)?;
    let sizes = stack.layers().into_iter().map(|layer| context.store.layer_size(&layer));
    let bytes = sizes.sum::<Result<u64, StoreError>>()?;
    let (elapsed, layer_bytes) = (started.elapsed(), Some(bytes));
    context.listener.on(Event::Finished { node: id, name, work: Work::Pull, elapsed, layer_bytes });
    Ok(Outcome { stack: stack.digest(), image: None, marks: Marks::NONE })
}

/// Unpacks what is missing of a pulled image; gives all of it.
///
/// # Errors
/// If it cannot be had or unpacked.
pub(crate) fn unpack(context: &Context, input: InputId) -> Result<Stack, BuildError> {
    let pulled = context.pins.pulled(input);
    let mut below = Below { stack: Stack::empty(), layers: Vec::new(), tree: Tree::new(), stacked: 0 };
    for (layer, chain) in pulled.image.layers.iter().zip(pulled.image.chains()) {
        if let Some(made) = layer_of(context, input, pulled, layer, &chain, &mut below)? {
            below.push(made);
            context.records.keep_stack(&below.stack)?;
        }
    }
    Ok(below.stack)
}

/// Makes sure that those of `layers` are here which are known from elsewhere and come from a pulled image: nobody but us can
/// make them. Asks about the layers of pulled images only, however many there are of others, and about each image until all
/// of it is here.
///
/// # Errors
/// If an image cannot be had.
pub(crate) fn unpack_again(context: &Context, layers: &[LayerDigest]) -> Result<(), BuildError> {
    for input in context.pins.pulled_inputs() {
        if context.is_unpacked(input) {
            continue;
        }
        let Some(known) = unpacked(context, context.pins.pulled(input))? else { continue };
        let mut missing = Vec::new();
        for layer in known {
            if !context.store.has_layer(&layer)? {
                missing.push(layer);
            }
        }
        if missing.is_empty() {
            context.set_unpacked(input);
        } else if missing.iter().any(|layer| layers.contains(layer)) {
            unpack(context, input)?;
        }
    }
    Ok(())
}

/// The layers made so far, and what they show as far as that was asked for.
struct Below {
    stack: Stack,
    layers: Vec<LayerDigest>,
    tree: Tree,
    /// How many of the layers the tree shows.
    stacked: usize,
}

impl Below {
    fn push(&mut self, layer: LayerDigest) {
        self.stack = self.stack.with(layer);
        self.layers.push(layer);
    }

    /// Stacks what is not in the tree yet: nothing twice, however many layers there are, and nothing at all if every layer
    /// is known.
    fn bring_up(&mut self, store: &Store) -> Result<(), StoreError> {
        for index in self.stacked..self.layers.len() {
            let manifest = store.manifest(&self.layers[index])?;
            self.tree = std::mem::take(&mut self.tree).extended(LayerIndex(index), &manifest);
            self.stacked = index + 1;
        }
        Ok(())
    }
}

/// What the layers of a pulled image were unpacked to, the bottom one first; `None` if that is not known for all of them.
///
/// # Errors
/// If records cannot be read.
pub(crate) fn unpacked(context: &Context, pulled: &Pulled) -> Result<Option<Vec<LayerDigest>>, BuildError> {
    let records = chain_records(context, pulled)?;
    Ok(records.map(|records| records.into_iter().filter_map(|(_, layer)| layer).collect()))
}

/// The key of each layer's chain, and what the layer came to.
pub(crate) type ChainRecords = Vec<(ContentKey, Option<LayerDigest>)>;

/// What each layer of a pulled image came to, under the key of its chain; `None` if that is not known for all of them.
///
/// # Errors
/// If records cannot be read.
pub(crate) fn chain_records(context: &Context, pulled: &Pulled) -> Result<Option<ChainRecords>, BuildError> {
    let records = pulled.image.chains().into_iter().map(|chain| {
        let key = key(&chain);
        Ok(context.records.content(&key)?.map(|record| (key, record.layer)))
    });
    records.collect()
}

fn layer_of(
    context: &Context,
    input: InputId,
    pulled: &Pulled,
    layer: &LayerDescriptor,
    chain: &BlobDigest,
    below: &mut Below,
) -> Result<Option<LayerDigest>, BuildError> {
    let key = key(chain);
    if let Some(record) = context.records.content(&key)?
        && record.layer.map_or(Ok(true), |layer| context.store.has_layer(&layer))?
    {
        return Ok(record.layer);
    }
    let failed =
        |source| BuildError::Image { input: context.graph.input(input).name.clone(), source: Box::new(source) };
    // All that is missing comes at once; what follows finds it in the store.
    let fetched = context.with_images(|images| images.fetch(&pulled.source, &pulled.image.layers));
    fetched.map_err(failed)?;
    let blob = context.store.open_blob(&layer.blob)?.ok_or(StoreError::MissingBlob { digest: layer.blob })?;
    below.bring_up(&context.store)?;
    let compression = layer.media_type.compression();
    let unpack = |tar: &mut dyn Read| {
        context.store.unpack_foreign(Foreign {
            below: &below.layers,
            tree: &below.tree,
            tar,
            diff_id: layer.diff_id,
            limit: layer.size.saturating_mul(MOST_EXPANSION).max(SMALL),
            origin: Origin::Foreign {
                media_type: layer.media_type.to_string(),
                blob: layer.blob,
                blob_size: layer.size,
                chain: *chain,
            },
        })
    };
    let made = read_beside(move || compression.reader(blob), unpack);
    let made = match made {
        Err(error @ StoreError::Foreign { .. }) => {
            // A damaged copy is not kept: the next build fetches another.
            context.store.withdraw_blob(&layer.blob)?;
            return Err(failed(ImageError::Store(error)));
        }
        made => made?,
    };
    context
        .records
        .put_content(&key, &ContentRecord { layer: made, from: below.stack.digest(), marks: Marks::NONE })?;
    Ok(made)
}

/// What a layer of others comes to is named by its chain, and by what a layer is.
fn key(chain: &BlobDigest) -> ContentKey {
    let mut e = Encoder::new("foreign-layer");
    e.field("semantics").integer(u64::from(SEMANTICS));
    e.field("chain").bytes(chain.as_bytes());
    ContentKey::from_bytes(e.hash())
}
