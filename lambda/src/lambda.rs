//! The Lambda function: one event at a time, nothing after the answer (security-reliability.md T62-T67).

use std::{
    path::{Path, PathBuf},
    pin::pin,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use beam_mcp_core::{
    Call, Error, ErrorKind,
    auth::Caller,
    call::{Labels, Peer},
    config::{Config, RunnerKind},
    effect::Response,
    engine::{BodyRule, Engine, Host, HttpRequest, Inbound, refuse, too_large},
    random::Seed,
};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    attendance::{Attendance, Purpose},
    clock::unix_ms,
    config_file::{Environment, document},
    driver::Driver,
    edge::{event, response_of},
    entry::Entry,
    lambda_event::{Asked, Event, Format, Reply},
    logging::{self, Level, Line},
    random::random,
    reconcile::round_of_all,
    setup::{Failure, Setup},
};

/// API Gateway gives up after 30 s.
const LONGEST: Duration = Duration::from_secs(29);
/// Kept of an invocation's time for the answer to travel.
const RESERVE: Duration = Duration::from_millis(500);
/// Time a flow gets to end once its deadline has passed.
const LAST_WORD: Duration = Duration::from_millis(300);
/// Longest a caller of `/savepoint`, `/scale` or `/cancel` is kept waiting.
const LONGEST_WAIT_MS: u64 = 25_000;
/// Largest answer as JSON; Lambda takes 6 MB.
const LARGEST: usize = 5_500_000;
/// One scheduled event goes on ticking while a next round is due within this time.
const TICK_AGAIN: Duration = Duration::from_secs(10);
const TICKING: Duration = Duration::from_secs(50);

/// Runs the function until the platform ends it.
pub fn run_lambda() -> ExitCode {
    run(function)
}

/// Runs the same function around another entry, whoever may call it.
pub fn run_entry(config: Config, entry: Arc<dyn Entry>) -> ExitCode {
    run(|environment| {
        let setup = Setup { config, folder: None, cache_bytes: 0 };
        Ok(Function { driver: Arc::new(setup.lambda_driver(environment)?), engine: entry })
    })
}

/// The host of a function, as its engine knows it.
pub fn host(authorities: Vec<String>, durable: bool) -> Host {
    Host {
        kind: "lambda".into(),
        loopback_only: false,
        authorities,
        durable,
        longest_wait_ms: LONGEST_WAIT_MS,
        streams: false,
    }
}

fn run(start: impl FnOnce(&Environment) -> Result<Function, Failure>) -> ExitCode {
    let environment = crate::command::environment();
    let level = environment.get("BEAM_MCP_LOG").and_then(|level| Level::parse(level).ok());
    logging::start(level.unwrap_or(Some(Level::Info)));
    let outcome = start(&environment).and_then(serve);
    logging::flush();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("beam-mcp bootstrap: {failure}");
            ExitCode::from(failure.exit)
        }
    }
}

fn serve(function: Function) -> Result<(), Failure> {
    // One event at a time needs one thread, and one thread starts faster.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::io(format!("runtime: {error}")))?;
    let function = Arc::new(function);
    let handler = service_fn(move |event: LambdaEvent<Event>| {
        let function = function.clone();
        async move {
            let answer = function.answer(event.payload, event.context.deadline).await;
            logging::flush();
            answer.map_err(|error| lambda_runtime::Error::from(error.to_string()))
        }
    });
    runtime.block_on(lambda_runtime::run(handler)).map_err(|error| Failure::unavailable(error.to_string()))
}

/// The function of one process.
struct Function {
    driver: Arc<Driver>,
    engine: Arc<dyn Entry>,
}

