//! Steps on a machine that shares no disk with the scheduler, as far as one machine can show that.
//!
//! The runner has a store of its own. What it lacks of the layers that the document names comes as bytes, by digest; the
//! trees are put together anew from their manifests; the layer that a step yields goes back as bytes. A test mode
//! (`SINTER_RUNNER=apart`), which must give the same keys and images.

use std::sync::Arc;

use sinter_graph::digest::LayerDigest;
use sinter_graph::step::StepDocument;
use sinter_graph::tree::{LayerIndex, Manifest, Tree};
use sinter_store::{Store, StoreError};

use super::{Inputs, LocalRunner, Runner, RunnerError, StepResult};

/// Runs steps over a store of its own.
#[derive(Debug)]
pub struct ApartRunner {
    local: LocalRunner,
    store: Store,
}

impl ApartRunner {
    /// A runner that keeps its own layers in `store`.
    #[must_use]
    pub const fn new(local: LocalRunner, store: Store) -> Self {
        Self { local, store }
    }

    fn tree(&self, layers: &[LayerDigest]) -> Result<Arc<Tree>, StoreError> {
        let mut tree = Tree::new();
        for (index, layer) in layers.iter().enumerate() {
            tree = tree.with(LayerIndex(index), &*self.store.manifest(layer)?);
        }
        Ok(Arc::new(tree))
    }
}

/// Brings a layer from one store into another one that lacks it, as bytes.
fn carry(layer: &LayerDigest, from: &Store, to: &Store) -> Result<(), StoreError> {
    if to.has_layer(layer)? {
        return Ok(());
    }
    transfer(layer, from, to)
}

fn transfer(layer: &LayerDigest, from: &Store, to: &Store) -> Result<(), StoreError> {
    let size = from.layer_size(layer)?;
    let (mut reader, mut writer) =
        std::io::pipe().map_err(|error| sinter_graph::FsError::new(to.root(), "fill", error))?;
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || from.write_layer(layer, &mut writer));
        let imported = to.import_layer(&mut reader, *layer, size);
        drop(reader);
        let written = writing.join().unwrap_or(Err(StoreError::MissingLayer { digest: *layer }));
        match (imported, written) {
            // The reader stops early where another step has brought the layer in the meantime.
            (Ok(()), _) => Ok(()),
            (Err(error), Ok(()) | Err(StoreError::Output { .. })) | (Err(_), Err(error)) => Err(error),
        }
    })
}

impl Runner for ApartRunner {
    fn run(
        &self,
        document: &StepDocument,
        inputs: &Inputs<'_>,
        output: &mut dyn FnMut(&[u8]),
    ) -> Result<StepResult, RunnerError> {
        let files = inputs.files.map(|(digest, _)| digest);
        document.layers.iter().chain(&files).try_for_each(|layer| carry(layer, inputs.store, &self.store))?;
        let tree = self.tree(&document.layers)?;
        let manifest: Option<Arc<Manifest>> = files.map(|digest| self.store.manifest(&digest)).transpose()?;
        let own = Inputs {
            store: &self.store,
            tree: &tree,
            files: files.zip(manifest.as_deref()),
            timeout_seconds: inputs.timeout_seconds,
        };
        let result = self.local.run(document, &own, output)?;
        result.layer.iter().try_for_each(|layer| carry(layer, &self.store, inputs.store))?;
        Ok(result)
    }

    fn stop(&self) {
        self.local.stop();
    }

    fn is_stopped(&self) -> bool {
        self.local.is_stopped()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::PermissionsExt as _;

    use sinter_graph::digest::ContentHash;
    use sinter_graph::path::TreePath;
    use sinter_graph::tree::{Entry, Kind};
    use sinter_store::{Origin, write_view};

    use super::*;

    /// More than a pipe holds, so that whoever writes it notices a reader that has gone.
    const SIZE: usize = 1 << 20;

    fn published(store: &Store) -> LayerDigest {
        let bytes = vec![7; SIZE];
        let kind = Kind::File { size: SIZE as u64, content: ContentHash::of(&bytes) };
        let manifest = Manifest::new([Entry::new(TreePath::new("file").expect("a path"), kind, 0o644)]);
        let workspace = store.workspace().expect("a workspace");
        let (file, directory) = (workspace.path().join("file"), workspace.path().join("layer"));
        std::fs::write(&file, bytes).expect("a file");
        std::fs::create_dir(&directory).expect("a directory");
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o755)).expect("a mode");
        write_view(&directory, &manifest, &|_| File::open(&file)).expect("a view");
        store.publish_layer(&directory, manifest, Origin::Captured).expect("a layer")
    }

    #[test]
    fn layers_another_step_has_brought_are_no_failure() {
        let directory = tempfile::tempdir().expect("a directory");
        let [from, to] = ["from", "to"].map(|name| Store::open(&directory.path().join(name)).expect("a store"));
        let layer = published(&from);
        for _ in 0..2 {
            transfer(&layer, &from, &to).expect("a layer that is there in the end");
        }
        to.verify_layer(&layer).expect("a whole layer");
    }
}
