//! The fixture as the native host takes an engine.

use std::time::Duration;

use beam_mcp_core::{
    Call, Flow,
    effect::Response,
    engine::{BodyRule, Inbound, Share, Snapshot},
};
use beam_mcp_server::entry::Entry;

use crate::Conformance;

/// The way in.
pub struct Served(pub Conformance);

impl Entry for Served {
    fn body_rule(&self, _: &str, _: &str) -> BodyRule {
        BodyRule::Buffer(1 << 20)
    }

    fn handle(&self, inbound: Inbound, call: Call) -> Flow<Response> {
        match inbound {
            Inbound::Http(request) => self.0.http(*request, call),
            Inbound::Line(line) => self.0.line(line, call),
        }
    }

    fn shares(&self) -> Vec<Share> {
        vec![Share::All]
    }

    fn guards(&self, _: Duration) -> Vec<(String, Snapshot)> {
        Vec::new()
    }

    fn tick(&self, _: Share, _: Call) -> Flow<Duration> {
        Flow::new(|_| async { Ok(Duration::from_secs(60)) })
    }
}
