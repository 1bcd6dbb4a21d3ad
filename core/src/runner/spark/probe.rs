//! Probing: version, workers, and what the submission API can do.

use serde_json::{Map, json};

use super::{
    Spark,
    operation::supported,
    prepare::{check_folder, code_path},
    request,
    response::{self, Master, series},
};
use crate::{
    config::Target,
    error::Error,
    pace::Backoff,
    runner::{Capability, Probe, python::cluster},
    text::clean_line,
    url::travels_in_the_clear,
};

impl Spark {
    pub(super) async fn probe_cluster(&self) -> Result<Probe, Error> {
        self.check_complete()?;
        let target = &self.context.target;
        let requests = vec![request::master_request(target), request::version_request(target)];
        let call = || async {
            let mut outcomes = self.context.send_all(requests.clone()).await?.into_iter();
            let mut next = || outcomes.next().unwrap_or_else(|| Err(Error::misuse("no outcome")));
            let master = response::read::<Master>(&next()?)?.alive()?;
            Ok((master, next().and_then(|answer| response::version(&answer))))
        };
        let (master, version) = self.context.retry(Backoff { tries: 2, ..Backoff::READ }, call).await?;
        if version.as_ref().is_err_and(Error::gave_up) {
            return Err(Error::cancelled());
        }
        let mut probe = probe(target, &master, version.ok().as_deref());
        cluster::probe(&self.context, &mut probe).await?;
        Ok(probe)
    }
}

fn probe(target: &Target, master: &Master, version: Option<&str>) -> Probe {
    let facts = json!({
        "workers_alive": master.alive_workers(),
        "cores_total": master.cores,
        "cores_free": master.cores.saturating_sub(master.coresused),
        "memory_free_mib": master.memory.saturating_sub(master.memoryused),
        "drivers_active": master.activedrivers.len(),
        "applications_active": master.activeapps.len(),
    });
    Probe {
        version: version.map(|version| clean_line(version, 64)),
        capabilities: capabilities(target, version.is_some()),
        facts: facts.as_object().cloned().unwrap_or_else(Map::new),
        warnings: warnings(target, master, version),
    }
}

pub(in crate::runner) const CAPABILITIES: &[Capability] = {
    use Capability as C;
    &[C::Batch, C::Streaming, C::JarSubmit, C::PythonSubmit, C::YamlSubmit, C::Cancel, C::Metrics, C::Logging, C::Graph]
};

/// Without the submission API drivers can be listed, not read or killed. Whether Python runs there, its interpreter is
/// asked.
fn capabilities(target: &Target, rest: bool) -> Vec<Capability> {
    use Capability as C;
    let has = |one: &&C| match one {
        C::PythonSubmit | C::YamlSubmit => false,
        C::JarSubmit => rest && target.jar_folder.is_some(),
        C::Cancel => rest,
        _ => true,
    };
    CAPABILITIES.iter().filter(has).copied().collect()
}

pub(in crate::runner) fn refusal(target: &Target, lacks: Capability) -> Option<Error> {
    let spec = || lacks.sample();
    lacks.refused_by(supported).or_else(|| match lacks {
        Capability::PythonSubmit | Capability::YamlSubmit => cluster::check(target, &spec()?).err(),
        _ => code_path(&spec()?).and_then(|_| check_folder(target)).err(),
    })
}

/// What `tests/clusters` runs.
const TESTED: [(u32, u32); 2] = [(3, 5), (4, 1)];

fn warnings(target: &Target, master: &Master, version: Option<&str>) -> Vec<String> {
    let known = version.is_none_or(|version| series(version).is_some_and(|series| TESTED.contains(&series)));
    let plain = [&target.url, &target.master_url, &target.history_url];
    let rows = [
        (
            plain.into_iter().flatten().any(|url| travels_in_the_clear(url)),
            "calls to this target travel unencrypted: use https, or keep it on loopback",
        ),
        (
            version.is_none(),
            "the submission REST API does not answer at `url`: ask the operator to set spark.master.rest.enabled to \
             true on the master; until then no job can be submitted, read or killed",
        ),
        (!known, "this Spark version is not among those the product is tested with: 3.5 and 4.1"),
        (master.alive_workers() == 0, "no worker is alive: jobs wait for one"),
        (
            target.jar_folder.is_none(),
            "no `jar_folder` is configured, so no job can be submitted: Spark takes no uploads, workers read jars from \
             a folder",
        ),
        (
            target.history_url.is_none(),
            "no `history_url` is configured: an application's metrics can be read only while it runs",
        ),
    ];
    rows.into_iter().filter(|(holds, _)| *holds).map(|(_, text)| text.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::{FaultKind, Reply},
        runner::{
            Backend,
            spark::testing::{Played, fault, json, play, recorded, target},
        },
    };

    fn probe(target: Target, version: Reply, master: Reply) -> Played<Probe> {
        let script = vec![("GET master/json/", master), ("GET /", version)];
        play(target, script, |spark| async move { spark.probe().await })
    }

    #[test]
    fn a_probe_tells_what_the_cluster_can_do() {
        let good = probe(target(), recorded!("3.5.9/root"), recorded!("3.5.9/master-running")).end.unwrap();
        assert_eq!((good.version.as_deref(), good.warnings.as_slice()), (Some("3.5.9"), [].as_slice()));
        assert_eq!((&good.facts["workers_alive"], &good.facts["cores_free"]), (&1.into(), &5.into()));
        assert!(good.capabilities.contains(&Capability::JarSubmit) && good.capabilities.contains(&Capability::Cancel));
        for never in
            [Capability::Savepoints, Capability::Restore, Capability::Drain, Capability::Stop, Capability::Rescale]
        {
            assert!(!good.capabilities.contains(&never), "{never:?}");
        }
        let newer = probe(target(), recorded!("4.1.4/root"), recorded!("4.1.4/master-running")).end.unwrap();
        assert_eq!((newer.version.as_deref(), newer.warnings.len()), (Some("4.1.4"), 0));
        let untested = json(400, serde_json::json!({"serverSparkVersion": "4.0.1"}));
        let untested = probe(target(), untested, recorded!("4.1.4/master-running")).end.unwrap();
        assert!(untested.warnings[0].contains("3.5 and 4.1"), "{:?}", untested.warnings);
    }

    #[test]
    fn what_is_missing_is_said() {
        let bare = Target { jar_folder: None, history_url: None, ..target() };
        let closed = probe(bare, fault(FaultKind::Refused), recorded!("3.5.9/master-running")).end.unwrap();
        assert_eq!(
            closed.capabilities,
            [Capability::Batch, Capability::Streaming, Capability::Metrics, Capability::Logging, Capability::Graph]
        );
        for said in ["spark.master.rest.enabled", "jar_folder", "history_url"] {
            assert!(closed.warnings.iter().any(|warning| warning.contains(said)), "{said}: {:?}", closed.warnings);
        }
        let far = Target { url: Some("http://spark.example:6066".into()), ..target() };
        let plain = probe(far, recorded!("3.5.9/root"), recorded!("3.5.9/master-running")).end.unwrap();
        assert!(plain.warnings[0].contains("unencrypted"), "{:?}", plain.warnings);
        let incomplete = Target { master_url: None, ..target() };
        let played = play(incomplete, vec![], |spark| async move { spark.probe().await });
        assert_eq!(played.reason(), "target_incomplete");
    }
}
