//! One project and region of Dataflow as its emulator speaks (`tests/dataflow`, made from Google's document): names that
//! one active job has at a time, jobs that are not shown for a while after their launch, lists in pages that a region
//! may fail to fill, and nothing that is ever forgotten.

mod answer;
mod job;

use beam_mcp_core::{
    effect::{Body, Method, Request, Response},
    url::pairs,
};
use serde_json::Value;

use job::{DataflowJob, Wish};

use crate::{
    plant::Plant,
    random::Random,
    runner::{Answer, Claim, Did, End, Message, Runner},
};

/// Jobs of one page of a list: few, so that there is a second one.
const PAGE: usize = 2;
const PLACE: &str = "/v1b3/projects/acme-prod/locations/us-central1/";

/// One project in one region.
#[derive(Debug)]
pub struct Dataflow {
    jobs: Vec<DataflowJob>,
    snapshots: Vec<Snapshot>,
    down_until: u64,
    random: Random,
    plant: Option<Plant>,
}

/// A snapshot.
#[derive(Debug)]
struct Snapshot {
    id: String,
    job: String,
    description: String,
    taken: u64,
    listed: u64,
    done: u64,
    fails: bool,
}

impl Dataflow {
    /// A region without jobs.
    pub fn new(random: Random, plant: Option<Plant>) -> Self {
        Self { jobs: Vec::new(), snapshots: Vec::new(), down_until: 0, random, plant }
    }

    fn request(&mut self, request: &Request, now: u64, wall_ms: u64) -> (Response, Did) {
        let Some(rest) = request.path.strip_prefix(PLACE) else {
            return (answer::denied(), Did::Nothing);
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let parts: Vec<&str> = path.split('/').collect();
        let offset = wall_ms.saturating_sub(now);
        let response = match (request.method, parts.as_slice()) {
            (Method::Get, ["jobs"]) => self.list(query, now, offset),
            (Method::Get, ["templates:get"]) => answer::template(query),
            (Method::Post, ["templates:launch" | "flexTemplates:launch"]) => return self.launch(request, now, offset),
            (Method::Post, ["jobs", id]) if id.ends_with(":snapshot") => {
                return self.snapshot(id.trim_end_matches(":snapshot"), request, now);
            }
            (Method::Get, ["snapshots", id]) => self.snapshot_by_id(id, now),
            (_, ["jobs", id, ..]) => match self.find(id, now) {
                Some(at) => self.about(at, request, &parts, now, offset),
                None => answer::no_job(id),
            },
            _ => answer::denied(),
        };
        (response, Did::Nothing)
    }

    /// What is asked or wanted of a job that is shown.
    fn about(&mut self, at: usize, request: &Request, parts: &[&str], now: u64, offset: u64) -> Response {
        let job = &mut self.jobs[at];
        match (request.method, &parts[2..]) {
            (Method::Get, []) => answer::job(job, now, offset, request.path.contains("JOB_VIEW_ALL")),
            (Method::Get, ["snapshots"]) => {
                answer::snapshots(self.snapshots.iter().filter(|one| one.job == job.id && one.listed <= now), now)
            }
            (Method::Get, ["messages"]) => answer::messages(job, now, offset),
            (Method::Get, ["metrics"]) => answer::metrics(now + offset),
            (Method::Get, ["executionDetails"]) => answer::stages(),
            (Method::Put, []) => match job.change(&wish(request), now, &mut self.random) {
                Ok(()) if self.plant == Some(Plant::IgnoredWish) => {
                    job.forget_wish();
                    answer::job(job, now, offset, false)
                }
                Ok(()) => answer::job(job, now, offset, false),
                Err(text) => answer::precondition(&text),
            },
            _ => answer::denied(),
        }
    }

    fn find(&self, id: &str, now: u64) -> Option<usize> {
        self.jobs.iter().position(|job| job.id == id && job.shown <= now)
    }

    /// A list without a page of its region is not whole, and says so.
    fn list(&mut self, query: &str, now: u64, offset: u64) -> Response {
        let pairs = pairs(query).unwrap_or_default();
        let value = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        let (name, active) = (value("name"), value("filter") == Some("ACTIVE"));
        let from: usize = value("pageToken").and_then(|token| token.parse().ok()).unwrap_or(0);
        if self.random.chance(100) {
            return answer::failed_region();
        }
        let blind = self.plant == Some(Plant::BlindNames) && name.is_some();
        let fits = |job: &&DataflowJob| {
            let named = name.is_none_or(|name| job.name == name);
            named && !blind && job.shown <= now && !(active && job.end(now).is_some())
        };
        let all: Vec<&DataflowJob> = self.jobs.iter().rev().filter(fits).collect();
        answer::jobs(
            all.iter().skip(from).take(PAGE).copied(),
            (from + PAGE < all.len()).then_some(from + PAGE),
            now,
            offset,
        )
    }

    fn launch(&mut self, request: &Request, now: u64, offset: u64) -> (Response, Did) {
        let Body::Json(body) = &request.body else { return (answer::invalid("no body"), Did::Nothing) };
        let launch = body.get("launchParameter").unwrap_or(body);
        let label = launch["environment"]["additionalUserLabels"]["beam_mcp_job"].as_str();
        let (Some(name), Some(token)) = (launch["jobName"].as_str(), label) else {
            return (answer::invalid("The job name is invalid"), Did::Nothing);
        };
        let active = self.jobs.iter().any(|job| job.name == name && job.end(now).is_none());
        if active && self.plant != Some(Plant::SharedNames) {
            let response = answer::taken(name, self.plant == Some(Plant::TakenIsRefusal));
            return (response, Did::Nothing);
        }
        let number = self.jobs.len() + 1;
        let streaming =
            request.path.contains("Stream") || launch["containerSpecGcsPath"].to_string().contains("Stream");
        let id = answer::job_id(now + offset, number);
        let job = DataflowJob::new(id, name, token, now, &mut self.random, streaming);
        let response = answer::launched(&job, now, offset);
        self.jobs.push(job);
        (response, Did::Started(token.to_owned()))
    }

    fn snapshot(&mut self, id: &str, request: &Request, now: u64) -> (Response, Did) {
        let Some(at) = self.find(id, now) else { return (answer::no_job(id), Did::Nothing) };
        if !self.jobs[at].is_running_stream(now) {
            return (answer::precondition("Snapshots are taken of running streaming jobs."), Did::Nothing);
        }
        let description = match &request.body {
            Body::Json(body) => body["description"].as_str().unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        let trigger = description.strip_prefix("beam-mcp ").unwrap_or_default().to_owned();
        self.snapshots.push(Snapshot {
            id: format!("snapshot-{}", self.snapshots.len() + 1),
            job: id.to_owned(),
            description,
            taken: now,
            listed: now + self.random.between(0, 8_000),
            done: now + self.random.between(1_000, 30_000),
            fails: self.random.chance(1_000),
        });
        (answer::snapshot(&self.snapshots[self.snapshots.len() - 1], now), Did::Triggered(trigger))
    }

    fn snapshot_by_id(&self, id: &str, now: u64) -> Response {
        let found = self.snapshots.iter().find(|snapshot| snapshot.id == id);
        found.map_or_else(answer::no_snapshot, |snapshot| answer::snapshot(snapshot, now))
    }

    fn of_token(&self, token: &str) -> impl Iterator<Item = &DataflowJob> {
        self.jobs.iter().filter(move |job| job.token == token)
    }
}

impl Snapshot {
    fn state(&self, at: u64) -> &'static str {
        match (self.done <= at, self.fails) {
            (false, _) if at < self.taken + 500 => "PENDING",
            (false, _) => "RUNNING",
            (true, false) => "READY",
            (true, true) => "FAILED",
        }
    }
}

/// What an update asks for.
fn wish(request: &Request) -> Wish {
    let Body::Json(body) = &request.body else { return Wish::Nothing };
    let masked = request.path.contains("updateMask=");
    let workers = |name: &str| body["runtimeUpdatableParams"][name].as_u64();
    match (body.get("requestedState").and_then(Value::as_str), masked) {
        (Some("JOB_STATE_CANCELLED"), false) => Wish::Cancel,
        (Some("JOB_STATE_DRAINED"), false) => Wish::Drain,
        (None, true) => Wish::Workers(workers("minNumWorkers").unwrap_or(1), workers("maxNumWorkers").unwrap_or(1)),
        _ => Wish::Nothing,
    }
}

impl Runner for Dataflow {
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
        Answer::Http(answer::no_job("nothing"))
    }

