use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI32, AtomicI64, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use beam_mcp_core::store::{Commit, Key, Record, StoreReply};
use rusqlite::{Connection, TransactionBehavior, hooks::Wal};
use tokio::sync::{mpsc, oneshot, watch};

use super::{cache::Cache, database::BUSY, failed, rows};
use crate::logging::{Level, Line};

/// Commits made with one sync to the disk.
const BATCH: usize = 64;
const QUEUE: usize = 1024;
const PURGED_AT_ONCE: u32 = 500;
/// Most rounds of one purge, so that commits do not wait long for it.
const PURGE_ROUNDS: usize = 20;
/// Pages in the write-ahead log from which on the writer folds them into the file.
const CHECKPOINT_PAGES: i32 = 1000;
/// Pages from which on readers are waited for, so that the log begins anew: where some reader is always at work it would
/// grow for ever, and with it the time that the next start takes.
const LONG_LOG_PAGES: i32 = 4000;
/// How long they are waited for.
const READERS: Duration = Duration::from_millis(250);
/// How long another process's write may stay unseen by the row cache, in microseconds.
const STALE_US: u64 = 2_000;

/// The only connection that writes, behind a thread of its own.
///
/// Commits that arrive while the disk is busy are made together with the next sync: a lone commit waits for nobody, and
/// a crowd shares.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    alarm: Alarm,
    others: Arc<Others>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
enum Job {
    Commit(Commit, oneshot::Sender<StoreReply>),
    Purge(u64, oneshot::Sender<u64>),
    Close,
}

impl Writer {
    pub(super) fn start(mut connection: Connection, cache: Arc<Cache>) -> rusqlite::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let alarm = Alarm(Arc::new(watch::Sender::new(None)));
        let log_pages = count_log_pages(&mut connection)?;
        let others = Arc::new(Others::new(connection, cache));
        let long_log = AtomicI32::new(LONG_LOG_PAGES);
        let mut desk = Desk { queue, others: others.clone(), alarm: alarm.clone(), log_pages, long_log };
        let thread = Mutex::new(Some(std::thread::spawn(move || desk.work())));
        Ok(Self { jobs, alarm, others, thread })
    }

    pub(super) async fn commit(&self, commit: Commit) -> StoreReply {
        let (reply, replied) = oneshot::channel();
        // A writer that ended drops both the job and its reply.
        let _ = self.jobs.send(Job::Commit(commit, reply)).await;
        replied.await.unwrap_or_else(|_| failed("closed"))
    }

    pub(super) async fn purge(&self, before_ms: u64) -> u64 {
        let (reply, replied) = oneshot::channel();
        let _ = self.jobs.send(Job::Purge(before_ms, reply)).await;
        replied.await.unwrap_or(0)
    }

    pub(super) fn forget_if_others_wrote(&self) {
        self.others.look_now_and_then();
    }

    pub(super) fn alarm(&self) -> Alarm {
        self.alarm.clone()
    }

    pub(super) async fn broken(&self) -> String {
        let mut told = self.alarm.0.subscribe();
        // The sender lives as long as `self`.
        let reason = told.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        reason.unwrap_or_default()
    }

    /// Makes what is queued, then ends the thread and its connection.
    pub(super) fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A full queue is emptied by the thread; a closed one has no thread.
            while matches!(self.jobs.try_send(Job::Close), Err(mpsc::error::TrySendError::Full(_))) {
                std::thread::yield_now();
            }
            let _ = thread.join();
        }
        self.others.connection().take();
    }
}

#[cfg(test)]
impl Writer {
    pub(super) fn with_connection<T>(&self, work: impl FnOnce(&Connection) -> T) -> T {
        work(self.others.connection().as_ref().unwrap())
    }
}

/// Tells that the store must not be written any more.
#[derive(Clone, Debug)]
pub(super) struct Alarm(Arc<watch::Sender<Option<String>>>);

impl Alarm {
    pub(super) fn ring(&self, reason: &str) {
        Line::new(Level::Error, "store_broken").text("reason", Some(reason)).send();
        self.0.send_replace(Some(reason.to_owned()));
    }

    fn rang(&self) -> bool {
        self.0.borrow().is_some()
    }
}

/// The writer's connection, which knows whether other processes wrote.
#[derive(Debug)]
struct Others {
    connection: Mutex<Option<Connection>>,
    cache: Arc<Cache>,
    begun: Instant,
    looked_us: AtomicU64,
    data_version: AtomicI64,
}

impl Others {
    fn new(connection: Connection, cache: Arc<Cache>) -> Self {
        let (looked_us, data_version) = (AtomicU64::new(0), AtomicI64::new(-1));
        Self { connection: Mutex::new(Some(connection)), cache, begun: Instant::now(), looked_us, data_version }
    }

    fn connection(&self) -> MutexGuard<'_, Option<Connection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at most once per [`STALE_US`]; while the writer is at work it looks itself.
    fn look_now_and_then(&self) {
        if self.cache.is_off() {
            return;
        }
        let now = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let last = self.looked_us.load(Ordering::Relaxed);
        let due = now.saturating_sub(last) >= STALE_US;
        if due
            && self.looked_us.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
            && let Ok(connection) = self.connection.try_lock()
            && let Some(connection) = connection.as_ref()
        {
            self.look(connection);
        }
    }

    /// `SQLite` changes this number for a connection whenever another one has committed, in any process.
    fn look(&self, connection: &Connection) {
        let read = connection.prepare_cached("PRAGMA data_version");
        let version = read.and_then(|mut statement| statement.query_row([], |row| row.get(0)));
        let changed = |version| self.data_version.swap(version, Ordering::Relaxed) != version;
        // Who cannot tell must not trust what it kept.
        if version.map_or(true, changed) {
            self.cache.clear();
        }
    }
}

