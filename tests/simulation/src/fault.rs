//! The faults of `security-reliability.md` section 5.1, by their numbers there.

/// Declares the faults with their numbers and what they do.
macro_rules! faults {
    ($($fault:ident $name:literal $text:literal,)*) => {
        /// One kind of fault. `None` stands for an effect that went well.
        #[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
        pub enum Fault { $(#[doc = $text] $fault,)* }

        impl Fault {
            /// Every fault, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$fault,)*];

            /// The number it has in `security-reliability.md`, with a letter where a number names several.
            pub fn name(self) -> &'static str {
                match self { $(Self::$fault => $name,)* }
            }

            /// What it does.
            pub fn text(self) -> &'static str {
                match self { $(Self::$fault => $text,)* }
            }

            /// The fault of a number.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|fault| fault.name().eq_ignore_ascii_case(name))
            }
        }
    };
}

faults! {
    None "-" "nothing goes wrong",
    Dropped "F1" "a request is lost before it arrives",
    AnswerLost "F2" "the answer is lost after the request did its work",
    Repeated "F3" "a request arrives twice",
    Delayed "F4" "a request arrives late, up to twice its time limit",
    ServerError "F5" "5xx, before or after the work was done",
    TooMany "F6" "429 with Retry-After, without, or with an absurd one",
    Mangled "F7" "an answer cut short, of the wrong types, or too large",
    Refused "F8" "refused connection, failed name lookup or TLS handshake",
    Crash "F9" "a process dies between two steps and starts again up to 60 s later",
    Freeze "F10" "a process stands still for up to two minutes",
    ClockJump "F11" "the wall clock jumps up to 10 minutes, processes differ up to 5",
    RunnerRestart "F12" "the runner restarts and forgets its jobs",
    PowerCut "F13a" "the machine loses power: unsynced writes are lost or torn, children die",
    DiskFull "F13b" "the disk is full for a while",
    DiskError "F13c" "fsync fails: the process stops",
    Throttled "F14a" "the store refuses for now",
    Ambiguous "F14b" "the store does not say whether it wrote",
    StaleIndex "F14c" "scans show the past, up to 2 s old",
    ClientGone "F16a" "the client goes away while its call runs",
    ShortDeadline "F16b" "a call comes with little time left",
    Shutdown "F16c" "the process is told to stop",
}

/// Number of faults.
pub const FAULTS: usize = Fault::ALL.len();
