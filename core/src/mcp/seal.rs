//! Request states: what a server gives away between two rounds and must be able to trust when it comes back.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq as _;

use crate::{call::Call, random::hmac};

/// How long a state may take to come back.
pub(super) const LIFETIME_MS: u64 = 10 * 60 * 1000;

/// What a state is bound to, besides its time.
pub(super) struct Binding<'a> {
    pub(super) key: [u8; 32],
    pub(super) call: &'a Call,
    pub(super) method: &'a str,
    /// The parameters without `_meta`, answers and state: those may differ in the next round.
    pub(super) params: &'a Map<String, Value>,
}

impl Binding<'_> {
    /// The state as the client is given it: readable, not changeable.
    pub(super) fn seal(&self, state: &Value, now_ms: u64) -> String {
        let body = json!({"state": state, "until": now_ms.saturating_add(LIFETIME_MS)}).to_string();
        let mac = self.mac(body.as_bytes());
        format!("{}.{}", URL_SAFE_NO_PAD.encode(body), URL_SAFE_NO_PAD.encode(mac))
    }

    /// The state in what a client sent; `None` for anything that was not given out to this caller for this request, or
    /// too long ago.
    pub(super) fn open(&self, sealed: &str, now_ms: u64) -> Option<Value> {
        let (body, mac) = sealed.split_once('.')?;
        let (body, mac) = (URL_SAFE_NO_PAD.decode(body).ok()?, URL_SAFE_NO_PAD.decode(mac).ok()?);
        if !bool::from(self.mac(&body).as_slice().ct_eq(&mac)) {
            return None;
        }
        let mut body: Value = serde_json::from_slice(&body).ok()?;
        (body.get("until")?.as_u64()? >= now_ms).then(|| body.get_mut("state").map(Value::take))?
    }

    fn mac(&self, body: &[u8]) -> [u8; 32] {
        let params = Value::Object(self.params.clone()).to_string();
        let bound =
            [&self.call.caller.tenant, &self.call.caller.principal, self.method, params.as_str()].map(str::as_bytes);
        let [tenant, principal, method, params] = bound;
        hmac(&self.key, &[b"requestState", tenant, principal, method, params, body])
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::auth::{Caller, Role};

    #[test]
    fn a_state_comes_back_from_its_caller_for_its_request_in_time() {
        let call = |name| Call::local(Caller::with_role(name, Role::Operator), Duration::ZERO, [0; 32]);
        let (me, you) = (call("me"), call("you"));
        let params = Map::from_iter([("name".to_owned(), json!("cancel_job"))]);
        let others = Map::from_iter([("name".to_owned(), json!("scale_job"))]);
        let mine = Binding { key: [1; 32], call: &me, method: "tools/call", params: &params };
        let state = json!({"plan": "abc", "round": 1});
        let sealed = mine.seal(&state, 1_000);
        assert_eq!(mine.open(&sealed, 1_000 + LIFETIME_MS), Some(state));
        assert_eq!(mine.open(&sealed, 1_001 + LIFETIME_MS), None, "too late");
        for stranger in [
            Binding { call: &you, ..mine },
            Binding { method: "prompts/get", ..mine },
            Binding { params: &others, ..mine },
            Binding { key: [2; 32], ..mine },
        ] {
            assert_eq!(stranger.open(&sealed, 1_000), None);
        }
        for (at, _) in sealed.char_indices() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(mine.open(std::str::from_utf8(&changed).unwrap(), 1_000), None, "{at}");
        }
        for foreign in ["", ".", "e30", "e30.", "not base64.%%"] {
            assert_eq!(mine.open(foreign, 0), None, "{foreign}");
        }
    }
}