/// The thread's side.
struct Desk {
    queue: mpsc::Receiver<Job>,
    others: Arc<Others>,
    alarm: Alarm,
    /// Length of the write-ahead log after the last commit.
    log_pages: Arc<AtomicI32>,
    /// Length from which on readers are waited for.
    long_log: AtomicI32,
}

impl Desk {
    fn work(&mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while let Some(first) = self.queue.blocking_recv() {
            let mut next = Some(first);
            while let Some(job) = next.take() {
                match job {
                    Job::Commit(commit, reply) => batch.push((commit, reply)),
                    other => {
                        self.make(&mut batch);
                        if self.attend(other) {
                            return;
                        }
                    }
                }
                next = if batch.len() < BATCH { self.queue.try_recv().ok() } else { None };
            }
            self.make(&mut batch);
        }
    }

    /// True when the thread is to end.
    fn attend(&self, job: Job) -> bool {
        if let Job::Purge(before_ms, reply) = job {
            // Who asked may be gone.
            let _ = reply.send(self.purge(before_ms));
            return false;
        }
        true
    }

    fn make(&self, batch: &mut Vec<(Commit, oneshot::Sender<StoreReply>)>) {
        if batch.is_empty() {
            return;
        }
        let (commits, replies): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        let outcomes = self.make_all(&commits).unwrap_or_else(|reason| vec![failed(&reason); commits.len()]);
        for (outcome, reply) in outcomes.into_iter().zip(replies) {
            let _ = reply.send(outcome);
        }
        self.checkpoint();
    }

    /// Folds a long log into the file, after the answers are out. Here an error is seen: a sync that fails while
    /// pages are folded in loses them with the log that is begun anew.
    fn checkpoint(&self) {
        let pages = self.log_pages.load(Ordering::Relaxed);
        if pages < CHECKPOINT_PAGES || self.alarm.rang() {
            return;
        }
        let connection = self.others.connection();
        let Some(connection) = connection.as_ref() else { return };
        let folded = if pages < self.long_log.load(Ordering::Relaxed) {
            fold(connection, "PASSIVE").map(drop)
        } else {
            self.begin_anew(connection, pages)
        };
        if let Err(error) = folded {
            self.explain(&error);
        }
    }

    /// Where a reader stays, for a backup say, this is tried again when the log is longer still.
    fn begin_anew(&self, connection: &Connection, pages: i32) -> rusqlite::Result<()> {
        connection.busy_timeout(READERS)?;
        let folded = fold(connection, "RESTART");
        connection.busy_timeout(BUSY)?;
        let next = if folded? { LONG_LOG_PAGES } else { pages.saturating_add(CHECKPOINT_PAGES) };
        self.long_log.store(next, Ordering::Relaxed);
        Ok(())
    }

    fn make_all(&self, commits: &[Commit]) -> Result<Vec<StoreReply>, String> {
        if self.alarm.rang() {
            return Err("broken".into());
        }
        let mut connection = self.others.connection();
        let connection = connection.as_mut().ok_or("closed")?;
        let made = transact(connection, commits).map_err(|error| self.explain(&error))?;
        self.others.look(connection);
        let mut outcomes = Vec::with_capacity(commits.len());
        for (commit, (reply, records)) in commits.iter().zip(made) {
            if matches!(reply, StoreReply::Committed { .. }) {
                self.others.cache.wrote(commit.writes.iter().map(|write| &write.key), &records);
            }
            outcomes.push(reply);
        }
        Ok(outcomes)
    }

    fn explain(&self, error: &rusqlite::Error) -> String {
        if rows::is_fatal(error) {
            self.alarm.ring(&error.to_string());
        } else {
            Line::new(Level::Warn, "store_write_failed").text("error", Some(&error.to_string())).send();
        }
        rows::reason(error).to_owned()
    }

    fn purge(&self, before_ms: u64) -> u64 {
        let mut purged = 0;
        for _ in 0..PURGE_ROUNDS {
            let connection = self.others.connection();
            let Some(connection) = connection.as_ref() else { break };
            let keys: Vec<Key> = match rows::purge(connection, before_ms, PURGED_AT_ONCE) {
                Ok(keys) => keys,
                Err(error) => {
                    self.explain(&error);
                    break;
                }
            };
            self.others.cache.wrote(keys.iter(), &[]);
            purged += keys.len() as u64;
            if keys.len() < PURGED_AT_ONCE as usize {
                break;
            }
        }
        self.checkpoint();
        purged
    }
}

/// True where nobody was in the way. The other numbers of the row tell how far readers let it come.
fn fold(connection: &Connection, how: &str) -> rusqlite::Result<bool> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |row| Ok(row.get::<_, i32>(0)? == 0))
}

fn count_log_pages(connection: &mut Connection) -> rusqlite::Result<Arc<AtomicI32>> {
    let pages = Arc::new(AtomicI32::new(0));
    let counted = pages.clone();
    connection.wal_hook(Some(move |_: &mut Wal, pages| {
        counted.store(pages, Ordering::Relaxed);
        Ok(())
    }))?;
    Ok(pages)
}

type Made = Vec<(StoreReply, Vec<Record>)>;

fn transact(connection: &mut Connection, commits: &[Commit]) -> rusqlite::Result<Made> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let made = commits.iter().map(|commit| rows::apply(&transaction, commit)).collect::<Result<_, _>>()?;
    transaction.commit()?;
    Ok(made)
}
