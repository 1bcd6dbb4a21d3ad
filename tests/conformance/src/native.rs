//! The fixture as the native host takes an engine.

use std::time::Duration;

use beam_mcp_core::{
    Call, Flow,
    effect::Response,
    engine::{BodyRule, HttpRequest, Inbound, Share, Snapshot},
};
use beam_mcp_server::entry::Entry;

use crate::Conformance;

/// The way in.
pub struct Served(pub Conformance);

impl Entry for Served {
    fn body_rule(&self, method: &str, path: &str) -> BodyRule {
        self.0.body_rule(method, path)
    }

    fn cors(&self, request: &HttpRequest) -> Vec<(String, String)> {
        self.0.cors(request)
    }

    fn handle(&self, inbound: Inbound, call: Call) -> Flow<Response> {
        self.0.handle(inbound, call)
    }

    fn shares(&self) -> Vec<Share> {
        vec![Share::All]
    }

    fn guards(&self, _: Duration) -> Vec<(String, Snapshot)> {
        Vec::new()
    }

    fn tick(&self, _: Share, call: Call) -> Flow<Duration> {
        self.0.tick(call)
    }
}
