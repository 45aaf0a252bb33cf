//! Schemas that the nodes of this host leave for each other beside their entries.

use crate::error::Error;
use crate::registry::Registry;
use crate::schema::{Schema, SchemaId};

/// Leaves a schema for others.
pub(crate) fn keep(registry: &Registry, schema: &Schema) -> Result<(), Error> {
    Ok(registry.put_schema(&schema.id().to_string(), schema.descriptor_set())?)
}

/// Returns a schema by its id, if somebody has left it.
pub(crate) fn find(registry: &Registry, type_name: &str, id: &SchemaId) -> Result<Option<Schema>, Error> {
    let Some(bytes) = registry.schema(&id.to_string())? else { return Ok(None) };
    // The store is shared: what stands there under a name need not be it.
    Ok(Some(Schema::new(type_name, &bytes)?).filter(|schema| schema.id() == *id))
}
