//! Where a struct's schema has its members.
use serde_json::{Map, Value};

/// The members of a struct's schema; `None` for any other schema.
pub(super) fn of(definition: &mut Value) -> Option<&mut Map<String, Value>> {
    definition.get_mut("properties")?.as_object_mut()
}
