//! News on a stream of their own: `subscriptions/listen`, and the GET stream of a session.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    Exchange, Id, Surface, Version,
    owed::Owed,
    pair,
    protocol_error::ProtocolError,
    run::Stop,
    session::{Seen, Session, Streaming},
    wire,
};
use crate::{
    call::Call,
    effect::Frame,
    error::{Error, ErrorKind},
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
pub(super) enum News {
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

    /// Takes up where a stream was.
    fn take_up(&mut self, told: &Seen) {
        for (topic, _, seen) in &mut self.0 {
            *seen = told.get(topic).copied().unwrap_or(*seen);
        }
    }

    fn seen(&self) -> Seen {
        self.0.iter().map(|(topic, _, seen)| (topic.clone(), *seen)).collect()
    }

    /// What moved next, with its topic and how far that is now.
    async fn next(&mut self, io: &Io, limit: Duration) -> Result<Vec<(String, u64, News)>, Error> {
        let topics = self.0.iter().map(|(topic, _, seen)| (topic.clone(), *seen)).collect();
        let Wake::Topics(moved) = io.wait(topics, limit).await? else { return Ok(Vec::new()) };
        let mut news = Vec::new();
        for (topic, what, seen) in &mut self.0 {
            if let Some((_, seq, _)) = moved.iter().find(|(name, ..)| name == topic) {
                *seen = *seq;
                news.push((topic.clone(), *seq, what.clone()));
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
    let mut frames = vec![acknowledged(&filter, &tag)];
    let mut owed = Owed::default();
    loop {
        for frame in frames.drain(..) {
            if exchange.io.emit(frame).await.is_err() {
                return Ok(ended(surface, id, &exchange, &tag).await);
            }
        }
        let Ok(news) = watched.next(&exchange.io, owed.rest(REST)).await else {
            return Ok(ended(surface, id, &exchange, &tag).await);
        };
        for news in owed.with(news.into_iter().map(|(.., news)| news)) {
            match told(surface, &exchange, &news).await {
                Ok(Some((method, mut params))) => {
                    wire::set(&mut params, "_meta", tag.clone());
                    frames.push(wire::notification(method, &params));
                }
                Ok(None) => {}
                Err(_) => owed.keep(news),
            }
        }
    }
}

/// The first message of a subscription: what of the filter is heard.
fn acknowledged(filter: &Filter, tag: &Value) -> String {
    let params = json!({"notifications": filter.to_json(), "_meta": tag});
    wire::notification("notifications/subscriptions/acknowledged", &params)
}

/// The last message of a subscription that the host ends. Where all share one channel, a notification names the one that
/// is over; a client that ended it itself hears nothing more.
async fn ended<S: Surface>(surface: &S, id: &Id, exchange: &Exchange, tag: &Value) -> Vec<u8> {
    if exchange.client.lines && exchange.io.emit(stopped(id, tag)).await.is_err() {
        return Vec::new();
    }
    wire::success(id, wire::ListenEnded::new(id, surface.info()))
}

/// The notification that names the subscription which is over.
fn stopped(id: &Id, tag: &Value) -> String {
    let params = json!({"requestId": id, "reason": "the server stops", "_meta": tag});
    wire::notification("notifications/cancelled", &params)
}

/// How the stream of a session begins.
pub(super) enum Start {
    /// With what comes from now on.
    Fresh,
    /// With what came after an event.
    After(String),
    /// With the endpoint that takes the client's messages.
    Endpoint(String),
}

/// Serves the stream of a session until its client leaves, another one begins or the session ends; it just ends.
pub(super) async fn session_stream<S: Surface>(
    surface: &S,
    exchange: Exchange,
    session: &Session,
    start: Start,
) -> Result<(), Error> {
    let io = exchange.io.clone();
    let time = exchange.call.deadline.saturating_sub(io.now().mono);
    let streaming = session.begin_stream();
    io.publish(session.topic(), String::new()).await?;
    let mut stream = Stream { surface, exchange, session, streaming, time, count: 0, told: Seen::new() };
    let mut start = Some(start);
    loop {
        let uris = session.watched();
        let changes = vec![Change::Tools, Change::Prompts, Change::Resources];
        let mut filter = Filter { changes, resources: uris.clone(), tasks: Vec::new() };
        let mut watched = Watched::find(surface, &stream.exchange, &mut filter).await?;
        watched.0.push((session.topic(), News::Session, 0));
        if let Some(Start::After(event)) = &start {
            stream.told = session.seen_at(event);
        } else {
            watched.begin(&io).await?;
        }
        watched.take_up(&stream.told);
        stream.told = watched.seen();
        if let Some(start) = start.take() {
            io.emit_frame(stream.first(start)).await?;
        }
        while session.watched() == uris {
            if !stream.tell(watched.next(&io, REST).await?).await? {
                return Ok(());
            }
        }
    }
}

/// The stream of a session.
struct Stream<'a, S> {
    surface: &'a S,
    exchange: Exchange,
    session: &'a Session,
    streaming: Streaming,
    /// What one request on it may take.
    time: Duration,
    /// Requests on it so far.
    count: u64,
    told: Seen,
}

impl<S: Surface> Stream<'_, S> {
    fn id(&self) -> Option<String> {
        if self.session.has_inbox() { None } else { self.session.mark(&self.told) }
    }

    /// The first event lets a client of 2025-11-25 resume before anything was told; older ones would take it for a
    /// broken message.
    fn first(&self, start: Start) -> Frame {
        match start {
            Start::Endpoint(data) => Frame { data, event: Some("endpoint".into()), id: None },
            _ if self.exchange.client.version >= Version::V2025_11_25 => Frame { id: self.id(), ..Frame::default() },
            _ => Frame::default(),
        }
    }

    /// Tells news, or that the stream is still there; false once it is over.
    async fn tell(&mut self, news: Vec<(String, u64, News)>) -> Result<bool, Error> {
        self.session.touch(self.exchange.io.now().wall_ms);
        if news.is_empty() {
            self.exchange.io.emit(String::new()).await?;
        }
        for (topic, moved, news) in news {
            self.told.insert(topic, moved);
            match told(self.surface, &self.exchange, &news).await? {
                Some((method, params)) => {
                    let data = wire::notification(method, &params);
                    self.exchange.io.emit_frame(Frame { data, id: self.id(), event: None }).await?;
                }
                None => self.serve().await?,
            }
        }
        Ok(self.streaming.is_current())
    }

    /// Carries out the requests that wait for this stream.
    async fn serve(&mut self) -> Result<(), Error> {
        let io = self.exchange.io.clone();
        while let Some(request) = self.session.next_request() {
            self.count += 1;
            let seed = self.exchange.call.seed.child(&format!("request:{}", self.count));
            let call = Call { seed, deadline: io.now().mono + self.time, ..Call::clone(&self.exchange.call) };
            pair::serve(&io, self.surface, self.session, request, call).await?;
        }
        Ok(())
    }
}

/// The notification that tells the news; a task that is gone meanwhile is told no more. An error says that it is not
/// known yet.
async fn told<S: Surface>(
    surface: &S,
    exchange: &Exchange,
    news: &News,
) -> Result<Option<(&'static str, Value)>, Error> {
    Ok(match news {
        News::Change(change) => Some((change.method(), json!({}))),
        News::Resource(uri) => Some(("notifications/resources/updated", json!({"uri": uri}))),
        News::Task(task) => match surface.get_task(exchange.clone(), task).await {
            Ok(state) => Some(("notifications/tasks", wire::task_state(&state))),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        },
        News::Session => None,
    })
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

    #[test]
    fn the_end_of_a_subscription_carries_its_id_as_all_its_messages_do() {
        let id = Id::Text("a".into());
        let tag = json!({"io.modelcontextprotocol/subscriptionId": id});
        let told: Value = serde_json::from_str(&stopped(&id, &tag)).unwrap();
        assert_eq!(told["params"]["requestId"], "a");
        assert_eq!(told["params"]["_meta"], tag);
    }
}
