//! The answers of the submission API and of the master's page. What Spark leaves out or adds between 3.5 and 4.1 is
//! optional or ignored here; every other deviation is an error, never a guess.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use super::failure;
use crate::{
    effect::Response,
    error::{Error, Landed},
};

/// Reads a success, or the error the answer stands for.
pub(super) fn read<T: DeserializeOwned>(response: &Response) -> Result<T, Error> {
    if !(200..300).contains(&response.status) {
        return Err(failure::error(response));
    }
    serde_json::from_slice(response.body.as_slice()).map_err(|error| {
        Error::malformed("Spark's answer has not the form that Spark 3.5 to 4.1 gives it")
            .with("detail", error)
            .suggest("ask the operator to check the target's `url` (port 6066) and `master_url` (port 8080)")
            .landed_as(Landed::Perhaps)
    })
}

/// Answer of `status`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    pub(super) success: bool,
    #[serde(default)]
    pub(super) driver_state: Option<String>,
    #[serde(default)]
    pub(super) message: Option<String>,
}

/// Answer of `create`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Created {
    pub(super) success: bool,
    #[serde(default)]
    pub(super) submission_id: Option<String>,
    #[serde(default)]
    pub(super) message: Option<String>,
}

/// Answer of `kill`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Killed {
    pub(super) success: bool,
    #[serde(default)]
    pub(super) message: Option<String>,
}

/// Answer of `GET /`: an error that names the version.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Versioned {
    server_spark_version: String,
}

/// The version of the submission API.
pub(super) fn version(response: &Response) -> Result<String, Error> {
    match serde_json::from_slice::<Versioned>(response.body.as_slice()) {
        Ok(versioned) if matches!(response.status, 200 | 400) => Ok(versioned.server_spark_version),
        _ => Err(failure::error(response)),
    }
}

/// Major and minor number of a version.
pub(super) fn series(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Answer of the master's `/json/`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Master {
    /// As drivers reach it.
    #[serde(default)]
    pub(super) url: String,
    /// `ALIVE`, `STANDBY`, `RECOVERING`, …
    pub(super) status: String,
    pub(super) workers: Vec<Worker>,
    #[serde(default)]
    pub(super) cores: u64,
    #[serde(default)]
    pub(super) coresused: u64,
    /// Mebibytes.
    #[serde(default)]
    pub(super) memory: u64,
    #[serde(default)]
    pub(super) memoryused: u64,
    pub(super) activeapps: Vec<App>,
    pub(super) completedapps: Vec<App>,
    pub(super) activedrivers: Vec<Driver>,
    pub(super) completeddrivers: Vec<Driver>,
}

impl Master {
    /// Every driver it remembers.
    pub(super) fn drivers(&self) -> impl Iterator<Item = &Driver> {
        self.activedrivers.iter().chain(&self.completeddrivers)
    }

    pub(super) fn driver(&self, id: &str) -> Option<&Driver> {
        self.drivers().find(|driver| driver.id == id)
    }

    /// Address of a worker's page, while the master knows the worker.
    pub(super) fn worker_page(&self, id: &str) -> Option<&str> {
        self.workers.iter().find(|worker| worker.id == id).map(|worker| worker.webuiaddress.as_str())
    }

    pub(super) fn alive_workers(&self) -> usize {
        self.workers.iter().filter(|worker| worker.state == "ALIVE").count()
    }

    /// Itself, when it is the one that decides.
    ///
    /// # Errors
    /// `unavailable`, reason `master_not_alive`.
    pub(super) fn alive(self) -> Result<Self, Error> {
        if self.status == "ALIVE" { Ok(self) } else { Err(failure::not_alive(&self.status)) }
    }
}

/// One worker.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Worker {
    pub(super) id: String,
    #[serde(default)]
    pub(super) webuiaddress: String,
    #[serde(default)]
    pub(super) state: String,
}

/// One application.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct App {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: String,
    /// Unix milliseconds.
    #[serde(default)]
    pub(super) starttime: u64,
    #[serde(default)]
    pub(super) state: String,
}

/// One driver.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Driver {
    pub(super) id: String,
    /// Unix milliseconds; Spark writes them as text.
    #[serde(default, deserialize_with = "moment")]
    pub(super) starttime: u64,
    pub(super) state: String,
    /// The same moment by the master's clock on the wall, for instance `Wed Nov 25 19:56:27 UTC 2026`.
    #[serde(default)]
    pub(super) submitdate: String,
    /// Id of its worker; `None`, the word, before it has one.
    #[serde(default)]
    pub(super) worker: String,
    #[serde(default)]
    pub(super) mainclass: String,
}

fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => text.parse().unwrap_or(0),
        other => other.as_u64().unwrap_or(0),
    })
}
