use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use beam_mcp_core::{
    Now,
    effect::{Effect, Fault, FaultKind, Outcome, Reply, Request},
};

use super::{Ending, Rule, Subject, Turn, Violation, World};

/// Word of a reply that does not fit the effect.
pub const WRONG_KIND: &str = "wrong kind";
/// Word of a cancellation.
pub const CANCELLED: &str = "cancelled";

/// Most effects of one script: more never ends.
const MOST_STEPS: usize = 2_000;
/// Invented duration of whatever has none of its own.
const TICK: Duration = Duration::from_millis(1);
/// Nodes in a row that others have been at, behind which a script is left: what follows was seen.
const NOTHING_NEW: usize = 8;

/// Where a script stands: what a prefix is merged by. How it came here stands for the place in the flow's text, so
/// that a round of a loop in which nothing moved is the round before.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Node {
    label: String,
    /// The effect before it with its reply, sleeps left out.
    behind: String,
    /// How often in a row this effect had another reply than the ordinary one while the world stayed as it is.
    troubles: usize,
    cancelled: bool,
    misled: bool,
    quarter: u128,
    world: String,
}

/// One effect and the reply it got.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The effect.
    pub effect: Effect,
    /// Its name.
    pub label: String,
    /// Word of the reply.
    pub word: String,
    /// Clock before the effect.
    pub at: Duration,
    /// A [`CANCELLED`] came before.
    pub cancelled: bool,
    /// A [`WRONG_KIND`] came before.
    pub misled: bool,
    pub(super) node: Node,
    choice: usize,
    choices: usize,
}

impl Taken {
    /// A wrong kind ends every flow at once, whatever came before: it is tried where nothing went wrong so far. A
    /// caller leaves before the first trouble or after it, which is the same after all that follow.
    fn is_settled(&self, choice: usize) -> bool {
        let (wrong, leaves) = (choice + 2 == self.choices, choice + 1 == self.choices);
        (wrong && (self.node.troubles > 0 || self.cancelled)) || (leaves && (self.node.troubles > 1 || self.cancelled))
    }
}

/// A script that ran to its end.
#[derive(Debug)]
pub struct Run {
    /// What happened, in order.
    pub taken: Vec<Taken>,
    /// How it ended; `None`: it was left where others had gone before.
    pub end: Option<Ending>,
    /// How long it took.
    pub took: Duration,
    /// The flow answered a step after its end with `misuse`.
    pub stays_ended: bool,
    /// What the world objects to.
    pub objections: Vec<String>,
}

impl Run {
    /// The scripts that differ from this one in the reply at a depth.
    pub(super) fn siblings(&self, depth: usize) -> impl Iterator<Item = Vec<usize>> + '_ {
        let prefix: Vec<usize> = self.taken[..depth].iter().map(|taken| taken.choice).collect();
        let here = &self.taken[depth];
        let open = |choice: &usize| *choice != here.choice && !here.is_settled(*choice);
        (0..here.choices).filter(open).map(move |choice| [&prefix[..], &[choice]].concat())
    }
}

/// Nodes that others have been at.
type Seen = BTreeSet<Node>;

/// Runs a script, one in eight twice to compare.
pub(super) fn run(subject: &Subject, script: &[usize], seen: &Seen, number: usize) -> Result<Run, Violation> {
    let run = if number < 64 || number.is_multiple_of(8) { twice } else { once };
    run(subject, script, seen)
}

fn twice(subject: &Subject, script: &[usize], seen: &Seen) -> Result<Run, Violation> {
    let (first, second) = (once(subject, script, seen)?, once(subject, script, seen)?);
    let same = first.taken.len() == second.taken.len()
        && first.taken.iter().zip(&second.taken).all(|(one, two)| one.effect == two.effect && one.word == two.word)
        && first.end == second.end;
    let word = first.end.as_ref().map(|end| end.word.clone());
    if same { Ok(first) } else { Err(Violation::new(Rule::NotDeterministic, &first.taken, word.unwrap_or_default())) }
}

fn once(subject: &Subject, script: &[usize], seen: &Seen) -> Result<Run, Violation> {
    let mut walk = Walk::new(subject);
    let ended = catch_unwind(AssertUnwindSafe(|| walk.finish(script, seen)));
    match ended {
        Ok(Some((end, stays_ended))) => {
            let objections = walk.world.objections(&walk.taken);
            Ok(Run { took: walk.now.mono, taken: walk.taken, end, stays_ended, objections })
        }
        Ok(None) => Err(Violation::new(Rule::NeverEnds, &walk.taken, format!("{MOST_STEPS} effects"))),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(Violation::new(Rule::Panics, &walk.taken, text.unwrap_or_default()))
        }
    }
}

struct Walk<'a> {
    subject: &'a Subject,
    world: Box<dyn World>,
    now: Now,
    taken: Vec<Taken>,
    /// How often in a row each effect had another reply than the ordinary one while the world stayed as it is.
    troubles: BTreeMap<String, usize>,
    state: String,
    cancelled: bool,
    misled: bool,
}

