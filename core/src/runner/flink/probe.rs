//! Probing: version, features and slots of a cluster.

use serde_json::{Map, json};

use super::{
    Flink,
    failure::rescale_unsupported,
    flow::parsed,
    prepare::code_path,
    request,
    response::{self, Config, Overview},
    submit::web_submit_disabled,
};
use crate::{
    config::Target,
    error::Error,
    pace::Backoff,
    runner::{Capability, Probe, python::cluster},
    text::clean_line,
    url::travels_in_the_clear,
};

impl Flink {
    pub(super) async fn probe_cluster(&self) -> Result<Probe, Error> {
        let target = &self.context.target;
        let others = vec![request::overview_request(target)];
        let twice = Backoff { tries: 2, ..Backoff::READ };
        let first = request::config_request(target);
        let (config, beside) = self.read_within(twice, first, others, response::read::<Config>).await?;
        let overview = parsed::<Overview>(beside.into_iter().next())?;
        let mut probe = probe(&config, &overview, target.url.as_deref());
        cluster::probe(&self.context, &mut probe).await?;
        Ok(probe)
    }
}

fn probe(config: &Config, overview: &Overview, url: Option<&str>) -> Probe {
    let facts = json!({
        "slots_total": overview.slots_total,
        "slots_available": overview.slots_available,
        "task_managers": overview.taskmanagers,
        "jobs_running": overview.jobs_running,
    });
    Probe {
        version: Some(clean_line(&config.version, 64)),
        capabilities: capabilities(config),
        facts: facts.as_object().cloned().unwrap_or_else(Map::new),
        warnings: warnings(config, overview, url),
    }
}

pub(in crate::runner) const CAPABILITIES: &[Capability] = {
    use Capability as C;
    &[
        C::Batch,
        C::Streaming,
        C::JarSubmit,
        C::PythonSubmit,
        C::YamlSubmit,
        C::Cancel,
        C::Drain,
        C::Stop,
        C::Savepoints,
        C::Restore,
        C::Checkpointing,
        C::Rescale,
        C::Metrics,
        C::Logging,
        C::Graph,
        C::CheckpointList,
    ]
};

/// What the cluster itself has; whether Python runs there, its interpreter is asked.
fn capabilities(config: &Config) -> Vec<Capability> {
    use Capability as C;
    let has = |one: &&C| match one {
        C::PythonSubmit | C::YamlSubmit => false,
        C::JarSubmit | C::Restore => config.features.web_submit,
        C::Rescale => config.features.web_rescale,
        _ => true,
    };
    CAPABILITIES.iter().filter(has).copied().collect()
}

pub(in crate::runner) fn refusal(target: &Target, lacks: Capability) -> Option<Error> {
    match lacks {
        Capability::Rescale => Some(rescale_unsupported()),
        Capability::JarSubmit | Capability::Restore => Some(web_submit_disabled()),
        Capability::PythonSubmit | Capability::YamlSubmit => cluster::check(target, &lacks.sample()?).err(),
        _ => code_path(&lacks.sample()?).err(),
    }
}

/// What `tests/clusters` runs.
const TESTED: [(u32, u32); 2] = [(1, 20), (2, 2)];

fn warnings(config: &Config, overview: &Overview, url: Option<&str>) -> Vec<String> {
    let known = config.series().is_some_and(|series| TESTED.contains(&series));
    let plain = url.is_some_and(travels_in_the_clear);
    let rows = [
        (plain, "calls to this target travel unencrypted: use https, or keep it on loopback"),
        (!known, "this Flink version is not among those the product is tested with: 1.20 and 2.2"),
        (!config.features.web_submit, "web.submit.enable is off: jobs cannot be submitted"),
        (overview.taskmanagers == 0, "no task manager is registered: jobs wait for slots"),
    ];
    rows.into_iter().filter(|(holds, _)| *holds).map(|(_, text)| text.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::{
        Backend,
        flink::testing::{json, play, recorded, target},
    };

    #[test]
    fn a_probe_tells_what_the_cluster_can_do() {
        let probe = |config, url: &str| {
            let mut target = target();
            target.url = Some(url.to_owned());
            let script = vec![("GET /config", config), ("GET /overview", recorded!("2.2.1/overview"))];
            play(target, script, |flink| async move { flink.probe().await }).end.unwrap()
        };
        let good = probe(recorded!("2.2.1/config"), "http://[::1]:8081");
        assert_eq!((good.version.as_deref(), good.warnings.len()), (Some("2.2.1"), 0));
        assert_eq!(good.facts["slots_total"], 8);
        assert!(good.capabilities.contains(&Capability::Rescale));
        for untested in ["1.19.3", "2.0.1", "2.1.0"] {
            let config = serde_json::json!({"flink-version": untested, "features": {"web-submit": true}});
            let said = probe(json(200, config), "http://[::1]:8081").warnings;
            assert!(said.iter().any(|warning| warning.contains("1.20 and 2.2")), "{untested}: {said:?}");
        }
        let off = json(200, serde_json::json!({"flink-version": "1.14.0", "features": {"web-submit": false}}));
        let bad = probe(off, "http://flink.example:8081");
        assert_eq!(bad.warnings.len(), 3, "{:?}", bad.warnings);
        assert!(!bad.capabilities.contains(&Capability::Rescale) && !bad.capabilities.contains(&Capability::JarSubmit));
    }
}