    fn subject(&self, message: &Message) -> Option<String> {
        let Message::Http(request) = message else { return None };
        if let Body::Json(body) = &request.body
            && let Some(name) = body.get("launchParameter").unwrap_or(body)["jobName"].as_str()
        {
            return name.rsplit('-').next().map(str::to_owned);
        }
        let id = request.path.strip_prefix(PLACE)?.strip_prefix("jobs/")?.split(['/', '?', ':']).next()?;
        self.jobs.iter().find(|job| job.id == id).map(|job| job.token.clone())
    }

    fn natives(&self, token: &str) -> Vec<String> {
        self.of_token(token).map(|job| job.id.clone()).collect()
    }

    /// The region does not answer for a while; it forgets nothing.
    fn restart(&mut self, now: u64) {
        self.down_until = now + self.random.between(500, 8_000);
    }

    fn is_down(&self, now: u64) -> bool {
        now < self.down_until
    }

    fn incarnation(&self) -> u64 {
        0
    }

    fn runs(&self, token: &str, now: u64) -> bool {
        self.of_token(token).any(|job| job.end(now).is_none())
    }

    fn end_of(&self, claim: &Claim<'_>, now: u64) -> Option<End> {
        self.of_token(claim.token).find(|job| !claim.strays.contains(&job.id)).and_then(|job| job.end(now))
    }

    fn was_killed(&self, _: &Claim<'_>) -> bool {
        false
    }

    fn wrote(&self, savepoint: &str) -> bool {
        self.snapshots.iter().any(|snapshot| snapshot.id == savepoint && !snapshot.fails)
    }
}
