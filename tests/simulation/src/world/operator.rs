use beam_mcp_core::{
    job::{Job, JobState, Phase},
    random::sha256_hex,
};
use serde_json::Value;

use super::{Event, World};
use crate::{
    client::{Ask, Case, Client, TENANTS},
    ledger::SeenJob,
    profile::{Cell, Profile},
    random::Random,
};

/// The operator's own chances: whether there is one shifts nobody else's.
const PURPOSE: u64 = 200;
/// Most times an operator comes back once all is settled.
const TURNS: u64 = 3;

/// The operator of a schedule, where it has one, with how often it comes back in the end.
pub(super) fn operator(profile: &Profile) -> Option<(Client, u64)> {
    let mut random = Random::new(profile.seed, PURPOSE);
    let (actions, turns) = (usize::try_from(random.below(4)).unwrap_or(0), random.between(1, TURNS));
    let tenant = usize::from(profile.clients > 2 && random.chance(3_000));
    let client = Client { tenant, operator: true, ..Client::new(random, 0, actions) };
    profile.operator.then_some((client, turns))
}

impl World<'_> {
    /// What the operator does next: mostly about a job somebody should look at.
    pub(super) fn operate(&mut self, number: usize) -> Ask {
        let tenant = TENANTS[self.clients[number].tenant].0;
        let own = |seen: &&SeenJob| seen.tenant == tenant && seen.job.id.token().is_some();
        let jobs: Vec<&SeenJob> = self.ledger.jobs.iter().filter(own).collect();
        let needy: Vec<&SeenJob> = jobs.iter().copied().filter(|seen| seen.job.state.needs_attention()).collect();
        let random = &mut self.clients[number].random;
        let any = needy.is_empty() || random.chance(1_500);
        let from = if any { &jobs } else { &needy };
        let case = if from.is_empty() { None } else { Some(*random.pick(from)) }.map(|seen| self.case(seen));
        self.clients[number].operate(&case.unwrap_or_default())
    }

    fn case(&self, seen: &SeenJob) -> Case {
        // Whose a driver of Spark is cannot always be read: what is not bound yet would be given to whoever asks.
        let known = |other: &&SeenJob| self.profile.cell != Cell::R7 || other.job.native_id.is_some();
        let others =
            self.ledger.jobs.iter().filter(|other| other.job.id != seen.job.id && other.job.id.token().is_some());
        let others = others.filter(known);
        Case {
            job_id: seen.job.id.to_string(),
            state: Some(seen.job.state),
            natives: self.natives(seen),
            others: others.flat_map(|other| self.natives(other)).collect(),
        }
    }

    /// What the runner called that which was sent of a job.
    fn natives(&self, seen: &SeenJob) -> Vec<String> {
        match &self.runner {
            Some(runner) => seen.tokens().flat_map(|token| runner.natives(token)).collect(),
            None => simulated(self.profile.cell, &seen.job),
        }
    }

    /// All is settled: the operator sees to what waits for a decision, perhaps while things go wrong once more.
    pub(super) fn turn(&mut self) -> bool {
        let Some(number) = self.clients.iter().position(|client| client.operator) else { return false };
        let tenant = TENANTS[self.clients[number].tenant].0;
        let waits = |seen: &SeenJob| matches!(seen.job.state, JobState::Parked | JobState::Lost);
        if self.turns == 0 || !self.ledger.jobs.iter().any(|seen| seen.tenant == tenant && waits(seen)) {
            return false;
        }
        self.turns -= 1;
        let client = &mut self.clients[number];
        client.left = usize::try_from(client.random.between(1, 3)).unwrap_or(1);
        let storm = if client.random.chance(6_000) { client.random.between(20_000, 60_000) } else { 0 };
        self.profile.quiet_at = self.now + storm;
        self.say(|_| format!("the operator comes, and {storm} ms of faults"));
        self.queue.push(self.now + 1, Event::Client(number));
        true
    }

    /// What an operator was told is done is in the store.
    pub(super) fn decided(&mut self, number: usize, ask: &Ask, value: &Value) {
        self.clients[number].plan(ask, value);
        let Some(id) = value["job_id"].as_str() else { return };
        if let Some(key) = &ask.key {
            self.keyed(key, ask, id, false);
        }
        let now = self.now;
        let Some(seen) = self.ledger.find(id).map(|index| &self.ledger.jobs[index]) else { return };
        let stored = match ask.verb {
            "adopt_job" => seen.job.phase == Phase::Submitted,
            "abandon_job" => seen.job.state.is_terminal(),
            _ => seen.job.generation > 1,
        };
        if !stored {
            let text = format!("{} of {id} was acknowledged, and it is {:?}", ask.verb, seen.job.phase);
            self.ledger.broken("I3", now, || text);
        }
    }
}

/// What the simulator's cluster calls what was sent of a job; the children of Direct are called by their tokens.
fn simulated(cell: Cell, job: &Job) -> Vec<String> {
    let token = job.token();
    match cell {
        Cell::Named => vec![format!("{}-{token}", job.name.replace(' ', "-"))],
        Cell::Marker | Cell::None => {
            let text = |attempt: u32| format!("simulator {token} {} {attempt}", job.generation);
            (1..=2).map(|attempt| format!("sim-{}", &sha256_hex(text(attempt).as_bytes())[..24])).collect()
        }
        _ => vec![token.to_owned()],
    }
}
