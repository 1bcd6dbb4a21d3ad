use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    clock::rfc3339,
    job::{ContextStatus, ContextType, ExecutionContext},
    verb::{Context, Plan},
};

/// A context as a caller reads it: S2's object.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ContextView {
    /// What a submission names it by.
    pub context_id: String,
    /// Same as `context_id`.
    pub mcp_resource_id: String,
    /// `context`.
    pub mcp_resource_type: &'static str,
    /// RFC 3339.
    pub mcp_created_at: String,
    /// RFC 3339 of the last change.
    pub mcp_updated_at: String,
    /// `ACTIVE`.
    pub mcp_state: &'static str,
    /// An admin wrote it: it may hold options that only an operator may set, and admins alone change it.
    pub by_operator: bool,
    /// 1 at first, one more with each change.
    pub mcp_generation: u64,
    /// Labels.
    pub mcp_labels: BTreeMap<String, String>,
    /// Annotations.
    pub mcp_annotations: BTreeMap<String, String>,
    /// Name for people.
    pub name: String,
    /// Text for people.
    pub description: String,
    /// Runner of the targets it is for, or `custom`.
    pub context_type: ContextType,
    /// `inactive`: jobs may not name it.
    pub status: ContextStatus,
    /// Pipeline options by name; of those that only an operator may set, others than admins read the names.
    pub parameters: Map<String, Value>,
    /// For people.
    pub resources: Map<String, Value>,
    /// For people and programs.
    pub metadata: Map<String, Value>,
}

/// Answer of a verb that changes the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Written {
    /// The context as it is now, or as it was deleted; left out by a dry run.
    #[serde(flatten)]
    pub context: Option<ContextView>,
    /// Id of the context that is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<String>,
    /// What a dry run would do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// True when the same idempotency key had asked for it before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
}

impl ContextView {
    /// What this caller reads of it.
    pub(in crate::verb) fn of(context: &Context, profile: ExecutionContext) -> Self {
        Self {
            context_id: profile.id.clone(),
            mcp_resource_id: profile.id,
            mcp_resource_type: "context",
            mcp_created_at: rfc3339(profile.created_ms),
            mcp_updated_at: rfc3339(profile.updated_ms),
            mcp_state: "ACTIVE",
            by_operator: profile.by_operator,
            mcp_generation: profile.generation,
            mcp_labels: profile.labels,
            mcp_annotations: profile.annotations,
            name: profile.name,
            description: profile.description,
            context_type: profile.context_type,
            status: profile.status,
            parameters: context.shown_options(profile.parameters),
            resources: profile.resources,
            metadata: profile.metadata,
        }
    }
}
