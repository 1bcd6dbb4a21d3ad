//! A standalone Spark as `reference/runners.md` section 3 saw it: a driver for every submission, under an id of Spark's
//! own; ours bears its token in the launch command its worker writes, and nowhere else. A kill of what has ended is a
//! success of HTTP that says `false`, an application is FINISHED however its driver ended, and a restarted master
//! knows no driver any more.

mod answer;
mod driver;

use std::collections::{BTreeMap, BTreeSet};

use beam_mcp_core::{
    effect::{Body, Method, Request, Response},
    url::pairs,
};
use serde_json::Value;

use driver::Driver;

use crate::{
    plant::Plant,
    random::Random,
    runner::{Answer, Claim, Did, End, Message, Runner},
};

/// Where the configuration of the world says that its servers are.
pub(crate) const REST: &str = "http://spark:6066";
pub(crate) const MASTER: &str = "http://spark:8080";
pub(crate) const HISTORY: &str = "http://spark:18080";
const WORKER: &str = "http://spark:8081";
const DRIVER: &str = "http://spark:4040";

/// One cluster.
#[derive(Debug)]
pub struct Spark {
    drivers: BTreeMap<String, Driver>,
    /// Tokens of all drivers there ever were, for those who keep count.
    tokens: BTreeMap<String, String>,
    /// Drivers of this master.
    count: u32,
    incarnation: u64,
    down_until: u64,
    /// When the worker has registered again.
    worker_from: u64,
    killed: BTreeSet<String>,
    random: Random,
    plant: Option<Plant>,
}

impl Spark {
    /// A cluster without drivers.
    pub fn new(random: Random, plant: Option<Plant>) -> Self {
        Self {
            drivers: BTreeMap::new(),
            tokens: BTreeMap::new(),
            count: 0,
            incarnation: 0,
            down_until: 0,
            worker_from: 0,
            killed: BTreeSet::new(),
            random,
            plant,
        }
    }

    fn request(&mut self, request: &Request, now: u64, wall_ms: u64) -> (Response, Did) {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let offset = wall_ms.saturating_sub(now);
        let response = match (request.method, request.server.as_deref(), parts.as_slice()) {
            (Method::Get, None, [""]) => answer::version(),
            (Method::Post, None, ["v1", "submissions", "create"]) => return self.create(request, now, offset),
            (Method::Get, None, ["v1", "submissions", "status", id]) => answer::status(id, self.drivers.get(*id), now),
            (Method::Post, None, ["v1", "submissions", "kill", id]) => self.kill(id, now),
            (Method::Get, Some(MASTER), ["json"]) => {
                answer::master(&self.drivers, now, offset, self.worker_from <= now)
            }
            (Method::Get, Some(MASTER), ["app"]) => answer::application_page(DRIVER),
            (Method::Get, Some(WORKER), ["log"]) => self.log(query, now),
            (Method::Get, Some(DRIVER | HISTORY), ["api", "v1", "applications", _, _]) => answer::ok("[]".into()),
            _ => answer::no_page(path),
        };
        (response, Did::Nothing)
    }

    fn create(&mut self, request: &Request, now: u64, offset: u64) -> (Response, Did) {
        let Body::Json(body) = &request.body else { return (answer::malformed(), Did::Nothing) };
        let property = |name: &str| body["sparkProperties"].get(name).and_then(Value::as_str).unwrap_or_default();
        let (Some(class), Some(_)) = (body["mainClass"].as_str(), body["appResource"].as_str()) else {
            return (answer::malformed(), Did::Nothing);
        };
        let arguments = body["appArgs"].as_array();
        let batch = arguments.is_some_and(|all| all.iter().any(|argument| argument == "batch"));
        let (token, id) = (property("spark.beam.jobId").to_owned(), answer::driver_id(now + offset, self.count));
        let from = now.max(self.worker_from);
        let driver = Driver::new(&token, class, property("spark.app.name"), now, from, &mut self.random, batch);
        self.count += 1;
        self.tokens.insert(id.clone(), token.clone());
        self.drivers.insert(id.clone(), driver);
        (answer::created(&id), Did::Started(token))
    }

    fn kill(&mut self, id: &str, now: u64) -> Response {
        match self.drivers.get_mut(id).filter(|driver| driver.end(now).is_none()) {
            Some(driver) => {
                if self.plant != Some(Plant::DeafKill) {
                    driver.kill(now + self.random.between(20, 400));
                }
                answer::killed(id)
            }
            None => answer::not_killed(id),
        }
    }

    fn log(&self, query: &str, now: u64) -> Response {
        let pairs = pairs(query).unwrap_or_default();
        let value = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let id = value("driverId").unwrap_or_default();
        let text = self.drivers.get(id).and_then(|driver| driver.stderr(now, self.plant == Some(Plant::Unmarked)));
        let number = |name: &str| value(name).and_then(|value| value.parse::<usize>().ok());
        answer::log(id, text.as_deref(), number("offset"), number("byteLength").unwrap_or(1 << 16))
    }

    fn of_token(&self, token: &str) -> impl Iterator<Item = &Driver> {
        self.drivers.values().filter(move |driver| driver.token == token)
    }
}

impl Runner for Spark {
    fn answer(&mut self, message: &Message, now: u64, wall_ms: u64) -> (Answer, Did) {
        match message {
            Message::Http(request) => {
                let (response, did) = self.request(request, now, wall_ms);
                (Answer::Http(response), did)
            }
            Message::Rpc { .. } => (self.unknown(), Did::Nothing),
        }
    }

    fn unknown(&self) -> Answer {
        Answer::Http(answer::status("driver-20261120000000-0000", None, 0))
    }

    fn subject(&self, message: &Message) -> Option<String> {
        let Message::Http(request) = message else { return None };
        if let Body::Json(body) = &request.body {
            return body["sparkProperties"]["spark.beam.jobId"].as_str().map(str::to_owned);
        }
        self.tokens.get(request.path.rsplit('/').next()?).cloned()
    }

    fn natives(&self, token: &str) -> Vec<String> {
        self.tokens.iter().filter(|(_, other)| *other == token).map(|(id, _)| id.clone()).collect()
    }

    /// The master dies and comes back without a driver; its worker ends those the new master does not know.
    fn restart(&mut self, now: u64) {
        let running = self.drivers.values().filter(|driver| driver.end(now).is_none());
        self.killed.extend(running.map(|driver| driver.token.clone()));
        self.drivers.clear();
        self.count = 0;
        self.incarnation += 1;
        self.down_until = now + self.random.between(2_000, 12_000);
        self.worker_from = self.down_until + self.random.between(500, 10_000);
    }

    fn is_down(&self, now: u64) -> bool {
        now < self.down_until
    }

    fn incarnation(&self) -> u64 {
        self.incarnation
    }

    fn runs(&self, token: &str, now: u64) -> bool {
        self.of_token(token).any(|driver| driver.end(now).is_none())
    }

    fn end_of(&self, claim: &Claim<'_>, now: u64) -> Option<End> {
        let own = self.drivers.iter().filter(|(id, driver)| driver.token == claim.token && !claim.strays.contains(id));
        own.map(|(_, driver)| driver).find_map(|driver| driver.end(now))
    }

    fn was_killed(&self, claim: &Claim<'_>) -> bool {
        self.killed.contains(claim.token)
    }

    /// Spark has none.
    fn wrote(&self, _savepoint: &str) -> bool {
        false
    }
}
