//! A job service: Prism or Beam's Python local job service, as `reference/runners.md` section 4.4 and the recordings in
//! `tests/vectors/portable` saw them. `Run` runs again each time, all is forgotten with a restart, Prism counts its jobs
//! anew then and dies of a `Run` it knows nothing of, and Python says CANCELLED of what goes on.

mod answer;
mod pipeline;

use std::collections::BTreeSet;

use beam_mcp_core::{
    effect::Blob,
    job_api::{
        message::Prepare,
        protobuf::{Encoder, Message as Fields},
        structure,
    },
};

use pipeline::Pipeline;

use crate::{
    plant::Plant,
    random::Random,
    runner::{Answer, Claim, Did, End, Message, Runner},
};

/// The option a job of ours is known by.
const MARKER: &str = "beam:option:beam_mcp_job:v1";

/// Who implements the Job API.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Beam's Prism.
    Prism,
    /// Beam's Python local job service.
    Python,
}

/// One service.
#[derive(Debug)]
pub struct Service {
    kind: Kind,
    pipelines: Vec<Pipeline>,
    /// Ids and tokens of all pipelines there ever were, the newest last, for those who keep count.
    tokens: Vec<(String, String)>,
    incarnation: u64,
    down_until: u64,
    /// What a restart ended, as `<id>.<token>`: repetitions of late calls run more than one under a token.
    killed: BTreeSet<String>,
    /// A planted bug: what was forgotten is listed.
    forgotten: Vec<Pipeline>,
    random: Random,
    plant: Option<Plant>,
}

impl Service {
    /// A service without jobs: one of both kinds.
    pub fn new(mut random: Random, plant: Option<Plant>) -> Self {
        let kind = if random.chance(5_000) { Kind::Prism } else { Kind::Python };
        Self::of(kind, random, plant)
    }

    /// A service of a kind.
    pub fn of(kind: Kind, random: Random, plant: Option<Plant>) -> Self {
        Self {
            kind,
            pipelines: Vec::new(),
            tokens: Vec::new(),
            incarnation: 0,
            down_until: 0,
            killed: BTreeSet::new(),
            forgotten: Vec::new(),
            random,
            plant,
        }
    }

    fn call(&mut self, method: &str, body: &Blob, now: u64, offset: u64) -> (Answer, Did) {
        let id = Fields::read(body.as_slice()).map(|message| message.text(1)).unwrap_or_default();
        let at = self.pipelines.iter().position(|pipeline| pipeline.id == id);
        let answer = match (method, at) {
            ("GetJobs", _) => answer::jobs(self.pipelines.iter().chain(&self.forgotten), now),
            ("Prepare", _) => self.prepare(body, now),
            ("Run", Some(at)) => return self.run(at, now),
            ("Run", None) if self.kind == Kind::Prism => return (answer::ok(Vec::new()), Did::Died),
            ("Cancel", Some(at)) => self.cancel(at, now),
            ("Cancel", None) if self.kind == Kind::Prism => answer::ok(Vec::new()),
            ("Drain", _) => answer::no_drain(self.kind),
            ("GetState", Some(at)) => answer::state(&self.pipelines[at], now, offset),
            ("GetMessageStream", Some(at)) => answer::messages(&self.pipelines[at], now),
            ("GetJobMetrics", Some(_)) => answer::ok(Encoder::new().bytes(1, &[]).finish()),
            _ => answer::no_job(self.tells(), &id),
        };
        (answer, Did::Nothing)
    }

    /// Who it says that it is.
    fn tells(&self) -> Kind {
        if self.plant == Some(Plant::BelievedCancel) { Kind::Prism } else { self.kind }
    }

