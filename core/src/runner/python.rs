//! What runners of Python pipelines share: options as arguments, code in its forms, the child that runs it or keeps
//! its pipeline.

pub(in crate::runner) mod argv;
pub(in crate::runner) mod brought;
pub(in crate::runner) mod capture;
pub(in crate::runner) mod child_log;
pub(in crate::runner) mod cluster;
pub(in crate::runner) mod code;
pub(in crate::runner) mod environment;
pub(in crate::runner) mod handed;
pub(in crate::runner) mod interpreter;
mod job_server;
pub(in crate::runner) mod outline;
mod portable_jar;
pub(in crate::runner) mod staging;
#[cfg(test)]
pub(in crate::runner) mod testing;
