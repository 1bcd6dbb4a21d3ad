//! Spark's properties for one job, and which of them a caller may set (security-reliability.md T26).

use serde_json::Value;

use super::stderr::MARKER;
use crate::{
    error::{Error, ErrorKind},
    runner::options::{check_value, is_plain, text},
};

/// Option that holds Spark's properties.
pub(super) const CONFIGURATION: &str = "spark_configuration";

/// Properties a caller may set; a trailing `.` names a family. Class paths, JVM options, packages, plug-ins, class
/// names, endpoints and whatever Spark adds tomorrow are not among them.
const CALLERS_KEYS: [&str; 46] = [
    "spark.cores.max",
    "spark.default.parallelism",
    "spark.driver.cores",
    "spark.driver.maxResultSize",
    "spark.driver.memory",
    "spark.driver.memoryOverhead",
    "spark.driver.memoryOverheadFactor",
    "spark.driver.supervise",
    "spark.dynamicAllocation.enabled",
    "spark.dynamicAllocation.executorIdleTimeout",
    "spark.dynamicAllocation.initialExecutors",
    "spark.dynamicAllocation.maxExecutors",
    "spark.dynamicAllocation.minExecutors",
    "spark.dynamicAllocation.schedulerBacklogTimeout",
    "spark.dynamicAllocation.shuffleTracking.enabled",
    "spark.executor.cores",
    "spark.executor.heartbeatInterval",
    "spark.executor.instances",
    "spark.executor.memory",
    "spark.executor.memoryOverhead",
    "spark.executor.memoryOverheadFactor",
    "spark.kryoserializer.buffer",
    "spark.kryoserializer.buffer.max",
    "spark.locality.wait",
    "spark.memory.fraction",
    "spark.memory.offHeap.enabled",
    "spark.memory.offHeap.size",
    "spark.memory.storageFraction",
    "spark.network.timeout",
    "spark.rdd.compress",
    "spark.scheduler.mode",
    "spark.shuffle.compress",
    "spark.speculation",
    "spark.speculation.",
    "spark.sql.adaptive.",
    "spark.sql.files.maxPartitionBytes",
    "spark.sql.shuffle.partitions",
    "spark.sql.streaming.metricsEnabled",
    "spark.stage.maxConsecutiveAttempts",
    "spark.streaming.backpressure.enabled",
    "spark.streaming.backpressure.initialRate",
    "spark.streaming.blockInterval",
    "spark.streaming.kafka.maxRatePerPartition",
    "spark.streaming.stopGracefullyOnShutdown",
    "spark.task.cpus",
    "spark.task.maxFailures",
];

/// Properties that beam-mcp itself sets: nobody else may, or a driver could not be told from another.
const OWN_KEYS: [&str; 4] = [MARKER, "spark.app.name", "spark.master", "spark.submit.deployMode"];

/// True for a property that only an operator may set.
pub(in crate::runner) fn is_operators_property(key: &str) -> bool {
    let listed = |entry: &str| entry == key || (entry.ends_with('.') && key.starts_with(entry));
    !CALLERS_KEYS.into_iter().chain(OWN_KEYS).any(listed)
}

/// Checks one property. A quotation mark could pretend another property in a driver's launch command.
///
/// # Errors
/// `invalid_argument` with reason `bad_spark_configuration` or `not_an_option`, `permission_denied` with reason
/// `operator_only_option`.
pub(super) fn check_entry(key: &str, value: &Value, operator: bool) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let well = key.starts_with("spark.") && key.len() <= 128 && key.chars().all(plain);
    if !well || !is_plain(value) || text(value).contains('"') {
        return Err(Error::invalid(
            "bad_spark_configuration",
            "spark_configuration holds Spark's own properties, `spark.…`, with plain values without quotation marks",
        )
        .with("key", key));
    }
    check_value(key, &text(value))?;
    if OWN_KEYS.iter().any(|own| own.eq_ignore_ascii_case(key)) {
        return Err(Error::invalid("not_an_option", format!("`{key}` is set by beam-mcp"))
            .with("option", key)
            .suggest("leave it out: the master is the target's `spark_master`, the name the job's `job_name`"));
    }
    if operator || !is_operators_property(key) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::PermissionDenied,
        "operator_only_option",
        format!("only an operator may set Spark's `{key}`"),
    )
    .with("option", key)
    .suggest("leave it out, or ask the operator to set it in the target's `options`"))
}