    /// Keeps a pipeline under an id of its own, and runs nothing.
    fn prepare(&mut self, body: &Blob, now: u64) -> Answer {
        let Ok(prepare) = Prepare::read(body.as_slice()) else { return answer::raised("unmarshal") };
        let options = structure::read(&prepare.options).unwrap_or_default();
        let token = options.get(MARKER).and_then(|token| token.as_str()).unwrap_or_default().to_owned();
        let id = match self.kind {
            Kind::Prism => format!("job-{:03}", self.pipelines.len() + 1),
            Kind::Python => format!("{}-{:016x}", prepare.job_name, self.random.below(u64::MAX)),
        };
        self.tokens.push((id.clone(), token.clone()));
        self.pipelines.push(Pipeline::new(&id, &prepare.job_name, prepare.options, token, now));
        answer::prepared(&id)
    }

    fn run(&mut self, at: usize, now: u64) -> (Answer, Did) {
        let pipeline = &mut self.pipelines[at];
        pipeline.run(now, &mut self.random, self.kind);
        // A repetition of its `Prepare` and its `Run` that arrived after a restart: its end is what is seen now.
        self.killed.remove(&pipeline.native_id());
        (answer::ran(&pipeline.id), Did::Started(pipeline.token.clone()))
    }

    /// Prism ends its workers. Python says that it has, and does not.
    fn cancel(&mut self, at: usize, now: u64) -> Answer {
        let lies = self.kind == Kind::Python || self.plant == Some(Plant::DeafCancel);
        let ends = now + self.random.between(20, 3_000);
        let pipeline = &mut self.pipelines[at];
        if lies {
            pipeline.pretend(now);
        } else {
            pipeline.cancel(now, ends);
        }
        answer::of_state(pipeline.state(now))
    }

    fn of_token(&self, token: &str) -> impl Iterator<Item = &Pipeline> {
        self.pipelines.iter().filter(move |pipeline| pipeline.token == token)
    }
}

impl Runner for Service {
    fn answer(&mut self, message: &Message, now: u64, wall_ms: u64) -> (Answer, Did) {
        match message {
            Message::Rpc { method, body, .. } => self.call(method, body, now, wall_ms.saturating_sub(now)),
            Message::Http(_) => (self.unknown(), Did::Nothing),
        }
    }

    fn unknown(&self) -> Answer {
        answer::no_job(self.kind, "nobody")
    }

    fn subject(&self, message: &Message) -> Option<String> {
        let Message::Rpc { method, body, .. } = message else { return None };
        if method == "Prepare" {
            return None;
        }
        let id = Fields::read(body.as_slice()).ok()?.text(1);
        self.tokens.iter().rev().find(|(known, _)| *known == id).map(|(_, token)| token.clone())
    }

    fn natives(&self, token: &str) -> Vec<String> {
        self.tokens.iter().filter(|(_, other)| other == token).map(|(id, token)| format!("{id}.{token}")).collect()
    }

    /// It dies, its pipelines with it, and comes back without any.
    fn restart(&mut self, now: u64) {
        let running = self.pipelines.iter().filter(|pipeline| pipeline.runs(now));
        self.killed.extend(running.map(Pipeline::native_id));
        let forgotten = std::mem::take(&mut self.pipelines);
        if self.plant == Some(Plant::ForgottenIsCanceled) {
            self.forgotten
                .extend(forgotten.into_iter().filter(|one| one.runs(now)).map(|one| one.ended_by_cancel(now)));
        }
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
        self.of_token(token).any(|pipeline| pipeline.runs(now))
    }

    fn end_of(&self, claim: &Claim<'_>, now: u64) -> Option<End> {
        let own = || self.of_token(claim.token).filter(|pipeline| !claim.strays.contains(&pipeline.native_id()));
        let claimed = own().find(|pipeline| claim.native == Some(&pipeline.native_id()));
        claimed.map_or_else(|| own().find_map(|pipeline| pipeline.end(now)), |pipeline| pipeline.end(now))
    }

    fn was_killed(&self, claim: &Claim<'_>) -> bool {
        match claim.native {
            Some(native) => self.killed.contains(native),
            None => self.killed.iter().any(|native| native.ends_with(claim.token)),
        }
    }

    /// The Job API has none.
    fn wrote(&self, _savepoint: &str) -> bool {
        false
    }
}
