//! What only the nodes of this process know of each other: publishers and services that are [`Reach::Process`].
//!
//! [`Reach::Process`]: crate::qos::Reach::Process

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use crate::node::{Command, NodeCore};
use crate::record::NodeRecord;
use crate::schema::{Schema, SchemaId};

/// The nodes of one process.
struct Process {
    id: u32,
    nodes: Mutex<Vec<Near>>,
    /// A fork's child has nodes of its own: what stands here is its parent's, and somebody who is not there may hold the lock.
    child: OnceLock<Box<Self>>,
}

static FIRST: OnceLock<Process> = OnceLock::new();

/// A node, with what it keeps within the process.
struct Near {
    /// The directory of its registry: nodes see only those with the same one.
    place: PathBuf,
    node: Weak<NodeCore>,
    record: NodeRecord,
    schemas: HashMap<SchemaId, Schema>,
}

impl Process {
    fn new(id: u32) -> Self {
        Self { id, nodes: Mutex::new(Vec::new()), child: OnceLock::new() }
    }
}

fn nodes() -> MutexGuard<'static, Vec<Near>> {
    let own = std::process::id();
    let mut process = FIRST.get_or_init(|| Process::new(own));
    while process.id != own {
        process = process.child.get_or_init(|| Box::new(Process::new(own)));
    }
    process.nodes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A node is there, and is told of the others from here on. `record`: what it says of itself.
pub(crate) fn enter(node: &Arc<NodeCore>, record: NodeRecord) {
    let place = node.registry.path().to_owned();
    nodes().push(Near { place, node: Arc::downgrade(node), record, schemas: HashMap::new() });
}

/// A node goes.
pub(crate) fn leave(node: &NodeCore) {
    let mut nodes = nodes();
    nodes.retain(|near| !std::ptr::eq(near.node.as_ptr(), node) && near.node.strong_count() > 0);
    tell(nodes, node.registry.path());
}

/// Changes what a node keeps within the process, and tells all of its place.
pub(crate) fn change(node: &NodeCore, change: impl FnOnce(&mut NodeRecord)) {
    let mut nodes = nodes();
    if let Some(near) = nodes.iter_mut().find(|near| std::ptr::eq(near.node.as_ptr(), node)) {
        change(&mut near.record);
        tell(nodes, node.registry.path());
    }
}

fn tell(nodes: MutexGuard<'_, Vec<Near>>, place: &Path) {
    let there: Vec<Arc<NodeCore>> =
        nodes.iter().filter(|near| near.place == place).filter_map(|near| near.node.upgrade()).collect();
    // Whoever holds a node last lets it go, and that not under the lock.
    drop(nodes);
    there.iter().for_each(|node| node.submit(Command::Near));
}

/// What the nodes of a place keep within the process.
pub(crate) fn records(place: &Path) -> Vec<NodeRecord> {
    let has_any = |record: &NodeRecord| !record.publishers.is_empty() || !record.services.is_empty();
    let nodes = nodes();
    let there = nodes.iter().filter(|near| near.place == place && has_any(&near.record));
    there.map(|near| near.record.clone()).collect()
}

/// Keeps a schema for the nodes of this place in this process.
pub(crate) fn keep_schema(node: &NodeCore, schema: &Schema) {
    if let Some(near) = nodes().iter_mut().find(|near| std::ptr::eq(near.node.as_ptr(), node)) {
        near.schemas.insert(schema.id(), schema.clone());
    }
}

/// Returns a schema that a node of this place has kept.
pub(crate) fn schema(place: &Path, id: &SchemaId) -> Option<Schema> {
    let nodes = nodes();
    nodes.iter().filter(|near| near.place == place).find_map(|near| near.schemas.get(id).cloned())
}
