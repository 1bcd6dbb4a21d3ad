//! `beam-mcp-server stdio`: MCP as lines on standard input and output.

mod line;

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use beam_mcp_core::{
    Call, Error,
    auth::{Caller, Role},
    effect::Response,
    engine::{Engine, Host, Inbound},
    mcp::{Id, cancelled_id, holds_request, request_id},
};
use line::{Line, read_lines, write_lines};
use serde_json::json;
use tokio::sync::{
    OwnedSemaphorePermit, Semaphore,
    mpsc::{Receiver, Sender, channel},
};

use crate::{
    attendance::{Attendance, Purpose},
    driver::Driver,
    edge::{Answer, attend},
    entry::Entry,
    random::random,
    reconcile::reconcile,
    serve::{Signals, stop},
    setup::{Failure, Setup},
    tasks::Place,
};

/// Most requests at work at once.
const MOST_REQUESTS: usize = 256;
const LONGEST_CALL: Duration = Duration::from_secs(620);
const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
const INTERNAL_ERROR: i32 = -32603;
const LONGEST_WAIT_MS: u64 = 600_000;

/// Serves until standard input ends or a signal comes.
///
/// # Errors
/// What keeps the process from starting.
pub async fn stdio(setup: &Setup) -> Result<(), Failure> {
    let driver = Arc::new(setup.driver(true)?);
    let host = Host {
        kind: "server".into(),
        loopback_only: true,
        authorities: Vec::new(),
        durable: driver.store.is_durable(),
        longest_wait_ms: LONGEST_WAIT_MS,
        streams: true,
    };
    let engine = Engine::new(setup.config.clone(), host).map_err(|error| Failure::config(error.message()))?;
    let entry: Arc<dyn Entry> = Arc::new(engine);
    tokio::spawn(reconcile(driver.clone(), entry.clone()));
    let mut signals = Signals::watch()?;
    let (lines, input) = channel(64);
    std::thread::spawn(move || read_lines(&mut io::stdin().lock(), &lines));
    let (output, written) = channel(256);
    let writer = std::thread::spawn(move || write_lines(&mut io::stdout(), written));
    let session = Arc::new(Session::new(driver.clone(), entry, output));
    let outcome = tokio::select! {
        () = session.clone().serve(input) => Ok(()),
        () = signals.any() => Ok(()),
        reason = driver.store.broken() => Err(Failure::io(format!("stopping, the store cannot be trusted: {reason}"))),
    };
    stop(&driver).await;
    drop(session);
    // The thread ends once every line is written or nobody reads them.
    let _ = tokio::task::spawn_blocking(|| writer.join()).await;
    outcome
}

/// What the lines of one parent share.
struct Session {
    driver: Arc<Driver>,
    entry: Arc<dyn Entry>,
    output: Sender<String>,
    /// Places for requests.
    room: Arc<Semaphore>,
    at_work: Mutex<BTreeMap<Id, Arc<Attendance>>>,
}

impl Session {
    fn new(driver: Arc<Driver>, entry: Arc<dyn Entry>, output: Sender<String>) -> Self {
        let room = Arc::new(Semaphore::new(MOST_REQUESTS));
        Self { driver, entry, output, room, at_work: Mutex::default() }
    }

    fn at_work(&self) -> MutexGuard<'_, BTreeMap<Id, Arc<Attendance>>> {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes lines until there are no more or the parent reads no answers.
    async fn serve(self: Arc<Self>, mut input: Receiver<Line>) {
        loop {
            tokio::select! {
                line = input.recv() => match line {
                    Some(Line::Text(line)) => self.take(line).await,
                    Some(Line::TooLong) => self.refuse(None, INVALID_REQUEST, "the line is longer than 1 MiB").await,
                    Some(Line::NotText) => self.refuse(None, PARSE_ERROR, "the line is not JSON: it is not UTF-8").await,
                    None => return,
                },
                () = self.output.closed() => return,
            }
        }
    }

