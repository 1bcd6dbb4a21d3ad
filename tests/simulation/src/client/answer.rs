use beam_mcp_core::{Error, effect::Response};
use serde_json::Value;

use super::Door;

/// What a client understands of an answer.
#[derive(Debug)]
pub enum Answer {
    /// What was asked for.
    Success(Value),
    /// An error.
    Refused(Refused),
}

/// What an error says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Refused {
    /// Its code.
    pub code: String,
    /// Finer than the code.
    pub reason: String,
    /// The job it is about, where it names one.
    pub job: Option<String>,
}

impl Answer {
    /// Reads the answer of an embedded call.
    pub fn of_value(result: Result<Value, Error>) -> Self {
        match result {
            Ok(value) => Self::Success(value),
            Err(error) => Self::of_error(&error),
        }
    }

    /// An error as a client sees it.
    pub fn of_error(error: &Error) -> Self {
        let job = error.context().get("job_id").cloned();
        Self::Refused(Refused { code: error.kind().code().to_owned(), reason: error.reason().to_owned(), job })
    }

    /// Reads what came back over HTTP or a line; `None` for what is no answer of ours.
    pub fn of_response(door: Door, response: &Response) -> Option<Self> {
        let mut body: Value = serde_json::from_slice(response.body.as_slice()).ok()?;
        match door {
            Door::Rest | Door::Run if body.get("success").and_then(Value::as_bool)? => {
                Some(Self::Success(body.get_mut("data")?.take()))
            }
            Door::Rest | Door::Run => Some(Self::of_object(body.get("error")?)),
            Door::Mcp | Door::Line => {
                if let Some(error) = body.get("error") {
                    return Some(Self::of_object(error));
                }
                let result = body.get_mut("result")?;
                let failed = result.get("isError").and_then(Value::as_bool).unwrap_or(false);
                let content = result.get_mut("structuredContent").map(Value::take).unwrap_or_default();
                if !failed {
                    return Some(Self::Success(content));
                }
                result.pointer("/content/0/text").and_then(Value::as_str).map(Self::of_text)
            }
        }
    }

    /// Tools say `code: message`, then facts a line each.
    fn of_text(text: &str) -> Self {
        let code = text.split(':').next().unwrap_or_default();
        let fact = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        let reason = fact("reason: ").unwrap_or_default();
        Self::Refused(Refused { code: code.to_owned(), reason, job: fact("job_id: ") })
    }

    fn of_object(error: &Value) -> Self {
        let text = |path: &str| error.pointer(path).and_then(Value::as_str).map(str::to_owned);
        let (code, reason) = (text("/code").unwrap_or_default(), text("/details/reason").unwrap_or_default());
        Self::Refused(Refused { code, reason, job: text("/details/job_id") })
    }
}
