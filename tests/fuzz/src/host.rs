//! A host that performs nothing: waits are over at once, and nobody is there to be told.

use std::{sync::LazyLock, time::Duration};

use beam_mcp_conformance::{Conformance, config};
use beam_mcp_core::{
    Call, Error, Flow, Now, Step,
    auth::{Caller, Role},
    effect::{Effect, Reply, Response},
    engine::Host,
};

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The suite's surface, with sessions.
pub(crate) static SERVED: LazyLock<Conformance> = LazyLock::new(|| {
    let host = Host {
        kind: "server".into(),
        loopback_only: true,
        authorities: Vec::new(),
        durable: false,
        longest_wait_ms: 1000,
        streams: true,
    };
    let config = config(&[]).unwrap_or_else(|error| panic!("{error}"));
    Conformance::with_sessions(config, host)
});

pub(crate) fn call() -> Call {
    Call::local(Caller::with_role("fuzz", Role::Operator), DEADLINE, [7; 32])
}

/// A second later with each step.
pub(crate) fn now(step: u32) -> Now {
    Now { mono: Duration::from_secs(step.into()), wall_ms: 1_000_000 + u64::from(step) * 1000 }
}

/// Steps a flow to its end; one that goes on and on is cancelled, as a stream whose reader left.
pub(crate) fn drive(mut flow: Flow<Response>) -> Result<Response, Error> {
    let (mut reply, mut steps) = (None, 0);
    loop {
        let effect = match flow.step(now(steps), reply.take()) {
            Step::Done(ended) => return ended,
            Step::Effect(effect) => effect,
        };
        steps += 1;
        assert!(steps < 1000, "a flow that never ends");
        reply = Some(match effect {
            _ if steps > 500 => Reply::Cancelled,
            Effect::Emit(_) | Effect::Publish { .. } => Reply::Ok,
            Effect::Sleep { .. } | Effect::Wait { .. } => Reply::Elapsed,
            other => panic!("the surface asks for no {other:?}"),
        });
    }
}
