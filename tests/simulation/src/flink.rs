//! A Flink session cluster as `reference/runners.md` section 2 saw it: one submission per job id while the `JobManager`
//! lives, views that are up to three seconds old, operations forgotten after five minutes and jobs an hour after their
//! end, and everything gone with a restart.

mod answer;
mod job;

use std::collections::{BTreeMap, BTreeSet};

use beam_mcp_core::{
    effect::{Body, Method, Request, Response},
    url::decode,
};
use serde_json::Value;

pub use job::FlinkJob;
use job::Status;

use crate::{
    plant::Plant,
    random::Random,
    runner::{Answer, Claim, Did, End, Message, Runner},
};

/// `web.refresh-interval`.
const REFRESH_MS: u64 = 3_000;
/// `rest.async.store-duration`.
pub(crate) const REMEMBERED_MS: u64 = 300_000;
/// `jobstore.expiration-time`.
const EXPIRES_MS: u64 = 3_600_000;

/// One cluster.
#[derive(Debug)]
pub struct Flink {
    jobs: BTreeMap<String, FlinkJob>,
    submitted: BTreeSet<String>,
    jars: Vec<(String, String, u64)>,
    /// Paths of savepoints that were written; they outlive the cluster.
    savepoints: BTreeSet<String>,
    /// The adaptive scheduler is on.
    adaptive: bool,
    /// Restarts of the `JobManager`.
    incarnation: u64,
    down_until: u64,
    /// Jobs that ran when the `JobManager` died.
    killed: BTreeSet<String>,
    random: Random,
    plant: Option<Plant>,
}

impl Runner for Flink {
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
        Answer::Http(answer::no_job("0"))
    }

    fn subject(&self, message: &Message) -> Option<String> {
        let Message::Http(request) = message else { return None };
        let token = match &request.body {
            Body::Json(body) if request.path.ends_with("/run") => body.get("jobId").and_then(Value::as_str),
            _ => request.path.strip_prefix("/jobs/").and_then(|rest| rest.get(..32)),
        };
        token.map(str::to_owned)
    }

    fn natives(&self, token: &str) -> Vec<String> {
        vec![token.to_owned()]
    }

    /// The `JobManager` dies and comes back without anything.
    fn restart(&mut self, now: u64) {
        self.settle(now);
        let running = self.jobs.iter().filter(|(_, job)| job.end(now).is_none()).map(|(id, _)| id.clone());
        self.killed.extend(running);
        self.jobs.clear();
        self.submitted.clear();
        self.jars.clear();
        self.incarnation += 1;
        self.down_until = now + self.random.between(500, 8_000);
    }

    fn is_down(&self, now: u64) -> bool {
        now < self.down_until
    }

    fn incarnation(&self) -> u64 {
        self.incarnation
    }

    fn runs(&self, token: &str, now: u64) -> bool {
        self.jobs.get(token).is_some_and(|job| job.end(now).is_none())
    }

    fn end_of(&self, claim: &Claim<'_>, now: u64) -> Option<End> {
        self.jobs.get(claim.token).and_then(|job| job.end(now))
    }

    fn was_killed(&self, claim: &Claim<'_>) -> bool {
        self.killed.contains(claim.token)
    }

    fn wrote(&self, savepoint: &str) -> bool {
        self.savepoints.contains(savepoint)
    }
}

impl Flink {
    /// A cluster without jobs.
    pub fn new(mut random: Random, plant: Option<Plant>) -> Self {
        let adaptive = random.chance(7_000);
        Self {
            jobs: BTreeMap::new(),
            submitted: BTreeSet::new(),
            jars: Vec::new(),
            savepoints: BTreeSet::new(),
            adaptive,
            incarnation: 0,
            down_until: 0,
            killed: BTreeSet::new(),
            random,
            plant,
        }
    }

