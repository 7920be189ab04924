//! Fetching and unpacking Debian packages.

use std::time::Instant;

use sinter_graph::derivation::{NodeId, Unpack};
use sinter_graph::lock::PinnedPackage;
use sinter_graph::marks::Marks;
use sinter_graph::stack::Stack;
use sinter_source::debian::{Debian, DebianError};
use sinter_store::Origin;

use crate::context::Context;
use crate::error::BuildError;
use crate::events::{Event, Work};
use crate::record::Outcome;
use crate::work::placed::{self, directory};

/// Makes one layer of the packages that `unpack` names.
pub(crate) fn unpack(context: &Context, id: NodeId, unpack: &Unpack) -> Result<Outcome, BuildError> {
    let started = Instant::now();
    let name = context.name(id);
    context.listener.on(Event::Started { node: id, name: name.clone(), work: Work::Unpack });
    let name_of_input = &context.graph.input(unpack.packages).name;
    let failed = |source| match source {
        // A package that was lost or damaged is fetched again.
        DebianError::Store(error) => error.into(),
        source => BuildError::Debian { input: Some(name_of_input.clone()), source: Box::new(source) },
    };
    let packages = context.pins.packages(unpack);
    let progress = |progress| context.listener.on(Event::Packages(progress));
    let debian = Debian::new(context.store.clone(), context.mirrors.clone(), context.offline, &progress);
    debian.fetch(&packages.iter().collect::<Vec<&PinnedPackage>>()).map_err(failed)?;
    let workspace = context.store.workspace()?;
    let directory = directory(&workspace, "tree")?;
    let manifest = debian.unpack(&packages, unpack.system, &directory).map_err(failed)?;
    let layer = placed::publish(context, &workspace, &directory, manifest, Origin::Captured)?;
    let layer_bytes = Some(context.store.layer_size(&layer)?);
    context.listener.on(Event::Finished {
        node: id,
        name,
        work: Work::Unpack,
        elapsed: started.elapsed(),
        layer_bytes,
    });
    let stack = Stack::of([layer]);
    context.records.keep_stack(&stack)?;
    Ok(Outcome { stack: stack.digest(), image: None, marks: Marks::NONE })
}
