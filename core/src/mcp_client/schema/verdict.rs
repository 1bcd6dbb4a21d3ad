use super::budget::Spent;

/// A verdict, or the end of what may be looked at for one.
pub(super) type Judged = Result<Verdict, Spent>;

/// What came of holding a value against a schema.
#[derive(Debug)]
pub(super) enum Verdict {
    Fits,
    /// It cannot be judged, or not all of it.
    Unsure,
    Wrong {
        /// JSON pointer into the value.
        place: String,
        /// Nothing where it is not told.
        what: String,
    },
}

impl Verdict {
    /// This and, unless it is wrong already, another one.
    pub(super) fn and(self, other: impl FnOnce() -> Judged) -> Judged {
        match self {
            Self::Wrong { .. } => Ok(self),
            Self::Fits => other(),
            Self::Unsure => Ok(match other()? {
                wrong @ Self::Wrong { .. } => wrong,
                Self::Fits | Self::Unsure => Self::Unsure,
            }),
        }
    }

    /// The same about a member of the value.
    pub(super) fn at(self, name: &str) -> Self {
        match self {
            Self::Wrong { place, what } if !what.is_empty() => {
                let name = shown(name).replace('~', "~0").replace('/', "~1");
                Self::Wrong { place: format!("/{name}{place}"), what }
            }
            other => other,
        }
    }
}

/// A name of the server's for a message. Not far into it: it may be long, and hide all there is in it.
pub(super) fn shown(name: &str) -> String {
    let end = name.char_indices().nth(256).map_or(name.len(), |(end, _)| end);
    crate::text::clean_line(name.get(..end).unwrap_or_default(), 64)
}
