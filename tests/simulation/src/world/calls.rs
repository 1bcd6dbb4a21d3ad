use std::time::Duration;

use beam_mcp_core::{
    auth::{Caller, Role},
    call::{Call, Peer},
    effect::Reply,
    job::JobState,
};
use serde_json::Value;

use super::{Activity, Event, Finished, Id, Owner, Running, World};
use crate::{
    client::{Answer, Ask, Refused, TENANTS},
    fault::Fault,
    plant::Plant,
};

impl Activity {
    pub(super) fn new(flow: Running, process: usize, owner: Owner) -> Self {
        Self { flow, process, owner, turn: 0, waits: Vec::new(), alone: false, subject: None }
    }

    fn must_finish(&self) -> bool {
        match &self.flow {
            Running::Http(flow) => flow.must_finish(),
            Running::Value(flow) => flow.must_finish(),
            Running::Tick(flow) => flow.must_finish(),
        }
    }
}

impl World<'_> {
    /// A client does the next thing: repeats what went unanswered, or something new.
    pub(super) fn client(&mut self, number: usize) {
        let client = &mut self.clients[number];
        if client.waiting > 0 {
            return;
        }
        if client.asked.is_none() {
            if client.left == 0 {
                return;
            }
            client.left -= 1;
            client.begun += 1;
            client.tries = 0;
            let ask = self.compose(number);
            self.clients[number].asked = Some(ask);
        }
        let client = &mut self.clients[number];
        let Some(ask) = client.asked.clone() else { return };
        client.tries += 1;
        let twin = ask.key.is_some() && client.random.chance(1_500);
        for _ in 0..=u32::from(twin) {
            self.call(number, &ask);
        }
        if self.clients[number].waiting == 0 {
            self.again(number);
        }
    }

    fn compose(&mut self, number: usize) -> Ask {
        let client = &mut self.clients[number];
        if client.operator {
            return self.operate(number);
        }
        let act = client.next_act(self.profile.cell);
        client.compose(act, &self.profile)
    }

    /// Sends a call to a process that takes it.
    fn call(&mut self, number: usize, ask: &Ask) {
        let up: Vec<usize> = (0..self.processes.len())
            .filter(|at| self.processes[*at].is_up() && !self.processes[*at].stopping)
            .collect();
        if up.is_empty() {
            return;
        }
        let process = *self.clients[number].random.pick(&up);
        let Some(engine) = self.processes[process].engine.clone() else { return };
        let wrong = self.profile.has(Plant::WrongTenant) && self.chances.chance(500);
        let (tenant, token, _) = TENANTS[(self.clients[number].tenant + usize::from(wrong)) % TENANTS.len()];
        let caller = Caller { tenant: tenant.into(), ..Caller::with_role(tenant, Role::Operator) };
        let short = self.strikes(Fault::ShortDeadline);
        let limit = if short { self.chances.between(1, 3_000) } else { 120_000 };
        let limit = if self.is_lambda() { limit.min(29_000) } else { limit };
        let deadline = self.clock(process).mono + Duration::from_millis(limit);
        let same = self.profile.has(Plant::SameRandomness);
        let call = Call::local(caller, deadline, if same { [7; 32] } else { self.randomness.bytes() });
        let flow = match ask.inbound(token) {
            Some(inbound) => Running::Http(engine.handle(inbound, Call { peer: Peer::Local, ..call })),
            None => Running::Value(engine.run(ask.verb, ask.input.clone(), call)),
        };
        let mut activity = Activity::new(flow, process, Owner::Client(number, Box::new(ask.clone())));
        activity.subject = ask.input.get("job_id").and_then(Value::as_str).and_then(|id| self.ledger.find(id));
        let id = self.enter(activity);
        self.clients[number].waiting += 1;
        self.say(|_| {
            format!(
                "c{number} asks p{process} as f{}.{} by {:?}: {} {}",
                id.at, id.generation, ask.door, ask.verb, ask.input
            )
        });
        if self.strikes(Fault::ClientGone) {
            let at = self.now + self.chances.below(4_000);
            self.queue.push(at, Event::ClientGone(id));
        }
        self.deliver(id, 0, None);
    }

    /// The connection of a client is closed. A server drives what is durable to its end; elsewhere nobody does.
    pub(super) fn client_gone(&mut self, id: Id) {
        let lambda = self.is_lambda();
        let drop_it = (lambda && self.chances.chance(5_000)) || self.profile.has(Plant::DroppedAfterIntent);
        let Some(activity) = self.activity(id).filter(|activity| !activity.alone) else { return };
        activity.alone = true;
        let (must_finish, turn) = (activity.must_finish(), activity.turn);
        let owner = activity.owner.clone();
        self.say(|_| format!("the client of f{}.{} is gone", id.at, id.generation));
        self.left_alone(&owner);
        if drop_it {
            self.leave(id);
        } else if !must_finish && !lambda {
            self.deliver(id, turn, Some(Reply::Cancelled));
        }
    }

    /// A flow ended with its process.
    pub(super) fn unanswered(&mut self, activity: &Activity) {
        if !activity.alone {
            let owner = activity.owner.clone();
            self.left_alone(&owner);
        }
    }

    fn left_alone(&mut self, owner: &Owner) {
        let Owner::Client(number, _) = owner else { return };
        self.clients[*number].waiting = self.clients[*number].waiting.saturating_sub(1);
        if self.clients[*number].waiting == 0 {
            self.again(*number);
        }
    }

    /// Nobody answered: the same again after a while where that is safe, else on to the next thing.
    fn again(&mut self, number: usize) {
        let client = &mut self.clients[number];
        let repeat = client.asked.as_ref().is_some_and(Ask::is_repeatable) && client.tries < 6;
        if !repeat {
            client.asked = None;
        }
        let pause = client.random.between(200, 8_000);
        self.queue.push(self.now + pause, Event::Client(number));
    }

    /// A flow has ended.
    pub(super) fn finished(&mut self, activity: Activity, finished: Finished) {
        let process = activity.process;
        let (number, ask) = match (activity.owner, &finished) {
            (Owner::Ticker, Finished::Tick(result)) => {
                let pause = result.as_ref().map_or(Duration::from_secs(2), |pause| *pause);
                return self.ticked(process, pause);
            }
            (Owner::Ticker, _) => return,
            (Owner::Client(number, ask), _) => (number, *ask),
        };
        if activity.alone {
            return;
        }
        let answer = self.understand(number, &ask, finished);
        let client = &mut self.clients[number];
        client.waiting = client.waiting.saturating_sub(1);
        match answer {
            Some(answer) => self.answered(number, &ask, answer),
            None if self.clients[number].waiting == 0 => self.again(number),
            None => {}
        }
    }

    fn understand(&mut self, number: usize, ask: &Ask, finished: Finished) -> Option<Answer> {
        match finished {
            Finished::Value(result) => Some(Answer::of_value(result)),
            Finished::Http(Ok(response)) => {
                self.look_for_canaries(number, ask, response.body.as_slice());
                Answer::of_response(ask.door, &response)
            }
            Finished::Http(Err(error)) => Some(Answer::of_error(&error)),
            Finished::Tick(_) => None,
        }
    }

    /// No answer holds what belongs to another tenant, unless the caller named it. Standard input belongs to the parent, who is the first tenant.
    fn look_for_canaries(&mut self, number: usize, ask: &Ask, body: &[u8]) {
        let own = TENANTS[self.clients[number].tenant].2;
        let text = String::from_utf8_lossy(body);
        let named = ask.input["native_id"].as_str().unwrap_or_default();
        let shown = |canary: &str| canary != own && text.contains(canary) && !named.contains(canary);
        let foreign = TENANTS.iter().find(|(_, token, canary)| shown(canary) || text.contains(token));
        if let Some((tenant, ..)) = foreign {
            let now = self.now;
            self.ledger.broken("I10", now, || format!("c{number} was shown what belongs to {tenant}"));
        }
    }

    fn answered(&mut self, number: usize, ask: &Ask, answer: Answer) {
        match answer {
            Answer::Success(value) => {
                self.say(|_| format!("c{number} hears of {}: {}", ask.verb, brief(&value)));
                self.succeeded(number, ask, &value);
                self.clients[number].asked = None;
            }
            Answer::Refused(refused) => self.refused_call(number, ask, refused),
        }
        if self.clients[number].waiting > 0 {
            return;
        }
        if self.clients[number].asked.is_some() {
            return self.again(number);
        }
        let pause = self.clients[number].random.between(50, 12_000);
        self.queue.push(self.now + pause, Event::Client(number));
    }

    fn refused_call(&mut self, number: usize, ask: &Ask, refused: Refused) {
        let (code, reason) = (refused.code.as_str(), refused.reason.as_str());
        self.say(|_| format!("c{number} is refused {}: {code} ({reason})", ask.verb));
        let now = self.now;
        if matches!(code, "misuse" | "internal") {
            self.ledger.broken("I13", now, || format!("{} was answered with {code} ({reason})", ask.verb));
        }
        if ask.stolen && reason == "idempotency_key_reused" || !is_passing(code) {
            self.clients[number].asked = None;
        }
        self.kept_refusal(ask, refused);
    }

    /// A submission that was refused has a job all the same: whoever asks again with the key is refused alike.
    fn kept_refusal(&mut self, ask: &Ask, refused: Refused) {
        let made = refused.job.is_some() && refused.job.as_deref() != ask.input["job_id"].as_str();
        let Some(key) = ask.key.as_ref().filter(|_| ask.makes_a_job() && made && refused.code != "conflict") else {
            return;
        };
        let key = format!("{}/{key}", ask.verb);
        match self.ledger.refusals.get(&key).filter(|first| **first != refused) {
            Some(first) => {
                let text = format!("the key {key} was refused with {first:?} and with {refused:?}");
                let now = self.now;
                self.ledger.broken("I5", now, || text);
            }
            None => drop(self.ledger.refusals.insert(key, refused)),
        }
    }

    fn succeeded(&mut self, number: usize, ask: &Ask, value: &Value) {
        let now = self.now;
        if ask.bad {
            self.ledger.broken("I9", now, || format!("nonsense succeeded: {} {}", ask.verb, ask.input));
        }
        if ask.decides() {
            self.decided(number, ask, value);
        }
        let text = |path: &str| value.pointer(path).and_then(Value::as_str);
        let job = text("/job_id").or_else(|| text("/job/job_id")).map(str::to_owned);
        let operation = text("/operation/id").map(str::to_owned);
        if let Some(id) = &job {
            self.shown(number, id, value);
        }
        let made = ask.makes_a_job();
        let subject = if made { job.clone() } else { operation.clone().or(job.clone()) };
        if let Some(subject) = subject.filter(|_| made || operation.is_some()) {
            let failed = text("/state") == Some("FAILED");
            self.asked_for(number, ask, &subject, failed);
        }
        if let (true, Some(id)) = (made, &job) {
            self.acknowledged(number, id);
        }
        if let (Some(operation), Some(id)) = (operation, job) {
            if !self.ledger.operations.contains_key(&operation) {
                self.ledger.broken("I3", now, || format!("{operation} was acknowledged and no row names it"));
            }
            let cancels = ask.verb == "cancel_job" && operation.contains("/cancel-");
            if let (true, Some(index)) = (cancels, self.ledger.find(&id)) {
                self.ledger.jobs[index].cancel_acknowledged = true;
            }
            self.clients[number].operations.push(operation);
        }
    }

    /// G1: what is acknowledged is in the store.
    fn acknowledged(&mut self, number: usize, id: &str) {
        let now = self.now;
        let tenant = TENANTS[self.tenant_of(number)].0;
        let key = beam_mcp_core::store::Kind::Job.key(tenant, id);
        if self.store.get(&key).is_none() {
            self.ledger.broken("I3", now, || format!("{id} was acknowledged and no row names it"));
        }
        self.clients[number].jobs.push(id.to_owned());
    }

    fn tenant_of(&self, number: usize) -> usize {
        self.clients[number].tenant
    }

    /// What one call made is never the answer to another.
    fn asked_for(&mut self, number: usize, ask: &Ask, subject: &str, failed: bool) {
        let now = self.now;
        let name = match &ask.key {
            Some(key) => format!("{}/{key}", ask.verb),
            None => format!("the {}. call of c{number}", self.clients[number].begun),
        };
        // Cancels of one job are one cancel.
        let shared = ask.verb == "cancel_job" && subject.contains("/cancel-");
        let first = self.ledger.subjects.entry(subject.to_owned()).or_insert_with(|| name.clone());
        if *first != name && !shared {
            let text = format!("{subject} was made by {first} and is the answer to {name}");
            self.ledger.broken("I5", now, || text);
        }
        if let Some(key) = &ask.key {
            self.keyed(key, ask, subject, failed);
        }
    }

    /// G5: one key never means two things.
    pub(super) fn keyed(&mut self, key: &str, ask: &Ask, subject: &str, failed: bool) {
        let now = self.now;
        // A key belongs to one verb.
        let key = &format!("{}/{key}", ask.verb);
        if let Some(refused) = self.ledger.refusals.get(key).filter(|_| failed) {
            let text = format!("the key {key} was refused with {refused:?} and then answered with {subject}");
            self.ledger.broken("I5", now, || text);
        }
        match self.ledger.keys.get(key) {
            Some((digest, first)) if *digest != ask.digest => {
                let text = format!("the key {key} of {first} was taken for another call");
                self.ledger.broken("I5", now, || text);
            }
            Some((_, first)) if first != subject => {
                let text = format!("the key {key} was answered with {first} and with {subject}");
                self.ledger.broken("I5", now, || text);
            }
            Some(_) => {}
            None => drop(self.ledger.keys.insert(key.to_owned(), (ask.digest, subject.to_owned()))),
        }
    }

    fn shown(&mut self, number: usize, id: &str, value: &Value) {
        let job = if value.get("version").is_some() { value } else { value.get("job").unwrap_or(value) };
        let state = job.get("state").and_then(|state| serde_json::from_value::<JobState>(state.clone()).ok());
        let (Some(version), Some(state)) = (job.get("version").and_then(Value::as_u64), state) else { return };
        let now = self.now;
        let tenant = TENANTS[self.tenant_of(number)].0;
        match self.ledger.find(id) {
            Some(index) if self.ledger.jobs[index].tenant == tenant => self.ledger.shown(index, version, state, now),
            Some(_) => self.ledger.broken("I10", now, || format!("c{number} was shown {id} of another tenant")),
            None => self.ledger.broken("I3", now, || format!("{id} was shown and no row names it")),
        }
    }
}

/// True when the same call may be answered otherwise later.
fn is_passing(code: &str) -> bool {
    matches!(
        code,
        "unavailable" | "deadline_exceeded" | "rate_limited" | "conflict" | "cancelled" | "malformed_response"
    )
}

fn brief(value: &Value) -> String {
    let text = |path: &str| value.pointer(path).map(ToString::to_string).unwrap_or_default();
    format!("{} {} {} {}", text("/job_id"), text("/state"), text("/operation/id"), text("/operation/state"))
}
