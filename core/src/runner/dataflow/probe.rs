//! Probing: the credential and the region, by the smallest list there is.

use serde_json::{Map, json};

use super::{
    Dataflow,
    check::no_stop,
    regions::{all_regions, is_everywhere},
    request::Filter,
    response::{self, JobPage},
    template,
};
use crate::{
    config::Target,
    error::Error,
    pace::Backoff,
    runner::{Capability, Probe},
};

impl Dataflow {
    pub(super) async fn probe_region(&self) -> Result<Probe, Error> {
        let target = &self.context.target;
        let twice = Backoff { tries: 2, ..Backoff::READ };
        let request = self.list_request(Filter::Active, 1, None);
        let page = self.read_within(twice, request, response::read::<JobPage>).await?;
        let facts = json!({"project": target.project, "region": target.region});
        Ok(Probe {
            version: Some("v1b3".into()),
            capabilities: capabilities(is_everywhere(target)),
            facts: facts.as_object().cloned().unwrap_or_else(Map::new),
            warnings: page.failed_location.iter().map(|place| format!("{} did not answer", place.name)).collect(),
        })
    }
}

/// What every region has: a scale is of streaming jobs with Streaming Engine, a savepoint is a snapshot.
pub(in crate::runner) const CAPABILITIES: &[Capability] = {
    use Capability as C;
    &[
        C::Batch,
        C::Streaming,
        C::TemplateSubmit,
        C::YamlSubmit,
        C::Cancel,
        C::Drain,
        C::Savepoints,
        C::Restore,
        C::Rescale,
        C::Metrics,
        C::Logging,
        C::Graph,
        C::CheckpointList,
        C::Update,
    ]
};
/// What all regions together do not: they start no job.
const SUBMITS: [Capability; 4] =
    [Capability::TemplateSubmit, Capability::YamlSubmit, Capability::Restore, Capability::Update];

fn capabilities(everywhere: bool) -> Vec<Capability> {
    CAPABILITIES.iter().copied().filter(|one| !everywhere || !SUBMITS.contains(one)).collect()
}

pub(in crate::runner) fn refusal(target: &Target, lacks: Capability) -> Option<Error> {
    match lacks.sample() {
        Some(_) if is_everywhere(target) => Some(all_regions()),
        Some(spec) => template::choose(&spec, target, false).err(),
        None => (lacks == Capability::Stop).then(no_stop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::{
        Backend,
        dataflow::testing::{answer, play, refusal, target},
    };

    const SMALLEST: &str = "GET jobs?filter=ACTIVE&pageSize=1";

    #[test]
    fn a_probe_tells_what_the_region_can_do() {
        let played = play(target(), vec![(SMALLEST, answer(200, json!({})))], |it| async move { it.probe().await });
        let probe = played.end.unwrap();
        assert_eq!(
            (probe.facts["project"].as_str(), probe.facts["region"].as_str()),
            (Some("acme-prod"), Some("us-central1"))
        );
        assert!(probe.capabilities.contains(&Capability::Drain) && !probe.capabilities.contains(&Capability::Stop));
    }

    #[test]
    fn a_refused_credential_is_not_asked_with_again() {
        let refused = vec![(SMALLEST, refusal(401, "UNAUTHENTICATED", "no"))];
        assert_eq!(play(target(), refused, |it| async move { it.probe().await }).reason(), "credential_refused");
    }
}