/// Reads the configuration and checks that it can be served to the world.
fn function(environment: &Environment) -> Result<Function, Failure> {
    let named = environment.contains_key("BEAM_MCP_CONFIG");
    let beside = environment.get("LAMBDA_TASK_ROOT").and_then(|root| shipped(Path::new(root)));
    let document = match beside.filter(|_| !named) {
        None if !named => document(None, &without_direct(environment)),
        path => document(path.as_deref(), environment),
    };
    let document = document.map_err(Failure::config)?;
    let config = Config::from_json(&document)
        .map_err(|error| Failure::config(format!("{}; {}", error.message(), error.suggestion())))?;
    check(&config)?;
    let setup = Setup { config, folder: None, cache_bytes: 0 };
    let driver = Arc::new(setup.lambda_driver(environment)?);
    let host = host(setup.config.auth.allowed_hosts.clone(), driver.store.is_durable());
    let engine = Engine::new(setup.config, host).map_err(|error| Failure::config(error.message()))?;
    Ok(Function { driver, engine: Arc::new(engine) })
}

/// The configuration file packed with the function.
fn shipped(root: &Path) -> Option<PathBuf> {
    ["beam-mcp.yaml", "beam-mcp.json"].iter().map(|name| root.join(name)).find(|path| path.is_file())
}

