use std::{future::Future, pin::Pin};

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    Context, abandon_job, adopt_job, cancel_job, create_context, create_job, create_savepoint, delete_context,
    get_checkpoints, get_context, get_graph, get_job, get_logs, get_metrics, get_operation, list_contexts, list_jobs,
    list_runners, restore_job, resubmit_job, scale_job, update_context, update_job, wait_for_change,
};
use crate::{auth::Scope, error::Error};

/// A verb at work.
pub type VerbFuture = Pin<Box<dyn Future<Output = Result<Value, Error>> + Send>>;

/// What a verb may do to the world; the source of MCP's annotations.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hints {
    /// Changes nothing.
    Read,
    /// Makes or changes something; with an idempotency key twice is once.
    Write,
    /// With some input it ends or replaces something.
    Destructive,
}

/// One row of the table of verbs.
pub struct Verb {
    /// `verb_noun`
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// When to use it, when not, what comes next.
    pub description: &'static str,
    /// Scope a caller needs.
    pub scope: Scope,
    /// What it may do.
    pub hints: Hints,
    /// Offered to models; an operator's word on what nobody can know is not (at most 20 tools, and a model has no way to
    /// look at the cluster).
    pub is_tool: bool,
    /// JSON Schema of the input.
    pub input_schema: fn() -> Value,
    /// JSON Schema of the output.
    pub output_schema: fn() -> Value,
    run: fn(Context, Value) -> VerbFuture,
}

/// What a verb's file defines.
pub(super) trait Define {
    const NAME: &'static str;
    const TITLE: &'static str;
    const DESCRIPTION: &'static str;
    const SCOPE: Scope;
    const HINTS: Hints;
    const TOOL: bool = true;
    type Input: DeserializeOwned + JsonSchema + Send + 'static;
    type Output: Serialize + JsonSchema;

    fn run(context: Context, input: Self::Input) -> impl Future<Output = Result<Self::Output, Error>> + Send;
}

const fn row<V: Define + 'static>() -> Verb {
    Verb {
        name: V::NAME,
        title: V::TITLE,
        description: V::DESCRIPTION,
        scope: V::SCOPE,
        hints: V::HINTS,
        is_tool: V::TOOL,
        input_schema: input_schema::<V::Input>,
        output_schema: output_schema::<V::Output>,
        run: run::<V>,
    }
}

/// Every verb, in the order tools are listed.
pub static VERBS: [Verb; 23] = [
    row::<list_runners::ListRunners>(),
    row::<list_jobs::ListJobs>(),
    row::<get_job::GetJob>(),
    row::<get_metrics::GetMetrics>(),
    row::<get_graph::GetGraph>(),
    row::<get_logs::GetLogs>(),
    row::<wait_for_change::WaitForChange>(),
    row::<create_job::CreateJob>(),
    row::<update_job::UpdateJob>(),
    row::<scale_job::ScaleJob>(),
    row::<create_savepoint::CreateSavepoint>(),
    row::<restore_job::RestoreJob>(),
    row::<cancel_job::CancelJob>(),
    row::<get_operation::GetOperation>(),
    row::<get_checkpoints::GetCheckpoints>(),
    row::<adopt_job::AdoptJob>(),
    row::<abandon_job::AbandonJob>(),
    row::<resubmit_job::ResubmitJob>(),
    row::<list_contexts::ListContexts>(),
    row::<get_context::GetContext>(),
    row::<create_context::CreateContext>(),
    row::<update_context::UpdateContext>(),
    row::<delete_context::DeleteContext>(),
];

/// The verb of a name.
pub fn find(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

/// There is no such verb.
pub fn unknown(name: &str) -> Error {
    let error = Error::not_found("unknown_verb", format!("there is no verb `{}`", crate::text::clean_line(name, 64)));
    match crate::config::nearest(name, VERBS.iter().map(|verb| verb.name)) {
        Some(near) => error.suggest(format!("did you mean `{near}`?")),
        None => error.suggest("tools/list or GET /api/v1/manifest shows the verbs"),
    }
}

impl Verb {
    /// Runs it for a caller that holds its scope.
    ///
    /// # Errors
    /// `permission_denied`, `invalid_argument` that names the wrong value, or what the verb answers.
    pub fn run(&self, context: Context, input: Value) -> VerbFuture {
        match context.require(self.scope) {
            Ok(()) => (self.run)(context, input),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

fn run<V: Define + 'static>(context: Context, input: Value) -> VerbFuture {
    Box::pin(async move {
        let input = read::<V::Input>(&input).map_err(|error| error.during(V::NAME))?;
        let seed = context.call.seed;
        let output = V::run(context, input).await.map_err(|error| error.during(V::NAME).with_wait(&seed))?;
        serde_json::to_value(output).map_err(|error| Error::misuse(error.to_string()))
    })
}

fn read<I: DeserializeOwned>(input: &Value) -> Result<I, Error> {
    serde_path_to_error::deserialize(input).map_err(|error| {
        let (path, inner) = (error.path().to_string(), error.inner().to_string());
        let place = if path == "." { String::new() } else { format!(" at `{}`", crate::text::clean_line(&path, 128)) };
        let message = format!("the input is not as expected{place}: {}", crate::text::clean_line(&inner, 512));
        Error::invalid("bad_input", message).suggest("read the input schema of the tool and call again")
    })
}

fn input_schema<T: JsonSchema>() -> Value {
    schema::<T>(SchemaSettings::draft2020_12())
}

/// What an answer leaves out when it is empty is not required: clients check answers against this.
fn output_schema<T: JsonSchema>() -> Value {
    schema::<T>(SchemaSettings::draft2020_12().for_serialize())
}

fn schema<T: JsonSchema>(settings: SchemaSettings) -> Value {
    let settings = settings.with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    without_null(&mut schema);
    schema
}

/// An optional member is left out, never null: unions with null trip gateways and small models (features.md F10).
fn without_null(schema: &mut Value) {
    match schema {
        Value::Array(all) => all.iter_mut().for_each(without_null),
        Value::Object(map) => {
            if map.get("default") == Some(&Value::Null) {
                map.remove("default");
            }
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    map.insert("type".into(), only);
                }
            }
            unwrap_any_of(map);
            map.values_mut().for_each(without_null);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `anyOf: [schema, null]` is the schema.
fn unwrap_any_of(map: &mut serde_json::Map<String, Value>) {
    let Some(Value::Array(choices)) = map.get_mut("anyOf") else { return };
    choices.retain(|choice| choice.get("type") != Some(&Value::from("null")));
    if choices.len() == 1
        && let Some(Value::Object(only)) = choices.pop()
    {
        map.remove("anyOf");
        for (name, value) in only {
            map.entry(name).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_schema_has_a_union_with_null() {
        for verb in &VERBS {
            for schema in [(verb.input_schema)(), (verb.output_schema)()] {
                assert!(!schema.to_string().contains("\"null\""), "{}: {schema}", verb.name);
                assert_eq!(schema["type"], "object", "{}", verb.name);
            }
        }
    }
}
