//! One call into the engine: who, until when, with which randomness and labels.

use std::time::Duration;

use crate::{auth::Caller, random::Seed};

/// Where a call comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Peer {
    /// The same process, or the parent at the other end of standard input.
    Local,
    /// Over the network (loopback included), from this address.
    Remote(String),
}

/// Correlation labels of a call: echoed and logged, never identity (DESIGN section 5).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Labels {
    /// `MCP-Session-ID`
    pub session_id: Option<String>,
    /// `MCP-Trace-ID`
    pub trace_id: Option<String>,
    /// `MCP-Transaction-ID`
    pub transaction_id: Option<String>,
    /// `MCP-User-ID`
    pub user_id: Option<String>,
}

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who calls; for HTTP the engine replaces it by what the token says.
    pub caller: Caller,
    /// When the call must have ended, on the clock of [`crate::flow::Now::mono`].
    pub deadline: Duration,
    /// Longest the caller lets one piece of work at a runner take; `None`: it did not say.
    pub time_limit: Option<Duration>,
    /// Randomness of the call.
    pub seed: Seed,
    /// Correlation labels.
    pub labels: Labels,
    /// Where it comes from.
    pub peer: Peer,
}

impl Call {
    /// A call of the process itself: caller, deadline on the mono clock, 32 random bytes.
    pub fn local(caller: Caller, deadline: Duration, random: [u8; 32]) -> Self {
        let seed = Seed::new(random);
        Self { caller, deadline, time_limit: None, seed, labels: Labels::default(), peer: Peer::Local }
    }

    /// Id of the request in logs and errors.
    pub fn request_id(&self) -> String {
        request_id(&self.seed)
    }
}

/// Id of the request of a call with this randomness.
pub fn request_id(seed: &Seed) -> String {
    seed.hex128("request")
}
