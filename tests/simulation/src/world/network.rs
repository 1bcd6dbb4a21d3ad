use beam_mcp_core::effect::{Body, Fault as Broken, FaultKind, Method, Outcome, Reply, Request, Response};
use serde_json::Value;

use super::{Arrival, Event, Id, START_MS, World};
use crate::{effects::Kind, fault::Fault, flink::Did, plant::Plant};

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
    /// Sends requests to the runner, as far as the network lets them through.
    pub(super) fn send(&mut self, id: Id, turn: u32, kind: Kind, requests: Vec<Request>, all: bool) {
        let mut requests = requests;
        if kind == Kind::Run && self.profile.has(Plant::RandomToken) {
            self.rename(&mut requests);
        }
        self.about(id, kind, &requests);
        if kind == Kind::Run && self.profile.has(Plant::RunWithoutPermit) {
            self.about(id, kind, &requests);
        }
        let fault = FAULTS.into_iter().find(|fault| self.strikes(*fault)).unwrap_or(Fault::None);
        self.count(id, kind, fault);
        if fault != Fault::None {
            self.say(|_| format!("    {} {}", fault.name(), fault.text()));
        }
        let way = self.network.below(u64::MAX);
        let timeout = requests.first().map_or(5_000, |request| request.timeout_ms);
        let latency = self.network.between(1, 60);
        let count = requests.len();
        match fault {
            Fault::Refused => {
                let kinds = [FaultKind::Refused, FaultKind::Unreachable, FaultKind::Tls];
                self.fail(id, turn, (count, all), latency, kinds[usize::try_from(way % 3).unwrap_or(0)]);
            }
            _ if self.flink.is_down(self.now) => self.fail(id, turn, (count, all), latency, FaultKind::Refused),
            Fault::Dropped if way.is_multiple_of(2) => self.fail(id, turn, (count, all), timeout, FaultKind::Timeout),
            Fault::Dropped => self.fail(id, turn, (count, all), latency, FaultKind::Reset),
            _ => {
                let late = if fault == Fault::Delayed { 1 + self.network.below(2 * timeout) } else { latency };
                let sent_to = self.flink.incarnation;
                let arrival = Arrival { id, turn, requests, all, fault, way, answered: true, sent_to };
                self.travel(arrival, late, timeout, kind);
            }
        }
    }

    /// A planted bug: the id is drawn anew for each run.
    fn rename(&mut self, requests: &mut [Request]) {
        let token = format!("{:032x}", self.network.below(u64::MAX));
        if let Some(Body::Json(body)) = requests.first_mut().map(|request| &mut request.body) {
            body["jobId"] = token.into();
        }
    }

    fn travel(&mut self, arrival: Arrival, late: u64, timeout: u64, kind: Kind) {
        let writes = kind != Kind::Read;
        self.in_flight += u32::from(writes);
        if arrival.fault == Fault::Repeated {
            self.in_flight += u32::from(writes);
            let again = Arrival { answered: false, requests: arrival.requests.clone(), fault: Fault::None, ..arrival };
            let later = late + self.network.below(2 * timeout);
            self.queue.push(self.now + later, Event::Arrive(Box::new(again)));
        }
        // Whoever waits gives up at the time limit, whatever is still on its way.
        if late + 200 >= timeout || matches!(arrival.fault, Fault::AnswerLost) {
            let count = (arrival.requests.len(), arrival.all);
            self.fail(arrival.id, arrival.turn, count, timeout, FaultKind::Timeout);
        }
        self.queue.push(self.now + late, Event::Arrive(Box::new(arrival)));
    }

    fn fail(&mut self, id: Id, turn: u32, (count, all): (usize, bool), after: u64, kind: FaultKind) {
        let broken = Broken { kind, detail: String::new() };
        let reply =
            if all { Reply::Responses { outcomes: vec![Outcome::Fault(broken); count] } } else { Reply::Fault(broken) };
        self.queue.push(self.now + after, Event::Reply(id, turn, reply));
    }

    /// Which job a request is about; a run needs its permit.
    fn about(&mut self, id: Id, kind: Kind, requests: &[Request]) {
        let Some(request) = requests.first() else { return };
        let token = match (&request.body, kind) {
            (Body::Json(body), Kind::Run) => body.get("jobId").and_then(Value::as_str),
            _ => request.path.strip_prefix("/jobs/").and_then(|rest| rest.get(..32)),
        };
        let Some(token) = token else { return };
        let subject = self.ledger.of_token(token);
        if let Some(activity) = self.activity(id).filter(|_| subject.is_some()) {
            activity.subject = subject;
        }
        if kind == Kind::Run {
            let now = self.now;
            self.ledger.sent(token, now);
        }
    }

    /// Requests reach the runner.
    pub(super) fn arrive(&mut self, arrival: &Arrival) {
        let writes = arrival.requests.iter().any(|request| request.method != Method::Get);
        self.in_flight = self.in_flight.saturating_sub(u32::from(writes));
        if writes {
            self.last_arrival = self.now;
        }
        self.perhaps_restart(arrival.id);
        let count = (arrival.requests.len(), arrival.all);
        if self.flink.is_down(self.now) {
            if arrival.answered {
                self.fail(arrival.id, arrival.turn, count, 1, FaultKind::Reset);
            }
            return;
        }
        let (fault, way) = (arrival.fault, arrival.way);
        let refused = fault == Fault::TooMany || (fault == Fault::ServerError && way.is_multiple_of(2));
        let mut outcomes = Vec::with_capacity(count.0);
        for request in &arrival.requests {
            let response = if refused { refusal(fault, way) } else { self.act(request, arrival.sent_to) };
            outcomes.push(spoil(response, fault, way));
        }
        if writes && fault == Fault::AnswerLost && self.profile.has(Plant::RefusedAfterEffect) {
            return self.fail(arrival.id, arrival.turn, count, 1, FaultKind::Refused);
        }
        if fault == Fault::ServerError && self.profile.has(Plant::ErrorIsAbsence) {
            outcomes = vec![Outcome::Response(crate::flink::no_job()); count.0];
        }
        if arrival.answered && !(fault == Fault::AnswerLost && way.is_multiple_of(2)) {
            let after = self.network.between(1, 60);
            self.queue.push(self.now + after, Event::Reply(arrival.id, arrival.turn, reply(outcomes, arrival.all)));
        }
    }

    fn perhaps_restart(&mut self, id: Id) {
        if self.strikes(Fault::RunnerRestart) {
            self.count(id, Kind::Other, Fault::RunnerRestart);
            self.trace.mark(self.now, 5, "runner");
            self.say(|_| "the runner restarts and forgets its jobs".into());
            self.flink.restart(self.now);
        }
    }

    /// A run that outlives the runner it was sent to finds one that knows nothing: nobody can tell it from a new one, and
    /// what ran before is gone. That is no second execution of ours.
    fn act(&mut self, request: &Request, sent_to: u64) -> Response {
        let now = self.now;
        let (response, did) = self.flink.answer(request, now, START_MS + now);
        match did {
            Did::Nothing => {}
            Did::Started(token) => {
                self.say(|_| format!("    {token} begins to execute"));
                if sent_to == self.flink.incarnation {
                    self.ledger.executed(&token, now);
                }
            }
            Did::Triggered(trigger) => self.ledger.triggered(&trigger, now),
        }
        response
    }
}

