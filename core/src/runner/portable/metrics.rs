//! What a service counted, read by Beam's own types.

use std::collections::BTreeMap;

use super::flow;
use crate::{
    error::Error,
    job::{Job, Metric, MetricKind, MetricValue, Metrics, unit_of},
    job_api::{
        message,
        metric::{Decoded, MonitoringInfo, Results},
    },
    runner::{Context, beam_name},
    text,
};

/// Most metrics of Beam and the runner that are kept.
const SYSTEM: usize = 500;
/// Most strings of one set.
const STRINGS: usize = 100;

pub(super) async fn metrics(context: &Context, job: &Job) -> Result<Metrics, Error> {
    let entry = flow::entry(context, job).await?;
    let body = flow::read(context, "GetJobMetrics", message::about(&entry.id)).await?;
    Ok(read(&Results::read(&body)?))
}

#[derive(Eq, Ord, PartialEq, PartialOrd)]
struct Place {
    namespace: String,
    name: String,
    step: Option<String>,
}

fn read(results: &Results) -> Metrics {
    let mut rows = BTreeMap::new();
    let mut unread = 0;
    for (info, committed) in sides(results) {
        let Some((kind, value)) = info.decoded().map(plain) else {
            unread += 1;
            continue;
        };
        let place = place(info);
        let row = rows.entry((!info.is_user(), place)).or_insert((kind, None, None));
        *(if committed { &mut row.2 } else { &mut row.1 }) = Some(value);
    }
    let mut metrics = Metrics { source: "the job service".into(), ..Metrics::default() };
    for ((system, place), (kind, attempted, committed)) in rows {
        let Place { namespace, name, step } = place;
        // Where data came from and went to is Beam's own.
        let list = if system || namespace == "lineage" { &mut metrics.system } else { &mut metrics.user };
        let unit = if system { unit_of(&name) } else { "" }.to_owned();
        list.push(Metric { name, namespace, step, kind, attempted, committed, unit });
    }
    note(&mut metrics, unread);
    metrics
}

fn sides(results: &Results) -> impl Iterator<Item = (&MonitoringInfo, bool)> {
    results.attempted.iter().map(|info| (info, false)).chain(results.committed.iter().map(|info| (info, true)))
}

fn note(metrics: &mut Metrics, unread: usize) {
    if metrics.user.is_empty() && metrics.system.is_empty() {
        metrics.notes.push("the service has no metrics of the job; Beam's Python service tells them at its end".into());
    }
    if metrics.system.len() > SYSTEM {
        metrics.notes.push(format!("of {} metrics of Beam and the runner {SYSTEM} are shown", metrics.system.len()));
        metrics.system.truncate(SYSTEM);
    }
    if unread > 0 {
        metrics.notes.push(format!("{unread} values of types that are not read here were left out"));
    }
}

fn place(info: &MonitoringInfo) -> Place {
    let clean = |text: &str| text::clean_line(text, 256);
    let step = ["PTRANSFORM", "PCOLLECTION"].iter().map(|label| info.label(label)).find(|step| !step.is_empty());
    let step = step.map(|step| clean(beam_name::transform(step)));
    if info.is_user() {
        return Place { namespace: clean(info.label("NAMESPACE")), name: clean(info.label("NAME")), step };
    }
    Place { namespace: beam_name::NAMESPACE.into(), name: clean(beam_name::metric(&info.urn)), step }
}

fn plain(value: Decoded) -> (MetricKind, MetricValue) {
    match value {
        Decoded::Sum(sum) => (MetricKind::Counter, MetricValue::Int(sum)),
        Decoded::SumDouble(sum) => (MetricKind::Counter, MetricValue::Float(sum)),
        Decoded::Latest(value) => (MetricKind::Gauge, MetricValue::Int(value)),
        Decoded::Distribution([count, sum, min, max]) => {
            (MetricKind::Distribution, MetricValue::Distribution { count, sum, min, max })
        }
        Decoded::Strings(all) => {
            let kept = all.iter().take(STRINGS).map(|text| text::clean_line(text, 256)).collect();
            (MetricKind::StringSet, MetricValue::Set(kept))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_counted() {
        let info = |kind: &str| MonitoringInfo {
            urn: "beam:metric:user:x:v1".into(),
            kind: kind.into(),
            payload: vec![1],
            labels: BTreeMap::new(),
        };
        let results = Results { attempted: vec![], committed: vec![info("beam:metrics:bounded_trie:v1")] };
        assert_eq!(read(&results).notes.len(), 2);
        let results = Results { attempted: vec![info("beam:metrics:sum_int64:v1")], committed: vec![] };
        let read = read(&results);
        assert_eq!((read.user[0].attempted.clone(), read.notes.len()), (Some(MetricValue::Int(1)), 0));
    }
}
