//! A target of all regions: one list shows the jobs of each, known as `<region>.<Dataflow's id>`, and each job is asked
//! about and acted upon in its own. Nothing is submitted there: where a job goes, a target of one region says.

use std::{borrow::Cow, sync::Arc};

use super::{Dataflow, flow::native_id, response::JobAnswer};
use crate::{
    config::{ALL_REGIONS, Target},
    error::Error,
    job::Job,
    runner::{Context, Look},
};

/// True for a target of all regions.
pub(super) fn is_everywhere(target: &Target) -> bool {
    target.region.as_deref() == Some(ALL_REGIONS)
}

/// What a job is known by.
pub(super) fn known_as(target: &Target, answer: &JobAnswer) -> String {
    let id = &answer.id;
    if is_everywhere(target) { format!("{}.{id}", answer.location) } else { id.clone() }
}

impl Dataflow {
    /// The job's own region, and the job as it is called there.
    pub(super) fn at<'a>(&self, job: &'a Job) -> Result<(Self, Cow<'a, Job>), Error> {
        if !is_everywhere(&self.context.target) {
            return Ok((self.clone(), Cow::Borrowed(job)));
        }
        let (region, id) = native_id(job)?.split_once('.').ok_or_else(no_region)?;
        let target = Target { region: Some(region.to_owned()), ..Target::clone(&self.context.target) };
        let there = Self { context: Context { target: Arc::new(target), ..self.context.clone() } };
        Ok((there, Cow::Owned(Job { native_id: Some(id.to_owned()), ..job.clone() })))
    }

    /// What was seen of a job there, under the name it is known by here.
    pub(super) fn seen_at(&self, job: &Job, look: Look) -> Look {
        match look {
            Look::Seen(mut sighting) if is_everywhere(&self.context.target) => {
                sighting.native_id = job.native_id.clone().unwrap_or_default();
                Look::Seen(sighting)
            }
            other => other,
        }
    }

    /// Refuses a submission to a target of all regions.
    pub(super) fn one_region(&self) -> Result<(), Error> {
        if !is_everywhere(&self.context.target) {
            return Ok(());
        }
        Err(all_regions())
    }
}

pub(super) fn all_regions() -> Error {
    Error::unsupported("all_regions", "the target is all regions of its project: it watches, and starts no job")
        .suggest("submit to a target of the region the job shall run in; list_runners shows them")
}

fn no_region() -> Error {
    Error::invalid("bad_native_id", "a job of all regions is known as `<region>.<Dataflow's id>`")
        .suggest("take the id from list_jobs and send it unchanged")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        job::{JobId, JobSpec, JobState, OperationKind},
        runner::{
            Backend, Begun, Capability,
            dataflow::testing::{NATIVE, answer, job, operation, play, target},
        },
    };

    const LIST: &str = "GET /v1b3/projects/acme-prod/jobs:aggregated?filter=ACTIVE&pageSize=200";
    const JOB: &str = "/v1b3/projects/acme-prod/locations/europe-west1/jobs/2026-11-25_12_00_00-1";

    fn everywhere() -> Target {
        Target { region: Some(ALL_REGIONS.into()), ..target() }
    }

    fn there() -> Job {
        let known = "europe-west1.2026-11-25_12_00_00-1";
        Job { id: JobId::foreign("df", known), native_id: Some(known.into()), ..job() }
    }

    fn shown(id: &str, region: &str) -> Value {
        json!({"id": id, "name": "words", "location": region, "currentState": "JOB_STATE_RUNNING"})
    }

    #[test]
    fn one_list_shows_the_jobs_of_every_region() {
        let page = json!({"jobs": [shown("1", "us-central1"), shown("2", "europe-west1")]});
        let listed = play(everywhere(), vec![(LIST, answer(200, page))], |it| async move { it.list().await });
        let ids: Vec<_> = listed.end.unwrap().into_iter().map(|sighting| sighting.native_id).collect();
        assert_eq!(ids, ["us-central1.1", "europe-west1.2"]);
    }

    #[test]
    fn a_job_is_asked_about_and_ended_in_its_own_region() {
        let get = format!("GET {JOB}?view=JOB_VIEW_SUMMARY");
        let seen = answer(200, shown("2026-11-25_12_00_00-1", "europe-west1"));
        let look = play(everywhere(), vec![(get.as_str(), seen)], |it| async move { it.look(&there()).await });
        let Look::Seen(sighting) = look.end.unwrap() else { panic!("absent") };
        assert_eq!((Some(sighting.native_id), sighting.state), (there().native_id, Some(JobState::Running)));
        let put = format!("PUT {JOB}");
        let taken = answer(200, shown("2026-11-25_12_00_00-1", "europe-west1"));
        let cancel = operation(OperationKind::Cancel);
        let begun =
            play(everywhere(), vec![(put.as_str(), taken)], |it| async move { it.begin(&there(), &cancel).await });
        assert_eq!(begun.end.unwrap(), Begun::Accepted);
    }

    #[test]
    fn nothing_is_submitted_to_all_regions_and_no_job_is_without_one() {
        let spec =
            JobSpec { template_path: Some("gs://dataflow-templates/latest/Word_Count".into()), ..JobSpec::default() };
        let refused = play(everywhere(), vec![], |it| async move { it.prepare(&spec, "ab", true).await });
        assert_eq!(refused.reason(), "all_regions");
        let strange = Job { native_id: Some(NATIVE.to_owned()), ..there() };
        let look = play(everywhere(), vec![], |it| async move { it.look(&strange).await });
        assert_eq!(look.reason(), "bad_native_id");
        let small = "GET /v1b3/projects/acme-prod/jobs:aggregated?filter=ACTIVE&pageSize=1";
        let probe = play(everywhere(), vec![(small, answer(200, json!({})))], |it| async move { it.probe().await });
        let can = probe.end.unwrap().capabilities;
        assert!(can.contains(&Capability::Drain) && !can.contains(&Capability::TemplateSubmit), "{can:?}");
    }
}