    async fn take(self: &Arc<Self>, line: String) {
        if let Some(id) = cancelled_id(&line) {
            let request = self.at_work().get(&id).cloned();
            if let Some(caller) = request {
                caller.leave();
            }
            return;
        }
        if !holds_request(&line) {
            return self.job(None, None).answer(line).await;
        }
        let id = request_id(&line);
        let Ok(place) = self.room.clone().try_acquire_owned() else {
            return self.refuse(id.as_ref(), INVALID_REQUEST, "too many requests at work: wait for answers").await;
        };
        tokio::spawn(self.job(id, Some(place)).answer(line));
    }

    fn job(self: &Arc<Self>, id: Option<Id>, place: Option<OwnedSemaphorePermit>) -> Job {
        let caller = Arc::new(Attendance::new(Purpose::Stream));
        if let Some(id) = id.clone() {
            self.at_work().insert(id, caller.clone());
        }
        Job { session: self.clone(), caller, id, place, _task: self.driver.tasks.enter() }
    }

    /// An id that could not be read is left out: null is none.
    async fn refuse(&self, id: Option<&Id>, code: i32, message: &str) {
        let mut answer = json!({"jsonrpc": "2.0", "error": {"code": code, "message": message}});
        if let Some(id) = id {
            answer["id"] = json!(id);
        }
        self.write(answer.to_string()).await;
    }

    /// A parent that reads no more ends the session elsewhere.
    async fn write(&self, line: String) {
        if !line.is_empty() {
            let _ = self.output.send(line).await;
        }
    }
}

/// One line at work.
struct Job {
    session: Arc<Session>,
    caller: Arc<Attendance>,
    id: Option<Id>,
    /// Of a request; what is none is not answered when it fails.
    place: Option<OwnedSemaphorePermit>,
    _task: Place,
}

/// After a cancellation nothing more is written for a request (mcp.md 1.7).
impl Job {
    async fn answer(self, line: String) {
        let session = &self.session;
        let call = match call(&session.driver) {
            Ok(call) => call,
            Err(_) if self.place.is_none() => return,
            Err(error) => return session.refuse(self.id.as_ref(), INTERNAL_ERROR, error.message()).await,
        };
        let flow = session.entry.handle(Inbound::Line(line.into()), call);
        match attend(&session.driver, flow, self.caller.clone()).await {
            Answer::Whole(Ok(response)) => self.write(response).await,
            Answer::Whole(Err(error)) if self.id.is_some() && !self.caller.is_gone() => {
                session.refuse(self.id.as_ref(), INTERNAL_ERROR, error.message()).await;
            }
            Answer::Whole(Err(_)) => {}
            Answer::Stream(caller) => {
                while let Some(frame) = caller.frame().await.filter(|_| !caller.is_gone()) {
                    session.write(frame.data).await;
                }
                if caller.broke_off() && !caller.is_gone() {
                    session.refuse(self.id.as_ref(), INTERNAL_ERROR, "the answer broke off").await;
                }
            }
        }
    }

