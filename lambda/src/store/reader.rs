use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{database::DatabaseFile, rows::reason};

const MOST: usize = 4;

/// Connections that only read, each used by one thread at a time.
#[derive(Clone, Debug)]
pub(super) struct Readers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: DatabaseFile,
    closed: AtomicBool,
    idle: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(file: DatabaseFile) -> Self {
        let turns = Arc::new(Semaphore::new(MOST));
        Self(Arc::new(Inner { file, closed: AtomicBool::new(false), idle: Mutex::default(), turns }))
    }

    /// Reads on a thread that may block; the machine word of a failure.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, String> {
        let turn = self.0.turns.clone().acquire_owned().await.map_err(|_| "closed")?;
        let inner = self.0.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            inner.read(work).map_err(|error| reason(&error).to_owned())
        });
        reading.await.unwrap_or_else(|_| Err("internal".into()))
    }

    /// Ends idle connections; those at work end with their work.
    pub(super) fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.turns.close();
        self.0.idle().clear();
    }
}

impl Inner {
    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let idle = self.idle().pop();
        let connection = idle.map_or_else(|| self.file.open_reader(), Ok)?;
        // A connection that failed is not used again.
        let found = work(&connection)?;
        let mut idle = self.idle();
        if !self.closed.load(Ordering::Acquire) {
            idle.push(connection);
        }
        Ok(found)
    }
}
