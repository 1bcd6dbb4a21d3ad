//! Stores of the native host: keyed records, ordered scans, all-or-nothing commits.

mod audit_check;
mod cache;
mod commit;
mod database;
#[cfg(feature = "lambda")]
mod dynamo;
mod limits;
mod memory;
mod range;
mod reader;
mod row_check;
mod rows;
mod sqlite;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;
pub mod upkeep;
mod writer;

pub use audit_check::check_chains;
#[cfg(feature = "lambda")]
pub use dynamo::{AwsCredentials, DynamoStore, DynamoTable};
pub use memory::MemoryStore;
pub use sqlite::SqliteStore;

use beam_mcp_core::store::{Op, StoreReply};

/// Where records are kept.
#[derive(Debug)]
pub enum Store {
    /// In this process, gone with it.
    Memory(MemoryStore),
    /// In a file.
    Sqlite(SqliteStore),
    /// In a table of AWS.
    #[cfg(feature = "lambda")]
    Dynamo(DynamoStore),
}

impl Store {
    /// Performs one operation; what is outside the limits of [`beam_mcp_core::store`] is refused unseen.
    pub async fn perform(&self, op: Op) -> StoreReply {
        if let Err(reason) = limits::check(&op) {
            return failed(reason);
        }
        match self {
            Self::Memory(store) => store.perform(&op),
            Self::Sqlite(store) => store.perform(op).await,
            #[cfg(feature = "lambda")]
            Self::Dynamo(store) => store.perform(op).await,
        }
    }

    /// True when records outlive the process.
    pub fn is_durable(&self) -> bool {
        !matches!(self, Self::Memory(_))
    }

    /// Deletes what expired before the given Unix time in milliseconds; how many records that were. `DynamoDB` deletes
    /// by itself.
    pub async fn purge(&self, before_ms: u64) -> u64 {
        match self {
            Self::Memory(store) => store.purge(before_ms),
            Self::Sqlite(store) => store.purge(before_ms).await,
            #[cfg(feature = "lambda")]
            Self::Dynamo(_) => 0,
        }
    }

    /// Waits until the store must not be written any more (a sync failed, the file is damaged); why.
    pub async fn broken(&self) -> String {
        match self {
            Self::Memory(_) => std::future::pending().await,
            #[cfg(feature = "lambda")]
            Self::Dynamo(_) => std::future::pending().await,
            Self::Sqlite(store) => store.broken().await,
        }
    }

    /// Makes what is queued and lets go of the file; later operations fail.
    pub fn close(&self) {
        match self {
            Self::Memory(_) => {}
            #[cfg(feature = "lambda")]
            Self::Dynamo(_) => {}
            // Waits for the disk; nothing else is left to do by then.
            Self::Sqlite(store) => tokio::task::block_in_place(|| store.close()),
        }
    }
}

fn failed(reason: &str) -> StoreReply {
    StoreReply::Failed { reason: reason.to_owned() }
}

#[cfg(test)]
impl Store {
    /// True when `purge` deletes.
    fn purges(&self) -> bool {
        match self {
            Self::Memory(_) | Self::Sqlite(_) => true,
            #[cfg(feature = "lambda")]
            Self::Dynamo(_) => false,
        }
    }
}
