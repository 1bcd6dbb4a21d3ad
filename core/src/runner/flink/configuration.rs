//! Entries of Flink's configuration for one job, and which of them a caller may set (security-reliability.md T26).

use serde_json::Value;

use crate::{
    error::{Error, ErrorKind},
    runner::options::{check_value, is_plain, text},
};

/// Option that holds entries of Flink's configuration.
pub(super) const CONFIGURATION: &str = "flink_configuration";

/// Entries of Flink's configuration a caller may set; a trailing `.` names a family.
/// Folders, class names, JVM options and anything of the cluster's own are not among them.
const CALLERS_KEYS: [&str; 21] = [
    "execution.buffer-timeout.interval",
    "execution.checkpointing.aligned-checkpoint-timeout",
    "execution.checkpointing.externalized-checkpoint-retention",
    "execution.checkpointing.incremental",
    "execution.checkpointing.interval",
    "execution.checkpointing.max-concurrent-checkpoints",
    "execution.checkpointing.min-pause",
    "execution.checkpointing.mode",
    "execution.checkpointing.num-retained",
    "execution.checkpointing.timeout",
    "execution.checkpointing.tolerable-failed-checkpoints",
    "execution.checkpointing.unaligned.enabled",
    "execution.runtime-mode",
    "parallelism.default",
    "pipeline.auto-watermark-interval",
    "pipeline.max-parallelism",
    "pipeline.object-reuse",
    "pipeline.operator-chaining.enabled",
    "restart-strategy.",
    "state.backend.incremental",
    "state.backend.type",
];

/// True for an entry that only an operator may set.
pub(in crate::runner) fn is_operators_entry(key: &str) -> bool {
    let listed = |entry: &str| entry == key || (entry.ends_with('.') && key.starts_with(entry));
    !CALLERS_KEYS.into_iter().any(listed)
}

/// Checks one entry.
///
/// # Errors
/// `invalid_argument` with reason `bad_flink_configuration`, `permission_denied` with reason `operator_only_option`.
pub(super) fn check_entry(key: &str, value: &Value, operator: bool) -> Result<(), Error> {
    let well =
        !key.is_empty() && key.len() <= 128 && key.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !well || !is_plain(value) {
        return Err(Error::invalid(
            "bad_flink_configuration",
            "flink_configuration holds Flink's keys and plain values",
        )
        .with("key", key));
    }
    check_value(key, &text(value))?;
    if operator || !is_operators_entry(key) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::PermissionDenied,
        "operator_only_option",
        format!("only an operator may set Flink's `{key}`"),
    )
    .with("option", key)
    .suggest("leave it out, or ask the operator to set it in the target's `options`"))
}
