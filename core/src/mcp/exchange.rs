use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use serde_json::{Map, Value, json};

use super::{Id, Version, capability, session::Session, wire};
use crate::{call::Call, error::Error, flow::Io};

/// One request as a handler sees it besides its parameters: the way out, the caller, the client and its answers.
#[derive(Clone)]
pub struct Exchange {
    /// The way out.
    pub io: Io,
    /// Who calls, until when.
    pub call: Arc<Call>,
    pub(super) client: Arc<Client>,
    pub(super) input: Arc<Input>,
    /// How often [`Exchange::tell`] told something, over all rounds of the request.
    pub(super) told: Arc<AtomicU32>,
}

/// What a request says of its client.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Client {
    pub(super) version: Version,
    pub(super) capabilities: Value,
    /// Takes notifications about its request before the answer.
    pub(super) streams: bool,
    /// Reads lines that all requests share.
    pub(super) lines: bool,
    pub(super) progress_token: Option<Value>,
    pub(super) log_level: Option<Level>,
    pub(super) session: Option<Session>,
}

/// The extension of views (MCP Apps), and the media type they have.
pub(super) const APPS: &str = "io.modelcontextprotocol/ui";
/// Media type of a view.
pub const APP_TYPE: &str = "text/html;profile=mcp-app";

impl Client {
    /// True when the client renders views. One of an older revision that is not remembered may: it is told of them,
    /// since whoever does not know `_meta.ui` passes over it.
    pub(super) fn renders_apps(&self) -> bool {
        let is_app = |named: &Value| named.as_str().is_some_and(|named| named.replace(' ', "") == APP_TYPE);
        let settings = self.capabilities.get("extensions").and_then(|all| all.get(APPS));
        let named = settings.and_then(|settings| settings.get("mimeTypes")).and_then(Value::as_array);
        let forgotten = self.capabilities.is_null() && !self.version.is_modern() && self.version.is_structured();
        forgotten || named.is_some_and(|types| types.iter().any(is_app))
    }
}

/// What the client answered to an earlier round of the same request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Input {
    pub(super) responses: Map<String, Value>,
    pub(super) state: Option<Value>,
}

/// Severity of a log message (RFC 5424), mildest first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "the eight words of the specification")]
pub enum Level {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

const LEVELS: [(Level, &str); 8] = [
    (Level::Debug, "debug"),
    (Level::Info, "info"),
    (Level::Notice, "notice"),
    (Level::Warning, "warning"),
    (Level::Error, "error"),
    (Level::Critical, "critical"),
    (Level::Alert, "alert"),
    (Level::Emergency, "emergency"),
];

impl Level {
    pub(super) fn read(value: &Value) -> Option<Self> {
        LEVELS.iter().find(|(_, word)| value == word).map(|(level, _)| *level)
    }

    fn word(self) -> &'static str {
        LEVELS.iter().find(|(level, _)| *level == self).map_or("info", |(_, word)| word)
    }
}

/// A question that only the client can answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// A form for the person: what is asked, and the flat JSON Schema of the answer.
    Elicit {
        /// For the person.
        message: String,
        /// An object of strings, numbers, booleans and enumerations.
        schema: Value,
    },
    /// Parameters of `sampling/createMessage`.
    Sample(Value),
    /// The client's roots.
    Roots,
}

impl Question {
    pub(super) fn method(&self) -> &'static str {
        match self {
            Self::Elicit { .. } => "elicitation/create",
            Self::Sample(_) => "sampling/createMessage",
            Self::Roots => "roots/list",
        }
    }

    fn is_known_to(&self, version: Version) -> bool {
        match self {
            Self::Elicit { .. } => version.has_elicitation(),
            Self::Sample(_) | Self::Roots => true,
        }
    }

    /// Parameters, where it has any.
    pub(super) fn params(&self, version: Version) -> Option<Value> {
        match self {
            Self::Elicit { message, schema } => {
                let mut params = json!({"message": message, "requestedSchema": schema});
                if version.has_elicitation_modes() {
                    wire::set(&mut params, "mode", "form");
                }
                Some(params)
            }
            Self::Sample(params) => Some(params.clone()),
            Self::Roots => None,
        }
    }

    pub(super) fn to_json(&self, version: Version) -> Value {
        let mut request = json!({"method": self.method()});
        if let Some(params) = self.params(version) {
            wire::set(&mut request, "params", params);
        }
        request
    }

    /// What a client must declare to be asked.
    pub(super) fn capability(&self) -> Value {
        match self {
            Self::Elicit { .. } => json!({"elicitation": {}}),
            Self::Sample(_) => json!({"sampling": {}}),
            Self::Roots => json!({"roots": {}}),
        }
    }
}

