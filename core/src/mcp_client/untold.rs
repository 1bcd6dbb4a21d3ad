use serde_json::Value;

use super::{hear::too_large, link::Link};
use crate::error::Error;

/// What a server tells before it has answered who it is. The application hears it afterwards: all calls wait for that
/// answer, and an application may stand still where it is told something, or wait for one of those calls.
#[derive(Default)]
pub(super) struct Untold {
    told: Vec<(String, Value)>,
    bytes: u64,
}

impl Link {
    /// Keeps a notification until [`Link::tell_untold`].
    ///
    /// # Errors
    /// `malformed_response` for more than one message may hold.
    pub(super) fn tell_later(&self, method: String, params: Value) -> Result<(), Error> {
        let mut state = self.shared.state();
        let untold = &mut state.untold;
        untold.bytes = untold.bytes.saturating_add((method.len() + params.to_string().len()) as u64);
        if untold.bytes > self.options().max_bytes {
            return Err(too_large());
        }
        untold.told.push((method, params));
        Ok(())
    }

    /// Tells what was kept.
    pub(super) async fn tell_untold(&self) -> Result<(), Error> {
        let untold = std::mem::take(&mut self.shared.state().untold);
        for (method, params) in untold.told {
            self.io.tell(&method, params).await?;
        }
        Ok(())
    }
}
