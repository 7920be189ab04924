//! Reading files that a stack of layers shows.

use sinter_graph::digest::ContentHash;
use sinter_graph::path::TreePath;
use sinter_graph::stack::Stack;
use sinter_graph::tree::{Kind, Tree};
use sinter_store::StoreError;

use crate::context::Context;
use crate::error::BuildError;
use crate::users::{Identity, identity};
use crate::work::pull::unpack_again;

/// Who a user name or number means on a tree; `None` if the tree does not know it.
///
/// # Errors
/// If its user database cannot be read.
pub(crate) fn find_user(
    context: &Context,
    user: &str,
    stack: &Stack,
    tree: &Tree,
) -> Result<Option<Identity>, BuildError> {
    let text = |path| -> Result<String, BuildError> {
        let bytes = read_file(context, stack, tree, path)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    Ok(identity(user, &text("etc/passwd")?, &text("etc/group")?))
}

/// The bytes of a file as a stack shows it, links followed; `None` if there is no such file.
///
/// # Errors
/// If its layer is gone or damaged: the build starts over without it.
pub(crate) fn read_file(
    context: &Context,
    stack: &Stack,
    tree: &Tree,
    path: &str,
) -> Result<Option<Vec<u8>>, BuildError> {
    let path = TreePath::normalized(path).ok().and_then(|path| tree.resolve(&path));
    let Some(shown) = path.as_ref().and_then(|path| tree.get(path)) else { return Ok(None) };
    let Kind::File { content, .. } = &shown.entry.kind else { return Ok(None) };
    let Some(layer) = stack.layers().get(shown.layer.0).copied() else { return Ok(None) };
    unpack_again(context, &[layer])?;
    let lease = context.store.ensure(&[layer])?;
    let carrier = shown.link_of.as_ref().unwrap_or(&shown.entry.path);
    let bytes = lease.directory(&layer).map(|directory| std::fs::read(directory.join(carrier.to_os_path())));
    match bytes {
        Some(Ok(bytes)) if ContentHash::of(&bytes) == *content => Ok(Some(bytes)),
        _ => {
            context.store.verify_layer(&layer)?;
            Err(StoreError::MissingLayer { digest: layer }.into())
        }
    }
}
