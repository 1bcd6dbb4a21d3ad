use std::{sync::Arc, time::Duration};

use super::{JobView, Telling};
use crate::{
    auth::Scope,
    call::Call,
    config::Interface,
    engine::State,
    error::{Error, ErrorKind},
    flow::Io,
    job::{Job, JobId},
    random::Branch,
    runner::{self, Runner},
    store::{Audit, Rows, Write},
};

/// Longest one piece of work at a runner takes where the caller does not say.
const RUNNER_LIMIT: Duration = Duration::from_secs(14);

/// What a verb works with: the way out, the call, the engine's state and the caller's rows.
#[derive(Clone)]
pub struct Context {
    /// The way out.
    pub io: Io,
    /// The call.
    pub call: Arc<Call>,
    /// The engine's state.
    pub state: Arc<State>,
    /// The caller's rows.
    pub rows: Rows,
    telling: Telling,
}

impl Context {
    /// A context for a call.
    pub fn new(io: Io, call: impl Into<Arc<Call>>, state: Arc<State>) -> Self {
        let call = call.into();
        let previous = state.config.store.write_previous_schema;
        let jobs = Arc::clone(&state.jobs);
        let rows = Rows::new(io.clone(), &call.caller.tenant, Branch::new(call.seed, "rows"), jobs);
        let rows = rows.as_previous_schema(previous);
        Self { io, call, state, rows, telling: Telling::default() }
    }

    /// The same for a caller who hears of waits.
    #[must_use]
    pub fn telling(self, telling: Telling) -> Self {
        Self { telling, ..self }
    }

    /// Tells the caller what is waited for.
    pub(super) async fn tell(&self, what: &str, state: &str) {
        self.telling.tell(self.io.now().mono, what, state).await;
    }

    /// The same for the rows of another tenant (the reconciler's).
    #[must_use]
    pub fn for_tenant(&self, tenant: &str) -> Self {
        let mut call = Call::clone(&self.call);
        tenant.clone_into(&mut call.caller.tenant);
        Self::new(self.io.clone(), call, Arc::clone(&self.state))
    }

    /// The same with at most `limit` from now.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        let mut context = self.clone();
        Arc::make_mut(&mut context.call).deadline = self.until(limit);
        context
    }

    /// Unix time in milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.io.now().wall_ms
    }

    /// The call's deadline, or `limit` from now when that is sooner.
    pub fn until(&self, limit: Duration) -> Duration {
        self.call.deadline.min(self.io.now().mono + limit)
    }

    /// The runner of a target. A look at the job and what follows it, each within this limit, end before clients have
    /// given up, who wait 30 s by default.
    /// A caller who gave a time of their own gets that.
    ///
    /// # Errors
    /// `failed_precondition` for a target that is gone from the configuration.
    pub fn runner(&self, target: &str) -> Result<Runner, Error> {
        self.runner_within(target, self.call.time_limit.unwrap_or(RUNNER_LIMIT))
    }

    /// The runner of a target with another time limit: a submission uploads what may be large.
    ///
    /// # Errors
    /// As [`Context::runner`].
    pub fn runner_within(&self, target: &str, limit: Duration) -> Result<Runner, Error> {
        let guard = self.state.guard(target);
        let (guard, target) = guard.zip(self.state.target(target)).ok_or_else(|| {
            Error::precondition("target_removed", format!("the target `{target}` is not configured any more"))
                .suggest("ask the operator to put the target back, then call again")
        })?;
        let deadline = self.until(limit);
        let branch = Branch::new(self.call.seed, format!("runner {}", target.name));
        let launches = Arc::clone(&self.state.launches);
        Ok(Runner::open(runner::Context { io: self.io.clone(), guard, target, deadline, branch, launches }))
    }

    /// Refuses a verb of an interface that is switched off.
    ///
    /// # Errors
    /// `unsupported` with reason `interface_off`.
    pub fn interface_on(&self, name: &str, interface: &Interface) -> Result<(), Error> {
        if interface.enabled {
            return Ok(());
        }
        Err(Error::unsupported("interface_off", format!("the operator switched the {name} interface off")))
    }

    /// A job as the caller sees it now.
    pub fn view(&self, job: &Job) -> JobView {
        JobView::new(job, &self.call.caller.tenant, &self.state, self.now_ms())
    }

    /// The audit row of something that is asked for, for the commit of its intent.
    ///
    /// # Errors
    /// `internal` when the row cannot be JSON.
    pub fn audit(&self, audit: &Audit<'_>) -> Result<Write, Error> {
        audit.write(&self.call, self.state.next_audit(&self.call.seed), self.now_ms())
    }

    /// The audit row of a result, for the commit that stores it.
    ///
    /// # Errors
    /// `internal` when the row cannot be JSON.
    pub fn audit_result(&self, verb: &str, job: &JobId, outcome: &str) -> Result<Write, Error> {
        self.audit(&Audit { verb, subject: &job.to_string(), digest: "", outcome })
    }

    /// Refuses a caller without the scope.
    ///
    /// # Errors
    /// `permission_denied` that names the scope.
    pub fn require(&self, scope: Scope) -> Result<(), Error> {
        if self.call.caller.may(scope) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::PermissionDenied,
            "missing_scope",
            format!("this needs the scope `{}`", scope.as_str()),
        )
        .with("scope", scope.as_str()))
    }
}
