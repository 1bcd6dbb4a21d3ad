/// A revision of the protocol.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Version {
    /// The first with Streamable HTTP's predecessor; plain tools.
    V2024_11_05,
    /// Streamable HTTP, batches, tool annotations.
    V2025_03_26,
    /// `structuredContent`, titles, the version header; no batches.
    V2025_06_18,
    /// The last one with a handshake.
    V2025_11_25,
    /// Self-contained requests.
    V2026_07_28,
}

use Version as V;

impl Version {
    /// Revisions with a handshake, newest first.
    pub const LEGACY: [Self; 4] = [V::V2025_11_25, V::V2025_06_18, V::V2025_03_26, V::V2024_11_05];

    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            V::V2024_11_05 => "2024-11-05",
            V::V2025_03_26 => "2025-03-26",
            V::V2025_06_18 => "2025-06-18",
            V::V2025_11_25 => "2025-11-25",
            V::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision with a handshake of this name.
    pub(super) fn legacy(name: &str) -> Option<Self> {
        Self::LEGACY.into_iter().find(|version| version.as_str() == name)
    }

    /// What a handshake settles on: the version asked for, else the newest one that has a handshake.
    pub(super) fn negotiate(asked: &str) -> Self {
        Self::legacy(asked).unwrap_or(V::V2025_11_25)
    }

    /// Requests and results carry `_meta`, `resultType` and cache hints.
    pub(super) fn is_modern(self) -> bool {
        self >= V::V2026_07_28
    }

    /// Knows `structuredContent`, `outputSchema` and titles.
    pub(super) fn is_structured(self) -> bool {
        self >= V::V2025_06_18
    }

    /// Knows tool annotations.
    pub(super) fn is_annotated(self) -> bool {
        self >= V::V2025_03_26
    }

    /// Knows sound as content.
    pub(super) fn has_audio(self) -> bool {
        self >= V::V2025_03_26
    }

    /// Knows questions to the person.
    pub(super) fn has_elicitation(self) -> bool {
        self >= V::V2025_06_18
    }

    /// Elicitations name their mode.
    pub(super) fn has_elicitation_modes(self) -> bool {
        self >= V::V2025_11_25
    }

    /// Sends several messages in one body.
    pub(super) fn has_batches(self) -> bool {
        self == V::V2025_03_26
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_settles_on_a_version_that_has_one() {
        for (asked, want) in [
            ("2025-06-18", V::V2025_06_18),
            ("2024-11-05", V::V2024_11_05),
            ("2026-07-28", V::V2025_11_25),
            ("2099-01-01", V::V2025_11_25),
            ("", V::V2025_11_25),
        ] {
            assert_eq!(Version::negotiate(asked), want, "{asked}");
        }
    }
}
