//! What a service counted, read by Beam's own types.

use std::collections::BTreeMap;

use super::flow;
use crate::{
    error::Error,
    job::{Job, Metric, MetricKind, Metrics, Raw, Reading, unit_of},
    job_api::{
        message,
        metric::{MonitoringInfo, Results},
    },
    runner::{Context, beam_metric, beam_name},
    text,
};

/// Most metrics of Beam and the runner that are kept.
const SYSTEM: usize = 500;

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
        let (kind, Reading { value, raw }) = beam_metric::reading(info);
        unread += usize::from(value.is_none());
        let row = rows.entry((!info.is_user(), place(info))).or_insert_with_key(|(system, place)| {
            let unit = if *system { unit_of(&place.name) } else { "" };
            blank(place, kind, unit)
        });
        if committed {
            (row.committed, row.raw.committed) = (value, raw);
        } else {
            (row.attempted, row.raw.attempted) = (value, raw);
        }
    }
    let mut metrics = Metrics { source: "the job service".into(), ..Metrics::default() };
    for ((system, place), metric) in rows {
        // Where data came from and went to is Beam's own.
        let list = if system || place.namespace == "lineage" { &mut metrics.system } else { &mut metrics.user };
        list.push(metric);
    }
    note(&mut metrics, unread);
    metrics
}

fn blank(Place { namespace, name, step }: &Place, kind: MetricKind, unit: &str) -> Metric {
    let (namespace, name, step) = (namespace.clone(), name.clone(), step.clone());
    Metric { name, namespace, step, kind, attempted: None, committed: None, raw: Raw::default(), unit: unit.to_owned() }
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
    metrics.notes.extend(beam_metric::note(unread));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::MetricValue;

    #[test]
    fn what_cannot_be_read_is_told_as_it_came() {
        let info = |kind: &str, payload: &[u8]| MonitoringInfo {
            urn: format!("beam:metric:user:{kind}:v1"),
            kind: format!("beam:metrics:{kind}:v1"),
            payload: payload.to_vec(),
            labels: BTreeMap::from([("NAME".to_owned(), kind.to_owned())]),
        };
        let wide = [0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
        let attempted = vec![
            info("bounded_trie", &[1, 2, 3]),
            info("sum_int64", &wide),
            info("sum_double", &f64::NAN.to_be_bytes()),
        ];
        let read = read(&Results { attempted, committed: vec![info("sum_int64", &[])] });
        let words: Vec<_> = read.user.iter().map(|m| (m.name.as_str(), m.kind, m.raw.attempted.as_deref())).collect();
        assert_eq!(
            words,
            [
                ("bounded_trie", MetricKind::Other, Some("AQID")),
                ("sum_double", MetricKind::Counter, Some("NaN")),
                ("sum_int64", MetricKind::Counter, Some("9007199254740993")),
            ]
        );
        assert_eq!(read.user[2].attempted, Some(MetricValue::Int(9_007_199_254_740_993)));
        assert_eq!(read.notes.len(), 1, "{:?}", read.notes);
    }

    #[test]
    fn what_cannot_be_read_is_counted() {
        let info = |kind: &str| MonitoringInfo {
            urn: "beam:metric:user:x:v1".into(),
            kind: kind.into(),
            payload: vec![1],
            labels: BTreeMap::new(),
        };
        let results = Results { attempted: vec![], committed: vec![info("beam:metrics:bounded_trie:v1")] };
        assert_eq!(read(&results).notes.len(), 1);
        let results = Results { attempted: vec![info("beam:metrics:sum_int64:v1")], committed: vec![] };
        let read = read(&results);
        assert_eq!((read.user[0].attempted.clone(), read.notes.len()), (Some(MetricValue::Int(1)), 0));
    }
}