impl<'a> Walk<'a> {
    fn new(subject: &'a Subject) -> Self {
        let now = Now { mono: Duration::ZERO, wall_ms: 1_800_000_000_000 };
        let (taken, troubles, state) = (Vec::new(), BTreeMap::new(), String::new());
        Self { subject, world: (subject.world)(), now, taken, troubles, state, cancelled: false, misled: false }
    }

    fn finish(&mut self, script: &[usize], seen: &Seen) -> Option<(Option<Ending>, bool)> {
        let mut flow = (self.subject.start)();
        let mut turn = flow.step(self.now, None);
        while self.taken.len() < MOST_STEPS {
            let behind = self.taken.get(script.len()..).unwrap_or_default();
            if behind.iter().rev().take_while(|taken| seen.contains(&taken.node)).count() >= NOTHING_NEW {
                return Some((None, true));
            }
            let effect = match turn {
                Turn::Effect(effect) => *effect,
                Turn::Done(end) => {
                    let after = flow.step(self.now, None);
                    return Some((Some(end), matches!(after, Turn::Done(end) if end.word == "misuse")));
                }
            };
            let reply = self.reply(effect, script.get(self.taken.len()).copied().unwrap_or(0));
            turn = flow.step(self.now, Some(reply));
        }
        None
    }

    fn reply(&mut self, effect: Effect, choice: usize) -> Reply {
        let mut words = self.world.offers(&effect);
        assert!((1..=6).contains(&words.len()), "{} replies to {effect:?}", words.len());
        words.extend([WRONG_KIND, CANCELLED].map(String::from));
        let choices = words.len();
        let taken = self.take(effect, words.swap_remove(choice), choice, choices);
        let reply = match taken.word.as_str() {
            WRONG_KIND => wrong_kind(&taken.effect),
            CANCELLED => {
                self.world.cancelled(&taken.effect);
                Reply::Cancelled
            }
            word => self.world.answer(&taken.effect, word),
        };
        self.cancelled |= taken.word == CANCELLED;
        self.misled |= taken.word == WRONG_KIND;
        let passed = duration(&taken.effect, &reply);
        self.now.mono += passed;
        self.now.wall_ms += u64::try_from(passed.as_millis()).expect("an invented time");
        self.taken.push(taken);
        reply
    }

    fn take(&mut self, effect: Effect, word: String, choice: usize, choices: usize) -> Taken {
        let (label, state) = (self.world.label(&effect), self.world.state());
        if state != self.state {
            self.troubles.clear();
            self.state.clone_from(&state);
        }
        let troubles = self.troubles.entry(label.clone()).or_default();
        let (before, cancelled, misled) = (*troubles, self.cancelled, self.misled);
        *troubles = if choice == 0 { 0 } else { (before + 1).min(self.subject.bounds.troubles) };
        let quarter = (self.now.mono.as_millis() * 4) / self.subject.bounds.total.as_millis().max(1);
        let behind = self.behind();
        let node = Node { label: label.clone(), behind, troubles: before, cancelled, misled, quarter, world: state };
        Taken { effect, label, word, at: self.now.mono, cancelled, misled, node, choice, choices }
    }

    fn behind(&self) -> String {
        let last = self.taken.iter().rfind(|taken| !matches!(taken.effect, Effect::Sleep { .. }));
        last.map(|taken| format!("{} {}", taken.label, taken.word)).unwrap_or_default()
    }
}

fn wrong_kind(effect: &Effect) -> Reply {
    match effect {
        Effect::Signal { .. } | Effect::Publish { .. } | Effect::Emit(_) => Reply::Elapsed,
        _ => Reply::Ok,
    }
}

/// Invented time: sleeps and waits that elapse take theirs, a time-out takes the request's limit.
fn duration(effect: &Effect, reply: &Reply) -> Duration {
    let ms = match (effect, reply) {
        (Effect::Sleep { .. } | Effect::Wait { .. }, Reply::Elapsed) => return pause(effect).max(TICK),
        (Effect::Send(request), Reply::Fault(Fault { kind: FaultKind::Timeout, .. })) => request.timeout_ms,
        (Effect::SendAll { requests }, Reply::Responses { outcomes }) => longest_silence(requests, outcomes),
        _ => 0,
    };
    Duration::from_millis(ms).max(TICK)
}

fn longest_silence(requests: &[Request], outcomes: &[Outcome]) -> u64 {
    let silent = |outcome: &Outcome| matches!(outcome, Outcome::Fault(Fault { kind: FaultKind::Timeout, .. }));
    let silences = requests.iter().zip(outcomes).filter(|(_, outcome)| silent(outcome));
    silences.map(|(request, _)| request.timeout_ms).max().unwrap_or(0)
}

/// How long an effect rests when nothing ends it sooner.
pub(crate) fn pause(effect: &Effect) -> Duration {
    match effect {
        Effect::Sleep { ms } | Effect::Wait { timeout_ms: ms, .. } => Duration::from_millis(*ms),
        _ => Duration::ZERO,
    }
}
