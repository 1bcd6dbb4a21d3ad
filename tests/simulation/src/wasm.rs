//! The one function of the module in a JavaScript host: the same seed must give the same trace there (I12).

use crate::{Coverage, Fixed, schedule};

/// Trace hash of a seed's schedule; 0 when an invariant did not hold.
#[expect(unsafe_code, reason = "an export needs its name as it is")]
#[unsafe(no_mangle)]
pub extern "C" fn simulate_hash(seed: u64) -> u64 {
    let ended = schedule(seed, &Fixed::default(), false, &mut Coverage::default());
    if ended.violation.is_some() { 0 } else { ended.hash }
}