/// What a person did with a form.
#[derive(Clone, Debug, PartialEq)]
pub enum Answered {
    /// Filled in.
    Accept(Map<String, Value>),
    /// Said no; that is final.
    Decline,
    /// Closed without an answer.
    Cancel,
}

impl Exchange {
    /// What tells a session its news.
    pub(super) fn of_session(io: Io, call: Call, session: &Session) -> Self {
        let client = Client {
            version: session.version().unwrap_or(Version::V2025_11_25),
            capabilities: session.capabilities(),
            streams: true,
            lines: false,
            progress_token: None,
            log_level: Some(Level::Info),
            session: None,
        };
        Self { io, call: Arc::new(call), client: Arc::new(client), input: Arc::default(), told: Arc::default() }
    }

    /// The revision of the request.
    pub fn version(&self) -> Version {
        self.client.version
    }

    /// True when the client can be asked this: it said so, its revision knows the question, and there is a way to ask.
    pub fn can_ask(&self, question: &Question) -> bool {
        let version = self.client.version;
        let reachable = version.is_modern() || (self.client.session.is_some() && self.client.streams);
        reachable && question.is_known_to(version) && capability::allows(&self.client.capabilities, question)
    }

    /// True when the request declares an extension.
    pub fn has_extension(&self, name: &str) -> bool {
        self.client.capabilities.get("extensions").is_some_and(|all| all.get(name).is_some_and(Value::is_object))
    }

    /// True when the client renders views.
    pub fn renders_apps(&self) -> bool {
        self.client.renders_apps()
    }

    /// What the client answered to the question of a key; `None`: not asked yet, or nothing of an object's shape.
    pub fn answer(&self, key: &str) -> Option<&Map<String, Value>> {
        self.input.responses.get(key).and_then(Value::as_object)
    }

    /// What a person did with the form of a key; `None` for no answer and one of another shape.
    pub fn elicited(&self, key: &str) -> Option<Answered> {
        let answer = self.answer(key)?;
        match answer.get("action")?.as_str()? {
            "accept" => {
                let content = answer.get("content").and_then(Value::as_object);
                Some(Answered::Accept(content.cloned().unwrap_or_default()))
            }
            "decline" => Some(Answered::Decline),
            "cancel" => Some(Answered::Cancel),
            _ => None,
        }
    }

    /// What an earlier round of this very request remembered; bound to it and to the caller.
    pub fn state(&self) -> Option<&Value> {
        self.input.state.as_ref()
    }

    /// True when the client asked to be told how its request goes, and can be.
    pub fn hears_progress(&self) -> bool {
        self.client.progress_token.is_some() && self.client.streams
    }

    /// Tells how the work goes whose end nobody knows; the values count what was told.
    ///
    /// # Errors
    /// `cancelled` when the client is gone.
    pub async fn tell(&self, message: &str) -> Result<(), Error> {
        let count = self.told.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        self.progress(count.into(), None, Some(message)).await
    }

    /// Tells how far the work is, where the client asked for it. Values grow with every call.
    ///
    /// # Errors
    /// `cancelled` when the client is gone.
    pub async fn progress(&self, progress: f64, total: Option<f64>, message: Option<&str>) -> Result<(), Error> {
        let Some(token) = &self.client.progress_token else { return Ok(()) };
        let mut params = json!({"progressToken": token, "progress": progress});
        if let Some(total) = total {
            wire::set(&mut params, "total", total);
        }
        if let Some(message) = message {
            wire::set(&mut params, "message", message);
        }
        self.notify("notifications/progress", params).await
    }

    /// Sends a log message about this request, where the client asked for its level.
    ///
    /// # Errors
    /// `cancelled` when the client is gone.
    pub async fn log(&self, level: Level, logger: &str, data: Value) -> Result<(), Error> {
        if self.client.log_level.is_none_or(|least| level < least) {
            return Ok(());
        }
        let params = json!({"level": level.word(), "logger": logger, "data": data});
        self.notify("notifications/message", params).await
    }

    async fn notify(&self, method: &str, params: Value) -> Result<(), Error> {
        if !self.client.streams {
            return Ok(());
        }
        self.io.emit(wire::notification(method, &params)).await
    }

    pub(super) fn with_input(&self, input: Input) -> Self {
        Self { input: Arc::new(input), ..self.clone() }
    }
}

/// Reads a progress token: a string or an integer.
pub(super) fn progress_token(meta: Option<&Value>) -> Option<Value> {
    let token = meta?.get("progressToken")?;
    Id::read(token.clone()).and_then(|id| serde_json::to_value(id).ok())
}
