use std::{collections::BTreeMap, fmt, time::Duration};

use beam_mcp_core::{ErrorKind, effect::Effect};

use super::{Run, Subject, Taken, run::pause};

/// What a flow may take.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Longest single sleep or wait.
    pub sleep: Duration,
    /// Longest whole script: the call's deadline and the one exchange that may pass it.
    pub total: Duration,
    /// Replies in a row, other than the ordinary one, that are told apart.
    pub troubles: usize,
    /// Most effects whose name starts like this; the first row that fits holds, and each effect needs one.
    pub most: Vec<(&'static str, usize)>,
}

/// What holds for every script of every flow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rule {
    /// It never panics.
    Panics,
    /// It ends.
    NeverEnds,
    /// The same replies at the same times give the same effects and the same end.
    NotDeterministic,
    /// No effect comes more often than its policy says.
    TooManyAttempts,
    /// No sleep or wait is longer than its limit.
    SleepsTooLong,
    /// The whole is not longer than its limit.
    TakesTooLong,
    /// A step after the end is `misuse`.
    GoesOnAfterTheEnd,
    /// After a cancellation: no sleep, no wait.
    SleepsAfterCancel,
    /// After a cancellation: at most one request or signal.
    SecondCleanUp,
    /// Whoever keeps the contract never hears of `misuse` (two effects at once, a foreign await).
    MisuseWithoutCause,
    /// A reply of the wrong kind is told as `misuse`, and nothing more is sent or awaited.
    MisuseSwallowed,
    /// What the subject says besides ([`Subject::also`]).
    OfItsOwn,
    /// The world has no objection ([`super::World::objections`]).
    Objection,
    /// No line is new that the golden graph does not have.
    OutsideItsGraph,
    /// The exploration ends within [`super::MOST_SCRIPTS`].
    TooManyScripts,
}

/// A rule that a script broke.
#[derive(Debug)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// What was seen.
    pub seen: String,
    /// The script, one `effect --reply-->` each.
    pub script: Vec<String>,
}

impl Violation {
    pub(super) fn new(rule: Rule, taken: &[Taken], seen: impl Into<String>) -> Self {
        let script = taken.iter().map(|taken| format!("{} --{}-->", taken.label, taken.word)).collect();
        Self { rule, seen: seen.into(), script }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}: {}\n  {}", self.rule, self.seen, self.script.join("\n  "))
    }
}

pub(super) fn check(run: &Run, subject: &Subject) -> Result<(), Violation> {
    let broken = attempts(run, &subject.bounds)
        .or_else(|| times(run, &subject.bounds))
        .or_else(|| after_cancel(run))
        .or_else(|| misuse(run))
        .or_else(|| (!run.stays_ended).then(|| (Rule::GoesOnAfterTheEnd, ended(run))))
        .or_else(|| (subject.also)(run).err().map(|seen| (Rule::OfItsOwn, seen)))
        .or_else(|| run.objections.first().map(|seen| (Rule::Objection, seen.clone())));
    match broken {
        Some((rule, seen)) => Err(Violation::new(rule, &run.taken, seen)),
        None => Ok(()),
    }
}

type Broken = Option<(Rule, String)>;

fn attempts(run: &Run, bounds: &Bounds) -> Broken {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for taken in &run.taken {
        let row = bounds.most.iter().find(|(name, _)| taken.label.starts_with(name));
        let Some((name, most)) = row else {
            return Some((Rule::TooManyAttempts, format!("no bound is given for `{}`", taken.label)));
        };
        let count = counts.entry(name).or_default();
        *count += 1;
        if *count > *most {
            return Some((Rule::TooManyAttempts, format!("{count} of `{name}`, at most {most}")));
        }
    }
    None
}

fn times(run: &Run, bounds: &Bounds) -> Broken {
    let longest = run.taken.iter().map(|taken| pause(&taken.effect)).max().unwrap_or_default();
    if longest > bounds.sleep {
        return Some((Rule::SleepsTooLong, format!("{longest:?}, at most {:?}", bounds.sleep)));
    }
    (run.took > bounds.total).then(|| (Rule::TakesTooLong, format!("{:?}, at most {:?}", run.took, bounds.total)))
}

fn after_cancel(run: &Run) -> Broken {
    let after = || run.taken.iter().filter(|taken| taken.cancelled);
    if let Some(pause) = after().find(|taken| is_pause(&taken.effect)) {
        return Some((Rule::SleepsAfterCancel, pause.label.clone()));
    }
    let requests: Vec<&str> = after().filter(|t| is_request(&t.effect)).map(|taken| taken.label.as_str()).collect();
    (requests.len() > 1).then(|| (Rule::SecondCleanUp, requests.join(", ")))
}

fn misuse(run: &Run) -> Broken {
    let misled = run.taken.iter().any(|taken| taken.word == super::WRONG_KIND);
    let told = run.end.as_ref().is_none_or(|end| end.kind == Some(ErrorKind::Misuse));
    if !misled {
        let misuse = run.end.as_ref().filter(|end| end.kind == Some(ErrorKind::Misuse));
        return misuse.map(|end| (Rule::MisuseWithoutCause, end.whole.clone()));
    }
    let busy = run.taken.iter().find(|taken| taken.misled && (is_pause(&taken.effect) || is_request(&taken.effect)));
    match busy {
        Some(taken) => Some((Rule::MisuseSwallowed, taken.label.clone())),
        None => (!told).then(|| (Rule::MisuseSwallowed, ended(run))),
    }
}

fn ended(run: &Run) -> String {
    run.end.as_ref().map(|end| end.word.clone()).unwrap_or_default()
}

fn is_pause(effect: &Effect) -> bool {
    matches!(effect, Effect::Sleep { .. } | Effect::Wait { .. })
}

/// Effects that reach beyond the host's own store and topics.
fn is_request(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Send(_)
            | Effect::SendAll { .. }
            | Effect::Rpc { .. }
            | Effect::Launch(_)
            | Effect::Signal { .. }
            | Effect::Observe { .. }
            | Effect::Stage(_)
    )
}