fn reply(mut outcomes: Vec<Outcome>, all: bool) -> Reply {
    if all {
        return Reply::Responses { outcomes };
    }
    match outcomes.pop() {
        Some(Outcome::Response(response)) => Reply::Response(response),
        Some(Outcome::Fault(broken)) => Reply::Fault(broken),
        None => Reply::Responses { outcomes },
    }
}

/// What is answered instead of doing the work.
fn refusal(fault: Fault, way: u64) -> Response {
    let pick = |count: u64| usize::try_from(way / 8 % count).unwrap_or(0);
    let after = ["2", "999999", "soon", ""][pick(4)];
    let headers = if after.is_empty() { Vec::new() } else { vec![("retry-after".to_owned(), after.to_owned())] };
    let (status, body) = match fault {
        Fault::TooMany => (429, "{\"errors\":[\"too many requests\"]}"),
        _ => ([500, 502, 503, 504][pick(4)], "<html>upstream</html>"),
    };
    Response { status, headers, body: body.into() }
}

/// What becomes of an answer on its way back.
fn spoil(response: Response, fault: Fault, way: u64) -> Outcome {
    let broken = |kind| Outcome::Fault(Broken { kind, detail: String::new() });
    let text = || String::from_utf8_lossy(response.body.as_slice()).into_owned();
    match (fault, way % 4) {
        (Fault::AnswerLost, _) => broken(FaultKind::Reset),
        (Fault::ServerError, 1) => server_error(500),
        (Fault::ServerError, 3) => server_error(504),
        (Fault::Mangled, 0) => broken(FaultKind::TooLarge),
        (Fault::Mangled, 1) => {
            let cut = text().get(..response.body.as_slice().len() / 2).unwrap_or_default().to_owned();
            Outcome::Response(Response { body: cut.into(), ..response })
        }
        (Fault::Mangled, 2) => {
            let wrong = text().replace(":\"", ":1.5,\"x\":\"");
            Outcome::Response(Response { body: wrong.into(), ..response })
        }
        (Fault::Mangled, _) => Outcome::Response(Response { body: "[17]".into(), ..response }),
        _ => Outcome::Response(response),
    }
}

fn server_error(status: u16) -> Outcome {
    let body = "{\"errors\":[\"Internal server error.\"]}".into();
    Outcome::Response(Response { status, headers: Vec::new(), body })
}
