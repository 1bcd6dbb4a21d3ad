use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{cache::Cache, mirror::Mirrored, oauth::Tokens, turn::Turns, untold::Untold, version::Peer};

/// What a connection remembers between its flows. All of it can be lost: it is found out again.
#[derive(Default)]
pub(super) struct State {
    last_id: u64,
    /// The server, once it was asked.
    pub(super) peer: Option<Arc<Peer>>,
    /// Who asks it.
    pub(super) connecting: Turns,
    /// What it told before it had answered.
    pub(super) untold: Untold,
    /// Its tools by name, once they were listed.
    pub(super) tools: BTreeMap<String, Known>,
    /// Tokens and the clients they were given to.
    pub(super) tokens: Tokens,
    /// Results that are still fresh.
    pub(super) cache: Cache,
}

/// What is remembered of a tool.
pub(super) struct Known {
    /// The arguments that travel as headers too, or why the tool is not used.
    pub(super) marks: Result<Vec<Mirrored>, String>,
    /// What its results are held against.
    pub(super) output: Option<Arc<Value>>,
}

impl State {
    /// Forgets the server, and what it said holds for a while.
    pub(super) fn forget_peer(&mut self) -> Option<Arc<Peer>> {
        self.cache.clear();
        self.tools.clear();
        self.peer.take()
    }

    /// Forgets what a notification says has changed.
    pub(super) fn told(&mut self, notification: &str, params: &Value) {
        self.cache.told(notification, params);
        // They are known again when they are listed, or when the server misses a header.
        if notification == "notifications/tools/list_changed" {
            self.tools.clear();
        }
    }

    /// An id that no other request of the connection has.
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}
