use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    Id, Partial,
    exchange::{Client, Level},
    listen::Filter,
    protocol_error::ProtocolError,
};

/// What becomes of a request, decided without an effect.
#[derive(Debug, PartialEq)]
pub(super) enum Plan {
    /// The whole answer.
    Ready(Vec<u8>),
    /// A handler runs first.
    Run(Box<Turn>),
}

/// Work of a handler.
#[derive(Debug, PartialEq)]
pub(super) struct Turn {
    pub(super) client: Client,
    pub(super) work: Work,
    pub(super) round: Round,
}

/// What a request brings of an earlier round of itself, not trusted yet.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Round {
    pub(super) responses: Map<String, Value>,
    pub(super) state: Option<String>,
}

/// What a handler is asked for.
#[derive(Debug, PartialEq)]
pub(super) enum Work {
    Call {
        name: String,
        arguments: Map<String, Value>,
    },
    ListResources {
        cursor: Option<String>,
    },
    Read {
        uri: String,
    },
    Prompt {
        name: String,
        arguments: BTreeMap<String, String>,
    },
    Complete(Partial),
    Listen(Filter),
    GetTask(String),
    UpdateTask(String),
    CancelTask(String),
    /// Of a session.
    SetLevel(Level),
    /// Of a session.
    Watch {
        uri: String,
        on: bool,
    },
}

/// A request with what becomes of it.
#[derive(Debug, PartialEq)]
pub(super) struct Planned {
    pub(super) id: Id,
    pub(super) plan: Result<Plan, ProtocolError>,
}

impl Planned {
    /// True for a subscription, which has an end of its own when its host stops.
    pub(super) fn is_subscription(&self) -> bool {
        matches!(&self.plan, Ok(Plan::Run(turn)) if matches!(turn.work, Work::Listen(_)))
    }
}

impl Plan {
    pub(super) fn run(client: Client, work: Work) -> Self {
        Self::Run(Box::new(Turn { client, work, round: Round::default() }))
    }
}

impl Round {
    /// Takes the fields out of the parameters; null is the same as absent.
    pub(super) fn take(params: &mut Map<String, Value>) -> Result<Self, ProtocolError> {
        let responses = match params.remove("inputResponses") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(responses)) => responses,
            Some(_) => return Err(ProtocolError::invalid_params("`inputResponses` must be an object")),
        };
        let state = match params.remove("requestState") {
            None | Some(Value::Null) => None,
            Some(Value::String(state)) => Some(state),
            Some(_) => return Err(ProtocolError::foreign_state()),
        };
        Ok(Self { responses, state })
    }
}
