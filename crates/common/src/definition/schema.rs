//! Schemas of inputs and outputs.
use super::json_object::JsonObject;
use super::lenient;
use crate::Payload;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The language of a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SchemaType {
    /// JSON Schema.
    #[default]
    Json,
    /// Apache Avro.
    Avro,
    /// Protocol Buffers.
    Protobuf,
}

/// A named schema of an input or output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SchemaDef {
    /// Owning application.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub owner_app: Option<String>,
    /// First registration, epoch ms.
    #[serde(deserialize_with = "lenient::integer")]
    pub create_time: i64,
    /// Last change, epoch ms.
    #[serde(deserialize_with = "lenient::integer")]
    pub update_time: i64,
    /// Who registered it.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub created_by: Option<String>,
    /// Who changed it last.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub updated_by: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub name: Option<String>,
    /// Its version.
    #[serde(deserialize_with = "lenient::integer")]
    pub version: i32,
    /// Its language.
    #[serde(rename = "type", deserialize_with = "lenient::null_as_default")]
    pub schema_type: SchemaType,
    /// The schema itself.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::optional_object"
    )]
    #[schemars(with = "Option<JsonObject>")]
    pub data: Option<Payload>,
    /// Where it is kept outside.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub external_ref: Option<String>,
}

impl Default for SchemaDef {
    fn default() -> Self {
        Self {
            owner_app: None,
            create_time: 0,
            update_time: 0,
            created_by: None,
            updated_by: None,
            name: None,
            version: 1,
            schema_type: SchemaType::Json,
            data: None,
            external_ref: None,
        }
    }
}
