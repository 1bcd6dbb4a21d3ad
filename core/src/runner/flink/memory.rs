//! How long a `JobManager` recognises a job id: until it restarts (without high availability), and for a time after the
//! job has ended (security-reliability.md 4.3, R1).

use serde::Deserialize;

use super::{Flink, request, response};
use crate::{
    error::{Error, ErrorKind},
    runner::Memory,
};

/// `jobstore.expiration-time` where the configuration says nothing, in seconds.
const KEPT_S: u64 = 3_600;

/// One line of `/jobmanager/config`.
#[derive(Debug, Deserialize)]
struct Setting {
    key: String,
    value: String,
}

impl Flink {
    pub(super) async fn memory_of_ids(&self) -> Result<Memory, Error> {
        let request = request::jobmanager_config_request(&self.context.target);
        match self.read(request, response::read::<Vec<Setting>>).await {
            Ok(settings) => Ok(memory(&settings)),
            Err(error) if may_pass(&error) => Err(error),
            // A proxy that hides the configuration: nothing is known, and nothing is sent twice.
            Err(_) => Ok(Memory::Unknown),
        }
    }
}

fn may_pass(error: &Error) -> bool {
    let outage = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::DeadlineExceeded | ErrorKind::RateLimited);
    outage || error.gave_up()
}

/// Flink draws a new `web.tmpdir` at each start. A bounded job store may forget an id at any time.
fn memory(settings: &[Setting]) -> Memory {
    let value = |key: &str| settings.iter().find(|setting| setting.key == key).map(|setting| setting.value.as_str());
    let Some(incarnation) = value("web.tmpdir") else { return Memory::Unknown };
    let kept_s = value("jobstore.expiration-time").map_or(Some(KEPT_S), |text| text.trim().parse().ok());
    match (kept_s, value("jobstore.max-capacity")) {
        (Some(kept_s), None) => {
            Memory::Process { incarnation: incarnation.to_owned(), keeps_ms: kept_s.saturating_mul(1_000) }
        }
        _ => Memory::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::{FaultKind, Reply},
        runner::{
            Backend,
            flink::testing::{fault, json, play, target},
        },
    };

    fn remembers(replies: Vec<Reply>) -> Result<Memory, Error> {
        let script = replies.into_iter().map(|reply| ("GET /jobmanager/config", reply)).collect();
        play(target(), script, |flink| async move { flink.memory().await }).end
    }

    fn settings(more: &[(&str, &str)]) -> Reply {
        let own = [("rest.port", "8081"), ("web.tmpdir", "/tmp/flink-web-a")];
        let all: Vec<_> =
            own.iter().chain(more).map(|(key, value)| serde_json::json!({"key": key, "value": value})).collect();
        json(200, all)
    }

    #[test]
    fn an_incarnation_and_how_long_it_keeps_ended_jobs() {
        let process = |keeps_ms| Memory::Process { incarnation: "/tmp/flink-web-a".into(), keeps_ms };
        assert_eq!(remembers(vec![settings(&[])]).unwrap(), process(3_600_000));
        assert_eq!(remembers(vec![settings(&[("jobstore.expiration-time", "60")])]).unwrap(), process(60_000));
        assert_eq!(remembers(vec![settings(&[("jobstore.max-capacity", "5")])]).unwrap(), Memory::Unknown);
    }

    #[test]
    fn a_cluster_that_hides_its_configuration_is_not_known_and_one_that_is_down_is_asked_later() {
        assert_eq!(remembers(vec![json(404, serde_json::json!({"errors": ["Not found"]}))]).unwrap(), Memory::Unknown);
        assert_eq!(remembers(vec![json(200, serde_json::json!([]))]).unwrap(), Memory::Unknown);
        let down = (0..4).map(|_| fault(FaultKind::Refused)).collect();
        assert_eq!(remembers(down).unwrap_err().reason(), "connection_refused");
    }

    #[test]
    fn a_repetition_is_recognised_by_the_same_process_within_its_time() {
        let of = |name: &str| Memory::Process { incarnation: name.into(), keeps_ms: 1_000 };
        assert!(of("a").still_holds(&of("a"), 999) && Memory::Lasting.still_holds(&Memory::Lasting, u64::MAX));
        assert!(!of("a").still_holds(&of("a"), 1_000) && !of("a").still_holds(&of("b"), 0));
        assert!(!Memory::Unknown.still_holds(&Memory::Unknown, 0));
    }
}
