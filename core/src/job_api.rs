//! Beam's Job API: the few of its messages that travel, in both directions, without its generated model.
//!
//! A pipeline stays the bytes its SDK made of it, and options are appended to rather than written anew, so nothing that
//! is not understood here is lost: generated types would drop it.
//!
//! # Source
//! `beam_job_api.proto` and `metrics.proto` of Apache Beam 2.77; recordings in `tests/vectors/portable/recorded`.

pub mod environment;
pub mod message;
pub mod metric;
pub mod protobuf;
pub mod structure;

/// Full name of a method of the job service.
pub fn method(name: &str) -> String {
    format!("/org.apache.beam.model.job_management.v1.JobService/{name}")
}
