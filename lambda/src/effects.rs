//! Files and processes as the driver sees them.
//!
//! Both are performed by their own modules (`stage`, `process`) and can be left out: without them the driver answers
//! [`Reply::Unsupported`], as the Lambda function does for processes.

use std::{future::Future, io, pin::Pin};

use beam_mcp_core::effect::{Handle, Launch, Query, Recipe, Refusal, Reply, Signal, Source, SourceId};
use bytes::Bytes;

/// A future of an effect at work; it may be dropped at any await without leaving anything half done behind a name.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Keeps bytes under their hash ([`beam_mcp_core::effect::Effect::Stage`]).
pub trait Staging: Send + Sync + 'static {
    /// Carries out a recipe: [`Reply::Staged`] or [`Reply::Refused`].
    fn stage(&self, recipe: Recipe) -> Work<'_, Reply>;

    /// Opens staged bytes to read them, for the body of an outbound request.
    ///
    /// # Errors
    /// `NotFound` when nothing of the name is staged; what the system says otherwise.
    fn open<'a>(&'a self, source: &'a SourceId) -> Work<'a, io::Result<Opened>>;

    /// Begins to keep an uploaded body of at most `max_bytes`.
    ///
    /// # Errors
    /// What the system says.
    fn receive(&self, max_bytes: u64) -> Work<'_, io::Result<Box<dyn Receipt>>>;
}

/// Staged bytes, open at their start.
#[derive(Debug)]
pub struct Opened {
    /// The bytes.
    pub file: tokio::fs::File,
    /// How many there are.
    pub size: u64,
}

/// An upload under way; dropped before [`Receipt::finish`] it leaves nothing behind.
pub trait Receipt: Send {
    /// Takes the next bytes. A [`Refusal`] (`too_large`, `disk_full`, …) ends the upload.
    fn write(&mut self, bytes: Bytes) -> Work<'_, Result<(), Refusal>>;

    /// Keeps what was taken and names it. `file_name` is what the sender called it, cleaned by the callee.
    fn finish(self: Box<Self>, file_name: String) -> Work<'static, Result<Source, Refusal>>;
}

/// Starts and watches children (`Launch`, `Signal`, `Observe`).
pub trait Processes: Send + Sync + 'static {
    /// Starts a child that waits for its release: [`Reply::Held`] or [`Reply::Refused`].
    fn launch(&self, launch: Launch) -> Work<'_, Reply>;

    /// Acts on a child: [`Reply::Ok`], also when it is gone.
    fn signal(&self, handle: Handle, signal: Signal) -> Work<'_, Reply>;

    /// Asks about a child: [`Reply::Facts`] in the order of the queries.
    fn observe(&self, handle: Handle, queries: Vec<Query>) -> Work<'_, Reply>;

    /// The host stops: ends the children that no later host could find again.
    fn stop(&self);
}
