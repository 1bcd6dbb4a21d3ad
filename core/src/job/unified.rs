//! The names under which every runner reports the same thing, and their units.

use serde::{Deserialize, Serialize};

/// A measure that has one name and one unit whatever the runner.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Unified {
    /// How long the job has run.
    #[serde(rename = "elapsed_time_ms")]
    ElapsedTime,
    /// Records that its sources put out.
    #[serde(rename = "elements_processed")]
    ElementsProcessed,
    /// The same in a second.
    #[serde(rename = "processing_rate")]
    ProcessingRate,
    /// How long the oldest record has waited.
    #[serde(rename = "system_lag_s")]
    SystemLag,
    /// Processors.
    #[serde(rename = "vcpu_count")]
    VcpuCount,
    /// Event time of the slowest step, as Unix time.
    #[serde(rename = "watermark_ms")]
    Watermark,
    /// How far it is behind the runner's clock.
    #[serde(rename = "watermark_lag_ms")]
    WatermarkLag,
    /// Workers.
    #[serde(rename = "worker_count")]
    WorkerCount,
}

impl Unified {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ElapsedTime,
        Self::ElementsProcessed,
        Self::ProcessingRate,
        Self::SystemLag,
        Self::VcpuCount,
        Self::Watermark,
        Self::WatermarkLag,
        Self::WorkerCount,
    ];

    /// The name in answers.
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// The unit: `1`, as UCUM writes it, for a count.
    pub const fn unit(self) -> &'static str {
        self.row().1
    }

    const fn row(self) -> (&'static str, &'static str) {
        match self {
            Self::ElapsedTime => ("elapsed_time_ms", "ms"),
            Self::ElementsProcessed => ("elements_processed", "1"),
            Self::ProcessingRate => ("processing_rate", "records/s"),
            Self::SystemLag => ("system_lag_s", "s"),
            Self::VcpuCount => ("vcpu_count", "1"),
            Self::Watermark => ("watermark_ms", "ms"),
            Self::WatermarkLag => ("watermark_lag_ms", "ms"),
            Self::WorkerCount => ("worker_count", "1"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_spelt_once_and_has_a_unit() {
        for measure in Unified::ALL {
            assert_eq!(serde_json::to_value(measure).unwrap(), measure.name());
            assert!(!measure.unit().is_empty(), "{measure:?}");
        }
        let names: std::collections::BTreeSet<_> = Unified::ALL.iter().map(|measure| measure.name()).collect();
        assert_eq!(names.len(), Unified::ALL.len());
    }
}
