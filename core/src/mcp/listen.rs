//! News on a stream of their own: `subscriptions/listen`, and the GET stream of a session.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Exchange, Id, Surface, protocol_error::ProtocolError, run::Stop, session::Session, wire};
use crate::{
    error::Error,
    flow::{Io, Wake},
};

/// Most resources and most tasks of one subscription.
const MOST_WATCHED: usize = 100;
/// One sleep between two looks; a wake comes at once.
const REST: Duration = Duration::from_secs(600);

/// A list that changed. Whoever changes it publishes the topic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// `tools/list`
    Tools,
    /// `prompts/list`
    Prompts,
    /// `resources/list`
    Resources,
}

impl Change {
    /// The topic that moves with the list.
    pub fn topic(self) -> &'static str {
        match self {
            Self::Tools => "mcp/tools",
            Self::Prompts => "mcp/prompts",
            Self::Resources => "mcp/resources",
        }
    }

    fn method(self) -> &'static str {
        match self {
            Self::Tools => "notifications/tools/list_changed",
            Self::Prompts => "notifications/prompts/list_changed",
            Self::Resources => "notifications/resources/list_changed",
        }
    }
}

/// What a client wants to hear of.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Filter {
    pub(super) changes: Vec<Change>,
    pub(super) resources: Vec<String>,
    pub(super) tasks: Vec<String>,
}

const FLAGS: [(&str, Change); 3] = [
    ("toolsListChanged", Change::Tools),
    ("promptsListChanged", Change::Prompts),
    ("resourcesListChanged", Change::Resources),
];

impl Filter {
    pub(super) fn read(value: Option<Value>) -> Result<Self, ProtocolError> {
        let Some(Value::Object(mut wanted)) = value else {
            return Err(ProtocolError::invalid_params("`notifications` must be an object"));
        };
        let mut filter = Self::default();
        for (key, change) in FLAGS {
            match wanted.get(key) {
                None | Some(Value::Null | Value::Bool(false)) => {}
                Some(Value::Bool(true)) => filter.changes.push(change),
                Some(_) => return Err(ProtocolError::invalid_params(format!("`{key}` must be a boolean"))),
            }
        }
        filter.resources = texts(wanted.remove("resourceSubscriptions"), "resourceSubscriptions")?;
        filter.tasks = texts(wanted.remove("taskIds"), "taskIds")?;
        Ok(filter)
    }

    fn to_json(&self) -> Value {
        let mut told: serde_json::Map<String, Value> = FLAGS
            .iter()
            .filter(|(_, change)| self.changes.contains(change))
            .map(|(key, _)| ((*key).to_owned(), true.into()))
            .collect();
        for (key, list) in [("resourceSubscriptions", &self.resources), ("taskIds", &self.tasks)] {
            if !list.is_empty() {
                told.insert(key.to_owned(), json!(list));
            }
        }
        told.into()
    }
}

fn texts(value: Option<Value>, key: &str) -> Result<Vec<String>, ProtocolError> {
    let list: Vec<String> = match value {
        None | Some(Value::Null) => Vec::new(),
        Some(value) => serde_json::from_value(value)
            .map_err(|_| ProtocolError::invalid_params(format!("`{key}` must be an array of strings")))?,
    };
    if list.len() > MOST_WATCHED {
        return Err(ProtocolError::invalid_params(format!("`{key}` holds at most {MOST_WATCHED} entries")));
    }
    Ok(list)
}

/// What a topic stands for on a stream.
#[derive(Clone, Debug, PartialEq)]
enum News {
    Change(Change),
    Resource(String),
    Task(String),
    /// What the session watches changed.
    Session,
}

/// Topics with what they stand for and the last move seen.
struct Watched(Vec<(String, News, u64)>);

impl Watched {
    async fn find<S: Surface>(surface: &S, exchange: &Exchange, filter: &mut Filter) -> Result<Self, Error> {
        let features = surface.features();
        filter.changes.retain(|change| match change {
            Change::Tools => features.tools_change,
            Change::Prompts => features.prompts_change,
            Change::Resources => features.resources_change,
        });
        let mut all: Vec<_> =
            filter.changes.iter().map(|change| (change.topic().to_owned(), News::Change(*change), 0)).collect();
        let uris = if features.resource_updates { std::mem::take(&mut filter.resources) } else { Vec::new() };
        filter.resources.clear();
        for uri in uris {
            if let Some(topic) = surface.watch_resource(exchange.clone(), &uri).await? {
                all.push((topic, News::Resource(uri.clone()), 0));
                filter.resources.push(uri);
            }
        }
        for task in std::mem::take(&mut filter.tasks) {
            if let Some(topic) = surface.watch_task(exchange.clone(), &task).await? {
                all.push((topic, News::Task(task.clone()), 0));
                filter.tasks.push(task);
            }
        }
        Ok(Self(all))
    }