/// No Python is looked for: Direct does not run here.
fn without_direct(environment: &Environment) -> Environment {
    let looks = |name: &str| matches!(name, "PATH" | "BEAM_MCP_PYTHON");
    environment.iter().filter(|(name, _)| !looks(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn check(config: &Config) -> Result<(), Failure> {
    if config.auth.enabled == Some(false) || config.auth.tokens.is_empty() {
        return Err(Failure::config(
            "a function that anyone can call needs `auth.tokens` (name, sha256, role), and `auth.enabled` must not be false",
        ));
    }
    if let Some(direct) = config.targets.values().find(|target| target.runner == RunnerKind::Direct) {
        return Err(Failure::config(format!(
            "configuration key `targets.{}`: Direct starts processes, which a Lambda function cannot keep; use a \
             beam-mcp-server for it",
            direct.name
        )));
    }
    if config.store.kind.as_deref() == Some("sqlite") {
        return Err(Failure::config(
            "configuration key `store.kind`: a Lambda function has no disk that lasts; name a table in \
             `store.dynamodb`",
        ));
    }
    Ok(())
}

impl Function {
    async fn answer(&self, event: Event, deadline_ms: u64) -> Result<Value, Error> {
        let left = time_left(deadline_ms, unix_ms());
        match event.read()? {
            Asked::Tick => self.tick(left).await,
            Asked::Http { request, peer, format } => {
                let begun = Instant::now();
                let line = Line::new(Level::Info, "request").text("method", Some(&request.method));
                let line = line.text("path", Some(&request.path)).text("peer", Some(&peer));
                let response = self.http(*request, peer, left).await;
                let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                let line = line.text("request_id", response.header("x-request-id"));
                line.value("status", response.status).value("ms", ms).send();
                bounded(response, format)
            }
        }
    }

    async fn http(&self, mut request: HttpRequest, peer: String, left: Duration) -> Response {
        let budget = left.saturating_sub(RESERVE).min(LONGEST);
        let call = match self.call(peer, budget) {
            Ok(call) => call,
            Err(error) => return response_of(&error),
        };
        let body = std::mem::take(&mut request.body);
        let (head, asked) = (request.clone(), call.clone());
        let refused = |error: &Error| {
            let mut response = refuse(&head, error, &asked, unix_ms());
            response.headers.extend(self.engine.cors(&head));
            response
        };
        match self.engine.body_rule(&request.method, &request.path) {
            BodyRule::Buffer(most) if body.as_slice().len() as u64 > most => return refused(&too_large(most)),
            // The engine says that this host keeps no files.
            BodyRule::Stage(_) => {}
            BodyRule::Buffer(_) => request.body = body,
        }
        let caller = Attendance::new(Purpose::Stream);
        let flow = self.engine.handle(Inbound::Http(Box::new(request)), call);
        let mut driven = Box::pin(collected(self.driver.drive(flow, &caller), &caller));
        let mut answer = timeout(budget, driven.as_mut()).await;
        if answer.is_err() {
            // A read ends now. A flow whose intent is durable is dropped: a later tick takes it up.
            caller.leave();
            answer = timeout(LAST_WORD, driven).await;
        }
        let answer = answer.unwrap_or_else(|_| Err(Error::cancelled()));
        answer.unwrap_or_else(|error| refused(&late(error)))
    }

    fn call(&self, peer: String, budget: Duration) -> Result<Call, Error> {
        Ok(Call {
            caller: Caller::nobody(),
            deadline: self.driver.clock.mono() + budget,
            time_limit: None,
            seed: Seed::new(random()?),
            labels: Labels::default(),
            peer: Peer::Remote(peer),
        })
    }

    /// Rounds of the reconciler while the next one is due soon and time is left.
    async fn tick(&self, left: Duration) -> Result<Value, Error> {
        let budget = left.saturating_sub(RESERVE).min(TICKING);
        let begun = tokio::time::Instant::now();
        let mut rounds = 0;
        loop {
            let round = timeout(budget.saturating_sub(begun.elapsed()), round_of_all(&self.driver, &self.engine));
            let next = round.await.unwrap_or(Ok(Duration::ZERO))?;
            rounds += 1;
            if next > TICK_AGAIN || begun.elapsed() + next >= budget {
                let next_ms = u64::try_from(next.as_millis()).unwrap_or(u64::MAX);
                return Ok(json!({"rounds": rounds, "next_ms": next_ms}));
            }
            tokio::time::sleep(next.max(Duration::from_millis(200))).await;
        }
    }
}

/// Time until the platform ends the invocation. One that has none at its arrival is no invocation of the platform:
/// cargo-lambda's emulator names a time long gone.
fn time_left(deadline_ms: u64, now_ms: u64) -> Duration {
    match deadline_ms.saturating_sub(now_ms) {
        0 => LONGEST,
        left => Duration::from_millis(left),
    }
}

/// The answer, with what came before it: a stream of events that is sent as a whole.
async fn collected(
    driven: impl Future<Output = Result<Response, Error>>,
    caller: &Attendance,
) -> Result<Response, Error> {
    let (mut driven, mut events) = (pin!(driven), String::new());
    let answer = loop {
        tokio::select! {
            biased;
            answer = driven.as_mut() => break answer,
            frame = caller.frame() => events.extend(frame.map(|frame| event(&frame))),
        }
        if events.len() > LARGEST {
            caller.leave();
        }
    };
    if !caller.started() {
        return answer;
    }
    // Nothing has left yet: what failed is answered as such, not as a stream without an end.
    let last = answer?;
    caller.end(Some(last.body.text().into_owned()));
    while let Some(frame) = caller.frame().await {
        events.push_str(&event(&frame));
    }
    let mut headers = last.headers;
    headers.retain(|(name, _)| name != "content-type");
    let events_only = [("content-type", "text/event-stream"), ("x-accel-buffering", "no")];
    headers.extend(events_only.map(|(name, value)| (name.to_owned(), value.to_owned())));
    Ok(Response { status: 200, headers, body: events.into() })
}

fn late(error: Error) -> Error {
    if error.kind() == ErrorKind::Cancelled {
        return Error::deadline("the time of the request ran out").suggest("read the job: what was begun goes on");
    }
    error
}

/// The answer as the front door takes it; one that is too large for Lambda becomes an error that says so.
fn bounded(response: Response, format: Format) -> Result<Value, Error> {
    let encode = |response| {
        serde_json::to_value(Reply::new(response, format)).map_err(|error| Error::malformed(error.to_string()))
    };
    let length = response.body.as_slice().len();
    if length <= LARGEST / 2 {
        return encode(response);
    }
    let reply = encode(response)?;
    if reply.to_string().len() <= LARGEST {
        return Ok(reply);
    }
    encode(response_of(
        &Error::new(ErrorKind::PayloadTooLarge, "answer_too_large", "the answer is larger than Lambda can return")
            .suggest("ask for a smaller page"),
    ))
}

#[cfg(test)]
mod tests;
