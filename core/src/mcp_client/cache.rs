//! Results that their server says hold for a while (`ttlMs`).

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value};

/// Most results, and the longest one in bytes of JSON.
const MOST: usize = 128;
const LONGEST: usize = 256 << 10;
/// The methods whose results may be kept.
const KEPT: [&str; 5] = ["prompts/list", "resources/list", "resources/read", "resources/templates/list", "tools/list"];

/// Fresh results of a connection. Those of one caller alone go with its token.
#[derive(Default)]
pub(super) struct Cache {
    kept: Vec<Kept>,
    callers: u64,
    changes: BTreeMap<&'static str, u64>,
}

struct Kept {
    method: String,
    params: Map<String, Value>,
    result: Map<String, Value>,
    until: Duration,
    private: bool,
}

/// What held when a request was sent: for whom it was, and what its server had told of changes until then.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Epoch {
    callers: u64,
    changes: u64,
}

impl Cache {
    /// The result of the same request, while it is fresh.
    pub(super) fn get(&self, method: &str, params: &Map<String, Value>, now: Duration) -> Option<Map<String, Value>> {
        let is_it = |kept: &&Kept| kept.method == method && kept.params == *params && now < kept.until;
        self.kept.iter().find(is_it).map(|kept| kept.result.clone())
    }

    /// What holds now for a request of a method.
    pub(super) fn epoch(&self, method: &str) -> Epoch {
        Epoch { callers: self.callers, changes: self.changes(method) }
    }

    /// How often a server has said that such results changed.
    pub(super) fn changes(&self, method: &str) -> u64 {
        self.changes.get(method).copied().unwrap_or_default()
    }

    /// Keeps a result for as long as it says; not one whose time was over before it came.
    pub(super) fn put(
        &mut self,
        method: &str,
        params: &Map<String, Value>,
        result: &Map<String, Value>,
        now: Duration,
        sent: Epoch,
    ) {
        let present = self.epoch(method);
        if sent.changes != present.changes {
            return;
        }
        self.kept.retain(|kept| now < kept.until && !(kept.method == method && kept.params == *params));
        let private = result.get("cacheScope").is_none_or(|scope| scope != "public");
        let ttl = result.get("ttlMs").and_then(Value::as_u64).unwrap_or(0);
        let short = || serde_json::to_vec(result).is_ok_and(|text| text.len() <= LONGEST);
        if ttl == 0 || (private && sent.callers != present.callers) || !KEPT.contains(&method) || !short() {
            return;
        }
        self.kept.push(Kept {
            method: method.to_owned(),
            params: params.clone(),
            result: result.clone(),
            until: now.saturating_add(Duration::from_millis(ttl)),
            private,
        });
        self.bound();
    }

    /// Of too many, the one goes that ends soonest.
    fn bound(&mut self) {
        let soonest = self.kept.iter().enumerate().min_by_key(|(_, kept)| kept.until).map(|(index, _)| index);
        if let Some(index) = soonest.filter(|_| self.kept.len() > MOST) {
            self.kept.swap_remove(index);
        }
    }

    /// Forgets what a notification says has changed.
    pub(super) fn told(&mut self, notification: &str, params: &Value) {
        match notification {
            "notifications/tools/list_changed" => self.forget("tools/list"),
            "notifications/prompts/list_changed" => self.forget("prompts/list"),
            "notifications/resources/list_changed" => {
                self.forget("resources/list");
                self.forget("resources/templates/list");
            }
            "notifications/resources/updated" => {
                let uri = params.get("uri");
                self.change("resources/read", |kept| kept.params.get("uri") == uri);
            }
            // A subscription that begins, or begins anew, does not tell what changed before.
            "notifications/subscriptions/acknowledged" => self.clear(),
            _ => {}
        }
    }

    /// Forgets a method's results.
    pub(super) fn forget(&mut self, method: &str) {
        self.change(method, |_| true);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        for method in KEPT {
            self.forget(method);
        }
    }

    /// Forgets what was said to the holder of another token.
    pub(super) fn another_caller(&mut self) {
        self.callers += 1;
        self.kept.retain(|kept| !kept.private);
    }

    /// Forgets those of a method's results that have changed. What is under way may be as old.
    fn change(&mut self, method: &str, changed: impl Fn(&Kept) -> bool) {
        if let Some(method) = KEPT.into_iter().find(|known| *known == method) {
            *self.changes.entry(method).or_default() += 1;
            self.kept.retain(|kept| kept.method != method || !changed(kept));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(name: usize) -> Map<String, Value> {
        Map::from_iter([("uri".to_owned(), name.into())])
    }

    fn lasting(ms: usize) -> Map<String, Value> {
        json!({"ttlMs": ms, "cacheScope": "private"}).as_object().cloned().unwrap()
    }

    #[test]
    fn of_too_many_the_one_goes_that_ends_soonest() {
        let mut cache = Cache::default();
        let has = |cache: &Cache, name| cache.get("resources/read", &named(name), Duration::ZERO).is_some();
        for name in 0..MOST {
            cache.put("resources/read", &named(name), &lasting(1_000 - name), Duration::ZERO, Epoch::default());
        }
        cache.put("resources/read", &named(MOST), &lasting(2_000), Duration::ZERO, Epoch::default());
        assert!(has(&cache, MOST) && has(&cache, 0) && !has(&cache, MOST - 1));
        cache.put("resources/read", &named(MOST + 1), &lasting(1), Duration::ZERO, Epoch::default());
        assert!(!has(&cache, MOST + 1) && has(&cache, MOST - 2));
    }

    #[test]
    fn a_result_whose_scope_is_not_public_goes_with_its_caller() {
        for (scope, outlasts) in [
            (json!({"cacheScope": "public"}), true),
            (json!({"cacheScope": "private"}), false),
            (json!({"cacheScope": ""}), false),
            (json!({"cacheScope": "Public"}), false),
            (json!({"cacheScope": null}), false),
            (json!({}), false),
        ] {
            let mut result = scope.as_object().cloned().unwrap();
            result.insert("ttlMs".to_owned(), 9.into());
            let mut cache = Cache::default();
            let has = |cache: &Cache| cache.get("tools/list", &named(1), Duration::ZERO).is_some();
            let before = cache.epoch("tools/list");
            cache.put("tools/list", &named(1), &result, Duration::ZERO, before);
            assert!(has(&cache), "{scope}");
            cache.another_caller();
            assert_eq!(has(&cache), outlasts, "{scope}");
            // What was asked for with the token before.
            cache.put("tools/list", &named(1), &result, Duration::ZERO, before);
            assert_eq!(has(&cache), outlasts, "{scope}");
        }
    }

    #[test]
    fn only_what_has_changed_ends_what_is_under_way() {
        for (told, method, kept) in [
            ("notifications/prompts/list_changed", "prompts/list", false),
            ("notifications/tools/list_changed", "prompts/list", true),
            ("notifications/resources/list_changed", "resources/templates/list", false),
            ("notifications/resources/updated", "resources/read", false),
            ("notifications/subscriptions/acknowledged", "prompts/list", false),
            ("notifications/message", "prompts/list", true),
        ] {
            let mut cache = Cache::default();
            let sent = cache.epoch(method);
            cache.told(told, &json!({"uri": 1}));
            cache.put(method, &named(1), &lasting(9), Duration::ZERO, sent);
            assert_eq!(cache.get(method, &named(1), Duration::ZERO).is_some(), kept, "{told}");
        }
    }
}
