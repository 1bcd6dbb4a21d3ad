use std::collections::BTreeMap;

use super::{mirror::Mirrored, oauth::Tokens, version::Peer};

/// What a connection remembers between its flows. All of it can be lost: it is found out again.
#[derive(Default)]
pub(super) struct State {
    last_id: u64,
    /// The server, once it was asked.
    pub(super) peer: Option<Peer>,
    /// Its tools by name, once they were listed: marks, or why the tool is not used.
    pub(super) tools: BTreeMap<String, Result<Vec<Mirrored>, String>>,
    /// Tokens and the clients they were given to.
    pub(super) tokens: Tokens,
}

impl State {
    /// An id that no other request of the connection has.
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}
