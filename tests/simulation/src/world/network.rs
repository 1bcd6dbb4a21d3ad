use beam_mcp_core::effect::{Body, FaultKind};

use super::{
    Arrival, Event, Id, START_MS, World,
    spoil::{broken, refusal, reply, spoil},
};
use crate::{
    effects::Kind,
    fault::Fault,
    plant::Plant,
    profile::Cell,
    runner::{Answer, Did, Message},
};

/// Faults of one exchange with a runner.
const FAULTS: [Fault; 8] = [
    Fault::Refused,
    Fault::Dropped,
    Fault::AnswerLost,
    Fault::Repeated,
    Fault::Delayed,
    Fault::ServerError,
    Fault::TooMany,
    Fault::Mangled,
];

impl World<'_> {
    /// Sends messages to the runner, as far as the network lets them through.
    pub(super) fn send(&mut self, id: Id, turn: u32, kind: Kind, messages: Vec<Message>, all: bool) {
        let mut messages = messages;
        if kind == Kind::Run && self.profile.has(Plant::RandomToken) {
            self.rename(&mut messages);
        }
        self.about(id, kind, &messages);
        if kind == Kind::Run && self.profile.has(Plant::RunWithoutPermit) {
            self.about(id, kind, &messages);
        }
        if kind == Kind::Cancel && self.profile.has(Plant::NoTombstone) && self.is_unwanted(&messages) {
            let came = vec![self.runner.as_ref().map_or(Err(broken(FaultKind::Reset)), |runner| Ok(runner.unknown()))];
            return self.queue.push(self.now + 20, Event::Reply(id, turn, reply(came, all)));
        }
        let fault = FAULTS.into_iter().find(|fault| self.strikes(*fault)).unwrap_or(Fault::None);
        let fault = if fault == Fault::Repeated && !self.may_be_repeated(kind) { Fault::None } else { fault };
        self.count(id, kind, fault);
        if fault != Fault::None {
            self.say(|_| format!("    {} {}", fault.name(), fault.text()));
        }
        let way = self.network.below(u64::MAX);
        let again = fault == Fault::AnswerLost && kind == Kind::Run && self.profile.has(Plant::ResentRun);
        let timeout = messages.first().map_or(5_000, Message::timeout_ms);
        let latency = self.network.between(1, 60);
        let count = messages.len();
        let run = if kind == Kind::Run { self.subject(&messages) } else { None };
        match fault {
            Fault::Refused => {
                self.refused(run.as_deref());
                let kinds = [FaultKind::Refused, FaultKind::Unreachable, FaultKind::Tls];
                self.fail(id, turn, (count, all), latency, kinds[usize::try_from(way % 3).unwrap_or(0)]);
            }
            _ if self.is_down() => {
                self.refused(run.as_deref());
                self.fail(id, turn, (count, all), latency, FaultKind::Refused);
            }
            Fault::Dropped if way.is_multiple_of(2) => self.fail(id, turn, (count, all), timeout, FaultKind::Timeout),
            Fault::Dropped => self.fail(id, turn, (count, all), latency, FaultKind::Reset),
            _ => {
                let late = if fault == Fault::Delayed { 1 + self.network.below(2 * timeout) } else { latency };
                let fault = if again { Fault::Repeated } else { fault };
                let sent_to = self.runner.as_ref().map_or(0, |runner| runner.incarnation());
                let late_from = self.now + timeout;
                let arrival = Arrival { id, turn, messages, all, fault, way, answered: true, run, late_from, sent_to };
                self.travel(arrival, late, timeout, kind);
            }
        }
    }

    /// A planted bug: the id is drawn anew for each run.
    fn rename(&mut self, messages: &mut [Message]) {
        let token = format!("{:032x}", self.network.below(u64::MAX));
        let Some(Message::Http(request)) = messages.first_mut() else { return };
        if let Body::Json(body) = &mut request.body
            && let Some(id) = body.get_mut("jobId")
        {
            *id = token.into();
        }
    }

    /// No proxy may replay what the runner cannot tell from a second one (`security-reliability.md` 4.3, rule 9).
    fn may_be_repeated(&self, kind: Kind) -> bool {
        match kind {
            Kind::Run => self.profile.cell.deduplicates(),
            Kind::Trigger => self.profile.cell != Cell::R6,
            _ => true,
        }
    }

    /// True for a message about what shows up although its job has ended, or is sent again as another generation.
    fn is_unwanted(&self, messages: &[Message]) -> bool {
        let Some(token) = self.subject(messages) else { return false };
        let seen = self.ledger.of_token(&token).map(|index| &self.ledger.jobs[index].job);
        seen.is_some_and(|job| job.state.is_terminal() || job.token() != token)
    }

    /// True while nobody listens at the runner.
    fn is_down(&self) -> bool {
        self.now < self.cut_until || self.runner.as_ref().is_none_or(|runner| runner.is_down(self.now))
    }

    fn travel(&mut self, arrival: Arrival, late: u64, timeout: u64, kind: Kind) {
        let writes = kind != Kind::Read;
        self.in_flight += u32::from(writes);
        if arrival.fault == Fault::Repeated {
            self.in_flight += u32::from(writes);
            let again = Arrival {
                answered: false,
                messages: arrival.messages.clone(),
                run: arrival.run.clone(),
                fault: Fault::None,
                late_from: 0,
                ..arrival
            };
            let later = late + self.network.below(2 * timeout);
            self.queue.push(self.now + later, Event::Arrive(Box::new(again)));
        }
        // Whoever waits gives up at the time limit, whatever is still on its way.
        if late + 200 >= timeout || matches!(arrival.fault, Fault::AnswerLost) {
            let count = (arrival.messages.len(), arrival.all);
            self.fail(arrival.id, arrival.turn, count, timeout, FaultKind::Timeout);
        }
        self.queue.push(self.now + late, Event::Arrive(Box::new(arrival)));
    }

    fn fail(&mut self, id: Id, turn: u32, (count, all): (usize, bool), after: u64, kind: FaultKind) {
        let came = (0..count).map(|_| Err(broken(kind))).collect();
        self.queue.push(self.now + after, Event::Reply(id, turn, reply(came, all)));
    }

    /// Which job a message is about; a run needs its permit.
    fn about(&mut self, id: Id, kind: Kind, messages: &[Message]) {
        let Some(token) = self.subject(messages) else { return };
        let subject = self.ledger.of_token(&token);
        if let Some(activity) = self.activity(id).filter(|_| subject.is_some()) {
            activity.subject = subject;
        }
        if kind == Kind::Run {
            let now = self.now;
            self.ledger.sent(&token, now);
        }
    }

    fn subject(&self, messages: &[Message]) -> Option<String> {
        self.runner.as_ref()?.subject(messages.first()?)
    }

    /// A run was refused without having done anything.
    fn refused(&mut self, run: Option<&str>) {
        if let Some(token) = run {
            self.ledger.refused(token);
        }
    }

    /// Messages reach the runner.
    pub(super) fn arrive(&mut self, arrival: &Arrival) {
        let writes = arrival.messages.iter().any(Message::writes);
        self.in_flight = self.in_flight.saturating_sub(u32::from(writes));
        if writes {
            self.last_arrival = self.now;
        }
        self.perhaps_restart(arrival.id);
        let count = (arrival.messages.len(), arrival.all);
        if self.is_down() {
            if arrival.answered {
                self.fail(arrival.id, arrival.turn, count, 1, FaultKind::Reset);
            }
            return;
        }
        let (fault, way) = (arrival.fault, arrival.way);
        let refused = fault == Fault::TooMany || (fault == Fault::ServerError && way.is_multiple_of(2));
        if fault == Fault::TooMany {
            self.refused(arrival.run.as_deref());
        }
        let mut came = Vec::with_capacity(count.0);
        for message in &arrival.messages {
            let rpc = matches!(message, Message::Rpc { .. });
            let answer = if refused { Some(refusal(fault, way, rpc)) } else { self.act(message, arrival) };
            came.push(answer.map_or_else(|| Err(broken(FaultKind::Reset)), |answer| spoil(answer, fault, way)));
        }
        self.perhaps_cut(arrival);
        if writes && fault == Fault::AnswerLost && self.profile.has(Plant::RefusedAfterEffect) {
            return self.fail(arrival.id, arrival.turn, count, 1, FaultKind::Refused);
        }
        if let (Fault::ServerError, true, Some(runner)) = (fault, self.profile.has(Plant::ErrorIsAbsence), &self.runner)
        {
            came = (0..count.0).map(|_| Ok(runner.unknown())).collect();
        }
        if arrival.answered && self.is_down() {
            return self.fail(arrival.id, arrival.turn, count, 1, FaultKind::Reset);
        }
        if arrival.answered && !(fault == Fault::AnswerLost && way.is_multiple_of(2)) {
            let after = self.network.between(1, 60);
            self.queue.push(self.now + after, Event::Reply(arrival.id, arrival.turn, reply(came, arrival.all)));
        }
    }

    /// The outage of a schedule begins with the answer to a submission; while it lasts, clocks are set.
    fn perhaps_cut(&mut self, arrival: &Arrival) {
        if arrival.run.is_some() && self.profile.outage > 0 && self.cut_until == 0 {
            self.cut_until = self.now + self.profile.outage;
            self.trace.mark(self.now, 6, "outage");
            self.say(|world| format!("the runner cannot be reached for {} min", world.profile.outage / 60_000));
            self.set_clocks();
        }
    }

    fn perhaps_restart(&mut self, id: Id) {
        if self.strikes(Fault::RunnerRestart) {
            self.count(id, Kind::Other, Fault::RunnerRestart);
            self.trace.mark(self.now, 5, "runner");
            self.say(|_| "the runner restarts and forgets its jobs".into());
            self.runner_restarts();
        }
    }

    /// Dataflow takes a name again once the job that had it has ended: a launch that comes late, or a second time, is
    /// then another job, which no sender can hinder. It must not run in the end.
    fn is_another(&self, token: &str, late_from: u64) -> bool {
        self.profile.cell == Cell::R6 && self.now > late_from && self.ledger.has_executed(token)
    }

    fn runner_restarts(&mut self) {
        if let Some(runner) = &mut self.runner {
            runner.restart(self.now);
        }
    }

    /// A run that outlives the runner it was sent to finds one that knows nothing: nobody can tell it from a new one, and
    /// what ran before is gone. That is no second execution of ours.
    fn act(&mut self, message: &Message, arrival: &Arrival) -> Option<Answer> {
        let now = self.now;
        let runner = self.runner.as_mut()?;
        let (answer, did) = runner.answer(message, now, START_MS + now);
        let same = arrival.sent_to == runner.incarnation();
        match did {
            Did::Nothing => self.refused(arrival.run.as_deref()),
            Did::Started(token) => {
                self.say(|_| format!("    {token} begins to execute"));
                if same && !self.is_another(&token, arrival.late_from) {
                    self.ledger.executed(&token, now);
                }
            }
            Did::Triggered(trigger) => self.ledger.triggered(&trigger, now),
            Did::Died => {
                self.say(|_| "    the runner dies of it".into());
                self.runner_restarts();
                return None;
            }
        }
        Some(answer)
    }
}
