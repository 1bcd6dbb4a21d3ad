//! Results that their server says hold for a while (`ttlMs`).

use std::time::Duration;

use serde_json::{Map, Value};

/// Most results, and the longest one in bytes of JSON.
const MOST: usize = 128;
const LONGEST: usize = 256 << 10;

/// Fresh results of a connection. Those of one caller alone go with its token.
#[derive(Default)]
pub(super) struct Cache(Vec<Kept>);

struct Kept {
    method: String,
    params: Map<String, Value>,
    result: Map<String, Value>,
    until: Duration,
    private: bool,
}

/// The methods whose results may be kept.
fn is_cacheable(method: &str) -> bool {
    matches!(method, "tools/list" | "resources/list" | "resources/templates/list" | "resources/read" | "prompts/list")
}

impl Cache {
    /// The result of the same request, while it is fresh.
    pub(super) fn get(&self, method: &str, params: &Map<String, Value>, now: Duration) -> Option<Map<String, Value>> {
        let is_it = |kept: &&Kept| kept.method == method && kept.params == *params && now < kept.until;
        self.0.iter().find(is_it).map(|kept| kept.result.clone())
    }

    /// Keeps a result for as long as it says.
    pub(super) fn put(
        &mut self,
        method: &str,
        params: &Map<String, Value>,
        result: &Map<String, Value>,
        now: Duration,
    ) {
        self.0.retain(|kept| now < kept.until && !(kept.method == method && kept.params == *params));
        let ttl = result.get("ttlMs").and_then(Value::as_u64).unwrap_or(0);
        let short = || serde_json::to_vec(result).is_ok_and(|text| text.len() <= LONGEST);
        if ttl == 0 || !is_cacheable(method) || self.0.len() >= MOST || !short() {
            return;
        }
        self.0.push(Kept {
            method: method.to_owned(),
            params: params.clone(),
            result: result.clone(),
            until: now.saturating_add(Duration::from_millis(ttl)),
            private: result.get("cacheScope").is_none_or(|scope| scope != "public"),
        });
    }

    /// Forgets what a notification says has changed.
    pub(super) fn told(&mut self, notification: &str, params: &Value) {
        let uri = params.get("uri");
        self.0.retain(|kept| match notification {
            "notifications/tools/list_changed" => kept.method != "tools/list",
            "notifications/prompts/list_changed" => kept.method != "prompts/list",
            "notifications/resources/list_changed" => {
                !matches!(kept.method.as_str(), "resources/list" | "resources/templates/list")
            }
            "notifications/resources/updated" => kept.method != "resources/read" || kept.params.get("uri") != uri,
            // A subscription that begins, or begins anew, does not tell what changed before.
            "notifications/subscriptions/acknowledged" => false,
            _ => true,
        });
    }

    /// Forgets a method's results.
    pub(super) fn forget(&mut self, method: &str) {
        self.0.retain(|kept| kept.method != method);
    }

    /// Forgets what was said to the holder of another token.
    pub(super) fn another_caller(&mut self) {
        self.0.retain(|kept| !kept.private);
    }
}