    /// Writes down the savepoints that are finished by now.
    fn settle(&mut self, now: u64) {
        for (id, job) in &mut self.jobs {
            job.settle(id, now, &mut self.savepoints);
        }
        let submitted = &mut self.submitted;
        self.jobs.retain(|id, job| {
            let kept = job.ended_at(now).is_none_or(|at| at + EXPIRES_MS > now);
            if !kept {
                submitted.remove(id);
            }
            kept
        });
    }

    fn request(&mut self, request: &Request, now: u64, wall_ms: u64) -> (Response, Did) {
        self.settle(now);
        let path = request.path.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let seen = now - now % REFRESH_MS;
        let offset = wall_ms.saturating_sub(now);
        let response = match (request.method, parts.as_slice()) {
            (Method::Get, ["config"]) => answer::config(self.adaptive),
            (Method::Get, ["overview"]) => answer::overview(),
            (Method::Get, ["jobmanager", "config"]) => {
                let same = self.plant == Some(Plant::SameMemory);
                answer::settings(if same { 0 } else { self.incarnation })
            }
            (Method::Get, ["jobs", "overview"]) => {
                answer::jobs(self.jobs.iter().filter(|(_, job)| job.started <= seen), seen, offset)
            }
            (Method::Get, ["jobs", id]) => match self.jobs.get(*id) {
                Some(job) => answer::job(id, job, seen.max(job.started), offset),
                None if self.plant == Some(Plant::InventedEnd) => answer::finished(id),
                None => answer::no_job(id),
            },
            (Method::Get, ["jobs", id, "checkpoints"]) => match self.jobs.get(*id) {
                Some(job) => answer::checkpoints(job, seen.max(job.started), offset),
                None => answer::no_job(id),
            },
            (Method::Get, ["jobs", id, "exceptions"]) => answer::exceptions(self.jobs.contains_key(*id), id),
            (Method::Get, ["jobs", id, "execution-result"]) => match self.jobs.get(*id) {
                Some(job) => answer::result(id, job.end(now)),
                None => answer::no_job(id),
            },
            (Method::Get, ["jobs", id, "savepoints", trigger]) => self.status(id, trigger, now),
            (Method::Get, ["jobs", id, "resource-requirements"]) => answer::requirements(self.jobs.contains_key(*id)),
            (Method::Get, ["jars"]) => answer::jars(&self.jars),
            (Method::Post, ["jars", "upload"]) => self.upload(request, wall_ms),
            (Method::Post, ["jars", jar, "run"]) => return self.run(jar, request, now),
            (Method::Delete, ["jars", jar]) => self.delete(jar),
            (Method::Patch, ["jobs", id]) => self.cancel(id, now),
            (Method::Post, ["jobs", id, "savepoints"]) => return self.trigger(id, request, now, false),
            (Method::Post, ["jobs", id, "stop"]) => return self.trigger(id, request, now, true),
            (Method::Put, ["jobs", id, "resource-requirements"]) => self.scale(id, request, now),
            (Method::Get, ["jobs", _, "accumulators"]) => answer::accumulators(),
            (Method::Get, _) if path.ends_with("/metrics") => answer::ok("[]".into()),
            (Method::Get, _) if path.ends_with("/logs") => answer::ok(r#"{"logs":[]}"#.into()),
            _ => answer::unknown_path(path),
        };
        (response, Did::Nothing)
    }

    fn upload(&mut self, request: &Request, wall_ms: u64) -> Response {
        let Body::Multipart(parts) = &request.body else { return answer::bad_request("no file") };
        let name = parts.first().map(|part| part.file_name.clone()).unwrap_or_default();
        let id = format!("{:016x}_{name}", self.random.below(u64::MAX));
        self.jars.push((id.clone(), name, wall_ms));
        answer::ok(format!(r#"{{"filename":"/srv/flink/web/flink-web-upload/{id}","status":"success"}}"#))
    }

    fn delete(&mut self, jar: &str) -> Response {
        let jar = decode(jar, false).unwrap_or_default();
        let before = self.jars.len();
        self.jars.retain(|(id, ..)| *id != jar);
        if self.jars.len() < before { answer::ok("{}".into()) } else { answer::bad_request("no such jar") }
    }

    fn run(&mut self, jar: &str, request: &Request, now: u64) -> (Response, Did) {
        let Body::Json(body) = &request.body else { return (answer::bad_request("no body"), Did::Nothing) };
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let jar = decode(jar, false).unwrap_or_default();
        if !self.jars.iter().any(|(id, ..)| *id == jar) {
            return (answer::no_jar(&jar), Did::Nothing);
        }
        let id = text("jobId").to_owned();
        let arguments = body.get("programArgsList").and_then(Value::as_array);
        let has =
            |word: &str| arguments.is_some_and(|all| all.iter().any(|v| v.as_str().is_some_and(|v| v.contains(word))));
        if has("main=throws") {
            return (answer::main_failed(), Did::Nothing);
        }
        if !self.submitted.insert(id.clone()) {
            return (answer::duplicate(&id), Did::Nothing);
        }
        let savepoint = body.get("savepointPath").and_then(Value::as_str);
        let mut job = FlinkJob::new(&id, now, &mut self.random, has("batch"));
        if savepoint.is_some_and(|path| !self.savepoints.contains(path)) {
            job.fail_at(now + 150);
        }
        job.parallelism = body.get("parallelism").and_then(Value::as_u64).unwrap_or(1);
        self.jobs.insert(id.clone(), job);
        (answer::ok(format!(r#"{{"jobid":"{id}"}}"#)), Did::Started(id))
    }

    fn cancel(&mut self, id: &str, now: u64) -> Response {
        let Some(job) = self.jobs.get_mut(id) else { return answer::no_job(id) };
        match job.end(now) {
            None => job.cancel(now + self.random.between(20, 2_000)),
            Some(End::Canceled) => {}
            Some(end) => return answer::already_ended(end),
        }
        answer::accepted("{}".into())
    }

    fn trigger(&mut self, id: &str, request: &Request, now: u64, stop: bool) -> (Response, Did) {
        let Body::Json(body) = &request.body else { return (answer::bad_request("no body"), Did::Nothing) };
        let trigger = body.get("triggerId").and_then(Value::as_str).unwrap_or_default().to_owned();
        let drain = body.get("drain").and_then(Value::as_bool).unwrap_or(false);
        let accepted = answer::accepted(format!(r#"{{"request-id":"{trigger}"}}"#));
        // Flink takes a savepoint of a job it does not know, and tells the failure later.
        let Some(job) = self.jobs.get_mut(id) else { return (accepted, Did::Nothing) };
        if job.remembers(&trigger, now) {
            return (accepted, Did::Nothing);
        }
        job.savepoint(&trigger, now, &mut self.random, stop.then_some(drain));
        (accepted, Did::Triggered(trigger))
    }

    fn status(&mut self, id: &str, trigger: &str, now: u64) -> Response {
        if self.plant == Some(Plant::InventedSavepoint) {
            return answer::status(&Status::Written(job::path(id, trigger)));
        }
        let known = self.jobs.get(id).and_then(|job| job.status(id, trigger, now));
        known.map_or_else(|| answer::no_trigger(id, trigger), |status| answer::status(&status))
    }

    fn scale(&mut self, id: &str, request: &Request, now: u64) -> Response {
        if !self.adaptive {
            return answer::not_adaptive();
        }
        let Some(job) = self.jobs.get_mut(id) else { return answer::no_job_500(id) };
        let Body::Json(body) = &request.body else { return answer::bad_request("no body") };
        let wish = body.get(answer::VERTEX).and_then(|vertex| vertex.pointer("/parallelism/upperBound"));
        match wish.and_then(Value::as_u64) {
            Some(wish) if job.end(now).is_none() => {
                let at = if self.random.chance(8_500) { now + self.random.between(200, 30_000) } else { u64::MAX };
                job.rescale(wish, at);
                answer::ok("{}".into())
            }
            Some(_) => answer::no_job_500(id),
            None => answer::bad_request("a vertex is missing"),
        }
    }
}
