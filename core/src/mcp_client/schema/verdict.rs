/// What came of holding a value against a schema.
#[derive(Debug)]
pub(super) enum Verdict {
    Fits,
    /// It cannot be judged, or not all of it.
    Unsure,
    Wrong {
        /// JSON pointer into the value.
        place: String,
        what: String,
    },
}

impl Verdict {
    pub(super) fn wrong(what: impl Into<String>) -> Self {
        Self::Wrong { place: String::new(), what: what.into() }
    }

    /// This and, unless it is wrong already, another one.
    pub(super) fn and(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Wrong { .. } => self,
            Self::Fits => other(),
            Self::Unsure => match other() {
                wrong @ Self::Wrong { .. } => wrong,
                Self::Fits | Self::Unsure => Self::Unsure,
            },
        }
    }

    /// The same about a member of the value.
    pub(super) fn at(self, name: &str) -> Self {
        match self {
            Self::Wrong { place, what } => {
                let name = crate::text::clean_line(name, 64).replace('~', "~0").replace('/', "~1");
                Self::Wrong { place: format!("/{name}{place}"), what }
            }
            other => other,
        }
    }

    pub(super) fn unless(is: bool, what: impl FnOnce() -> String) -> Self {
        if is { Self::Fits } else { Self::wrong(what()) }
    }
}
