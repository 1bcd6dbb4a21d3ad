//! Stores of the native host: keyed records, ordered scans, all-or-nothing commits.

mod commit;
mod limits;
mod memory;
mod range;
#[cfg(test)]
mod suite;

pub use memory::MemoryStore;

use beam_mcp_core::store::{Op, StoreReply};

/// Where records are kept.
#[derive(Debug)]
pub enum Store {
    /// In this process, gone with it.
    Memory(MemoryStore),
}

impl Store {
    /// True when records outlive the process.
    pub fn is_durable(&self) -> bool {
        match self {
            Self::Memory(_) => false,
        }
    }

    #[expect(clippy::unused_async, reason = "SQLite answers from another thread")]
    /// Performs one operation; what is outside the limits of [`beam_mcp_core::store`] is refused unseen.
    pub async fn perform(&self, op: Op) -> StoreReply {
        if let Err(reason) = limits::check(&op) {
            return failed(reason);
        }
        match self {
            Self::Memory(store) => store.perform(&op),
        }
    }

    #[expect(clippy::unused_async, reason = "SQLite answers from another thread")]
    /// Deletes what expired before the given Unix time in milliseconds; how many records that were.
    pub async fn purge(&self, before_ms: u64) -> u64 {
        match self {
            Self::Memory(store) => store.purge(before_ms),
        }
    }
}

fn failed(reason: &str) -> StoreReply {
    StoreReply::Failed { reason: reason.to_owned() }
}
