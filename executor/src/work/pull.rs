//! Unpacking an image that somebody else made, layer by layer.

use std::time::Instant;

use sinter_graph::SEMANTICS;
use sinter_graph::derivation::{InputId, NodeId};
use sinter_graph::digest::{BlobDigest, ContentKey, LayerDigest};
use sinter_graph::encode::Encoder;
use sinter_graph::marks::Marks;
use sinter_graph::stack::Stack;
use sinter_oci::LayerDescriptor;
use sinter_store::{Foreign, Origin, StoreError};

use crate::context::Context;
use crate::error::BuildError;
use crate::events::{Event, Work};
use crate::images::{ImageError, Pulled};
use crate::record::{ContentRecord, Outcome};

/// So many times its own length a blob may unpack to; gzip cannot do more than about a thousand.
const MOST_EXPANSION: u64 = 2_000;
/// Small blobs may be any text.
const SMALL: u64 = 64 << 20;

/// Makes the layers of a pulled image.
pub(crate) fn pull(context: &Context, id: NodeId, input: InputId) -> Result<Outcome, BuildError> {
    let started = Instant::now();
    let pulled = context.pins.pulled(input);
    let name = context.name(id);
    context.listener.on(Event::Started { node: id, name: name.clone(), work: Work::Pull });
    let mut stack = Stack::empty();
    let mut bytes = 0;
    for (layer, chain) in pulled.image.layers.iter().zip(pulled.image.chains()) {
        if let Some(made) = layer_of(context, input, pulled, layer, &chain, &stack)? {
            bytes += context.store.layer_size(&made)?;
            stack = stack.with(made);
            context.records.keep_stack(&stack)?;
        }
    }
    let (elapsed, layer_bytes) = (started.elapsed(), Some(bytes));
    context.listener.on(Event::Finished { node: id, name, work: Work::Pull, elapsed, layer_bytes });
    Ok(Outcome { stack: stack.digest(), image: None, marks: Marks::NONE })
}

/// What the layers of a pulled image were unpacked to, the bottom one first; `None` if that is not known for all of them.
///
/// # Errors
/// If records cannot be read.
pub(crate) fn unpacked(context: &Context, pulled: &Pulled) -> Result<Option<Vec<LayerDigest>>, BuildError> {
    let mut layers = Vec::new();
    for chain in pulled.image.chains() {
        let Some(record) = context.records.content(&key(&chain))? else { return Ok(None) };
        layers.extend(record.layer);
    }
    Ok(Some(layers))
}

fn layer_of(
    context: &Context,
    input: InputId,
    pulled: &Pulled,
    layer: &LayerDescriptor,
    chain: &BlobDigest,
    stack: &Stack,
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
    let opened = layer.media_type.compression().reader(blob);
    let mut tar =
        opened.map_err(|error| failed(sinter_graph::FsError::new(context.store.root(), "read", error).into()))?;
    let made = context.store.unpack_foreign(Foreign {
        below: &stack.layers(),
        tar: &mut tar,
        diff_id: layer.diff_id,
        limit: layer.size.saturating_mul(MOST_EXPANSION).max(SMALL),
        origin: Origin::Foreign {
            media_type: layer.media_type.to_string(),
            blob: layer.blob,
            blob_size: layer.size,
            chain: *chain,
        },
    });
    let made = match made {
        Err(error @ StoreError::Foreign { .. }) => {
            // A damaged copy is not kept: the next build fetches another.
            context.store.withdraw_blob(&layer.blob)?;
            return Err(failed(ImageError::Store(error)));
        }
        made => made?,
    };
    context.records.put_content(&key, &ContentRecord { layer: made, from: stack.digest(), marks: Marks::NONE })?;
    Ok(made)
}

/// What a layer of others comes to is named by its chain, and by what a layer is.
fn key(chain: &BlobDigest) -> ContentKey {
    let mut e = Encoder::new("foreign-layer");
    e.field("semantics").integer(u64::from(SEMANTICS));
    e.field("chain").bytes(chain.as_bytes());
    ContentKey::from_bytes(e.hash())
}
