/// The revision without a handshake.
pub(super) const MODERN: &str = "2026-07-28";
/// Revisions with a handshake, newest first. The last one has a transport of its own, but pipes are the same.
pub(super) const LEGACY: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// What a server of either era said about itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Peer {
    /// The revision both sides speak.
    pub(super) version: &'static str,
    /// Session of a server with a handshake.
    pub(super) session: Option<String>,
    /// Reached by the pair of endpoints of 2024-11-05.
    pub(super) paired: bool,
    /// What `connect` tells: `protocolVersion`, `capabilities`, `serverInfo`, `instructions`, as far as they were said.
    pub(super) said: serde_json::Value,
}

impl Peer {
    /// True without a handshake.
    pub(super) fn is_modern(&self) -> bool {
        self.version == MODERN
    }
}

/// The known revision of this name among those with a handshake.
pub(super) fn legacy(name: &str) -> Option<&'static str> {
    LEGACY.into_iter().find(|version| *version == name)
}