    async fn write(&self, response: Response) {
        if !self.caller.is_gone() {
            self.session.write(response.body.text().into_owned()).await;
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let mut at_work = self.session.at_work();
        if let Some(id) = &self.id
            && at_work.get(id).is_some_and(|caller| Arc::ptr_eq(caller, &self.caller))
        {
            at_work.remove(id);
        }
    }
}

fn call(driver: &Driver) -> Result<Call, Error> {
    let caller = Caller::with_role("local", Role::Operator);
    Ok(Call::local(caller, driver.clock.mono() + LONGEST_CALL, random()?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use beam_mcp_core::{
        Flow,
        engine::{BodyRule, Share, Snapshot},
    };

    use super::*;
    use crate::testing::driver;

    /// Answers a line with itself, after a wait when it asks for one.
    struct Echo;

    impl Entry for Echo {
        fn body_rule(&self, _: &str, _: &str) -> BodyRule {
            BodyRule::Buffer(0)
        }
        fn handle(&self, inbound: Inbound, _: Call) -> Flow<Response> {
            let Inbound::Line(line) = inbound else { panic!("a request") };
            Flow::new(move |io| async move {
                if line.contains("wait") {
                    io.sleep(Duration::from_secs(600)).await?;
                }
                if line.contains("stream") {
                    io.emit("frame".into()).await?;
                }
                assert!(!line.contains("defect"), "canary");
                Ok(Response { status: 200, headers: Vec::new(), body: line.to_string().into() })
            })
        }
        fn shares(&self) -> Vec<Share> {
            vec![Share::All]
        }
        fn guards(&self, _: Duration) -> Vec<(String, Snapshot)> {
            Vec::new()
        }
        fn tick(&self, _: Share, _: Call) -> Flow<Duration> {
            Flow::new(|_| async { Ok(Duration::ZERO) })
        }
    }

    struct Parent {
        input: Sender<Line>,
        output: Receiver<String>,
        driver: Arc<Driver>,
    }

    fn start() -> Parent {
        let (driver, (input, lines), (output, written)) = (Arc::new(driver()), channel(64), channel(256));
        let session = Session::new(driver.clone(), Arc::new(Echo), output);
        tokio::spawn(Arc::new(session).serve(lines));
        Parent { input, output: written, driver }
    }

    impl Parent {
        async fn say(&self, line: &str) {
            self.input.send(Line::Text(line.to_owned())).await.unwrap();
        }
        async fn hear(&mut self) -> String {
            tokio::time::timeout(Duration::from_secs(5), self.output.recv()).await.unwrap().unwrap()
        }
    }

    fn request(id: u32, method: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}"}}"#)
    }

    #[tokio::test]
    async fn a_slow_request_does_not_hold_up_the_next_and_can_be_cancelled() {
        let mut parent = start();
        parent.say(&request(1, "wait")).await;
        parent.say(&request(2, "stream")).await;
        assert_eq!((parent.hear().await, parent.hear().await), ("frame".to_owned(), request(2, "stream")));
        parent.say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#).await;
        assert!(parent.driver.tasks.idle(Duration::from_secs(5)).await);
        parent.say(&request(3, "last")).await;
        assert_eq!(parent.hear().await, request(3, "last"));
    }

    #[tokio::test]
    async fn work_is_bounded_and_refusals_name_their_request() {
        let mut parent = start();
        for id in 0..=MOST_REQUESTS {
            parent.say(&request(u32::try_from(id).unwrap(), "wait")).await;
        }
        assert!(parent.hear().await.contains(r#""id":256"#));
        parent.input.send(Line::TooLong).await.unwrap();
        assert_eq!(
            parent.hear().await,
            r#"{"error":{"code":-32600,"message":"the line is longer than 1 MiB"},"jsonrpc":"2.0"}"#
        );
    }

    #[tokio::test]
    async fn what_asks_nothing_gets_through_whatever_is_at_work() {
        let mut parent = start();
        for id in 0..MOST_REQUESTS {
            parent.say(&request(u32::try_from(id).unwrap(), "wait")).await;
        }
        let batch = format!("[{}]", request(1, "ping"));
        parent.say(&batch).await;
        let refused = parent.hear().await;
        assert!(refused.contains("too many"), "a batch of requests counts: {refused}");
        for line in [
            r#"{"jsonrpc":"2.0","id":"q","result":{}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"[{"jsonrpc":"2.0","id":"q","result":{}}]"#,
            "{",
        ] {
            parent.say(line).await;
            assert_eq!(parent.hear().await, line, "the core has it");
        }
        parent.say(r#"{"jsonrpc":"2.0","method":"defect"}"#).await;
        parent.input.send(Line::NotText).await.unwrap();
        let told = parent.hear().await;
        assert!(told.contains("-32700") && !told.contains("\"id\""), "a defect answers no notification: {told}");
    }

    #[tokio::test]
    async fn a_defect_is_told_as_one_also_after_the_first_message() {
        let mut parent = start();
        parent.say(&request(1, "defect")).await;
        let told = parent.hear().await;
        assert!(told.contains("-32603") && told.contains(r#""id":1"#) && !told.contains("canary"), "{told}");
        parent.say(&request(2, "stream defect")).await;
        assert_eq!(parent.hear().await, "frame");
        let told = parent.hear().await;
        assert!(told.contains("-32603") && told.contains(r#""id":2"#) && !told.contains("canary"), "{told}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_end_of_input_ends_waits() {
        let Parent { input, mut output, driver } = start();
        input.send(Line::Text(request(1, "wait"))).await.unwrap();
        drop(input);
        tokio::task::yield_now().await;
        stop(&driver).await;
        assert!(output.recv().await.unwrap().contains(r#""id":1"#));
        assert_eq!(output.recv().await, None);
    }
}