    /// Takes the moves so far as seen, so that none after this one is missed.
    async fn begin(&mut self, io: &Io) -> Result<(), Error> {
        self.next(io, Duration::ZERO).await.map(drop)
    }

    /// What moved next.
    async fn next(&mut self, io: &Io, limit: Duration) -> Result<Vec<News>, Error> {
        let topics = self.0.iter().map(|(topic, _, seen)| (topic.clone(), *seen)).collect();
        let Wake::Topics(moved) = io.wait(topics, limit).await? else { return Ok(Vec::new()) };
        let mut news = Vec::new();
        for (topic, what, seen) in &mut self.0 {
            if let Some((_, seq, _)) = moved.iter().find(|(name, ..)| name == topic) {
                *seen = *seq;
                news.push(what.clone());
            }
        }
        Ok(news)
    }
}

/// Serves a subscription until its client leaves or the host stops; what is to be written last.
pub(super) async fn listen<S: Surface>(
    surface: &S,
    id: &Id,
    exchange: Exchange,
    mut filter: Filter,
) -> Result<Vec<u8>, Stop> {
    let mut watched = Watched::find(surface, &exchange, &mut filter).await?;
    watched.begin(&exchange.io).await?;
    let tag = json!({"io.modelcontextprotocol/subscriptionId": id});
    let ack = json!({"notifications": filter.to_json(), "_meta": tag});
    let mut frames = vec![wire::notification("notifications/subscriptions/acknowledged", &ack)];
    loop {
        for frame in frames.drain(..) {
            if exchange.io.emit(frame).await.is_err() {
                return Ok(wire::success(id, wire::ListenEnded::new(id, surface.info())));
            }
        }
        let Ok(news) = watched.next(&exchange.io, REST).await else {
            return Ok(wire::success(id, wire::ListenEnded::new(id, surface.info())));
        };
        for news in news {
            if let Some((method, mut params)) = told(surface, &exchange, news).await {
                wire::set(&mut params, "_meta", tag.clone());
                frames.push(wire::notification(method, &params));
            }
        }
    }
}

/// Serves the GET stream of a session until its client leaves; the stream just ends.
pub(super) async fn session_stream<S: Surface>(surface: &S, exchange: Exchange, session: Session) -> Result<(), Error> {
    exchange.io.emit(String::new()).await?;
    loop {
        let changes = vec![Change::Tools, Change::Prompts, Change::Resources];
        let mut filter = Filter { changes, resources: session.watched(), tasks: Vec::new() };
        let mut watched = Watched::find(surface, &exchange, &mut filter).await?;
        watched.0.push((session.topic(), News::Session, 0));
        watched.begin(&exchange.io).await?;
        'same: loop {
            for news in watched.next(&exchange.io, REST).await? {
                match told(surface, &exchange, news).await {
                    Some((method, params)) => exchange.io.emit(wire::notification(method, &params)).await?,
                    None if session.is_open() => break 'same,
                    None => return Ok(()),
                }
            }
        }
    }
}

/// The notification that tells the news; a task that is gone meanwhile is told no more.
async fn told<S: Surface>(surface: &S, exchange: &Exchange, news: News) -> Option<(&'static str, Value)> {
    match news {
        News::Change(change) => Some((change.method(), json!({}))),
        News::Resource(uri) => Some(("notifications/resources/updated", json!({"uri": uri}))),
        News::Task(task) => {
            let state = surface.get_task(exchange.clone(), &task).await.ok()?;
            Some(("notifications/tasks", wire::task_state(&state)))
        }
        News::Session => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_read_and_told_back() {
        let wanted = json!({"toolsListChanged": true, "promptsListChanged": false, "resourceSubscriptions": ["a"],
            "somethingNew": 1});
        let filter = Filter::read(Some(wanted)).unwrap();
        assert_eq!(filter.to_json(), json!({"toolsListChanged": true, "resourceSubscriptions": ["a"]}));
        for bad in [
            json!([]),
            json!({"toolsListChanged": "yes"}),
            json!({"taskIds": [1]}),
            json!({"resourceSubscriptions": vec!["a"; MOST_WATCHED + 1]}),
        ] {
            assert!(Filter::read(Some(bad.clone())).is_err(), "{bad}");
        }
        assert!(Filter::read(None).is_err());
    }
}
