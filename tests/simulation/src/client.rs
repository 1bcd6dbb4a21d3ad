//! Clients: each goes through a few actions at its own pace, by any door, repeats what went unanswered, races itself,
//! uses keys again and sends nonsense. An operator decides about what nobody can explain.

mod answer;
mod ask;
mod operate;

pub use answer::{Answer, Refused};
pub use ask::{Ask, Door};
pub use operate::Case;

use crate::{profile::Cell, random::Random};

/// Tenants with their tokens, and what only their own answers may hold.
pub const TENANTS: [(&str, &str, &str); 2] =
    [("default", "token-of-the-first", "canary-one"), ("other", "token-of-the-second", "canary-two")];

/// What a client does next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Act {
    /// Submits a job.
    Create,
    /// Reads one.
    Get,
    /// Waits for news of one.
    Wait,
    /// Lists.
    List,
    /// Takes a savepoint.
    Savepoint,
    /// Changes the parallelism.
    Scale,
    /// Drops a job.
    Cancel,
    /// Flushes and ends one.
    Drain,
    /// Ends one with a savepoint.
    Stop,
    /// Submits an ended one again.
    Restore,
    /// Reads metrics.
    Metrics,
    /// Reads logs.
    Logs,
    /// Reads an operation.
    Operation,
    /// Probes the runners.
    Runners,
    /// Sends nonsense.
    Bad,
}

/// What any client does now and then.
const SELDOM: [Act; 8] =
    [Act::Get, Act::Wait, Act::List, Act::Metrics, Act::Logs, Act::Operation, Act::Runners, Act::Bad];

/// One client.
#[derive(Debug)]
pub struct Client {
    /// Index into [`TENANTS`].
    pub tenant: usize,
    /// Its chances.
    pub random: Random,
    /// Actions left.
    pub left: usize,
    /// Actions begun.
    pub begun: usize,
    /// The call it is at.
    pub asked: Option<Ask>,
    /// Answers it waits for: two while it races itself.
    pub waiting: u32,
    /// Tries of the call.
    pub tries: u32,
    /// Jobs it was told of.
    pub jobs: Vec<String>,
    /// Operations it was told of.
    pub operations: Vec<String>,
    /// Keys it used.
    pub keys: Vec<String>,
    /// It decides about jobs nobody can explain, and does nothing else.
    pub operator: bool,
    /// The call it was shown a plan of.
    pub planned: Option<Ask>,
}

impl Client {
    /// A client with its own chances.
    pub fn new(random: Random, number: usize, actions: usize) -> Self {
        Self {
            tenant: usize::from(number == 2),
            random,
            left: actions,
            begun: 0,
            asked: None,
            waiting: 0,
            tries: 0,
            jobs: Vec::new(),
            operations: Vec::new(),
            keys: Vec::new(),
            operator: false,
            planned: None,
        }
    }

    /// What it does next: the first thing is always a submission.
    pub fn next_act(&mut self, cell: Cell) -> Act {
        if self.jobs.is_empty() {
            return if self.begun > 0 && self.random.chance(1_500) { Act::Bad } else { Act::Create };
        }
        let often: &[Act] = match cell {
            Cell::R1 => &[Act::Create, Act::Cancel, Act::Cancel, Act::Get, Act::Stop, Act::Scale],
            Cell::R2 => &[Act::Savepoint, Act::Savepoint, Act::Stop, Act::Drain, Act::Restore, Act::Scale],
            Cell::R9 => &[Act::Create, Act::Cancel, Act::Get, Act::Wait, Act::Logs],
            Cell::R4 => &[Act::Create, Act::Create, Act::Cancel, Act::Cancel, Act::Get, Act::Drain],
            Cell::R6 => {
                &[Act::Create, Act::Cancel, Act::Cancel, Act::Drain, Act::Savepoint, Act::Scale, Act::Restore, Act::Get]
            }
            Cell::R7 => &[Act::Create, Act::Create, Act::Cancel, Act::Cancel, Act::Get, Act::Savepoint],
            _ => &[Act::Create, Act::Cancel, Act::Savepoint, Act::Stop, Act::Drain, Act::Scale, Act::Restore],
        };
        if self.random.chance(6_500) { *self.random.pick(often) } else { *self.random.pick(&SELDOM) }
    }
}
