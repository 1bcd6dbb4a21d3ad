//! What the host objects to while a flow acts: a request that changes something without a permit in the store, a send
//! after a clear end, a child that is let go too soon.

use beam_mcp_core::{
    effect::{Effect, Handle, Request, Signal},
    job::{OperationKind, Phase},
};

use super::{Child, Host, captures, remote::Change};

impl Host {
    /// What an effect asks for has its permit.
    pub(super) fn check(&mut self, effect: &Effect) {
        match effect {
            Effect::Send(request) => self.check_request(request),
            Effect::SendAll { requests } => requests.iter().for_each(|request| self.check_request(request)),
            Effect::Rpc { method, message, .. } => {
                let change = self.service.changes(method, message.as_slice());
                self.check_change(change);
            }
            Effect::Launch(launch) if captures(launch) => {}
            Effect::Signal { .. } if self.is_captured() => {}
            Effect::Launch(launch) => {
                self.check_submission(&launch.folder);
                self.arrived();
            }
            Effect::Signal { handle, signal } => {
                self.check_signal(handle, *signal);
                self.arrived();
            }
            _ => {}
        }
    }

    pub(super) fn arrived(&mut self) {
        if let Some(id) = self.sending.take() {
            self.shelf.note_arrival(&id);
        }
    }

    pub(super) fn check_request(&mut self, request: &Request) {
        let change = self.remote(&request.target).changes(request);
        self.check_change(change);
    }

    pub(super) fn check_change(&mut self, change: Option<Change>) {
        match change {
            Some(Change::Submission(token)) => self.check_submission(&token),
            Some(Change::Operation(kinds)) => self.check_operation(kinds),
            None => {}
        }
    }

    /// One permit is one submission, and the row shows it.
    fn check_submission(&mut self, token: &str) {
        let jobs = self.shelf.jobs();
        let Some(job) = jobs.iter().find(|job| job.token() == token) else {
            return self.object("a submission before its intent".into());
        };
        if job.phase != Phase::Sending || job.state.is_terminal() {
            self.object(format!("a submission of a job that is {:?} and {}", job.phase, job.state.as_str()));
        }
        self.use_permit(job.id.to_string());
    }

    /// One permit is one request; nothing is sent after a clear end.
    fn check_operation(&mut self, kinds: &[OperationKind]) {
        let jobs = self.shelf.jobs();
        let open = jobs.iter().flat_map(|job| job.open_operations.iter().map(move |id| (job, id)));
        let of_kind = |id: &str| OperationKind::of_id(id).is_some_and(|kind| kinds.contains(&kind));
        let Some((job, id)) = open.into_iter().find(|(_, id)| of_kind(id)) else {
            return self.object(format!("a {kinds:?} that is not open in the store"));
        };
        let ended = self.shelf.operation(id).is_none_or(|operation| operation.state.is_terminal());
        if ended || job.state.is_terminal() {
            self.object(format!("{id} was sent after its end"));
        }
        self.use_permit(id.clone());
    }

    fn use_permit(&mut self, id: String) {
        if !self.shelf.take_permit(&id) {
            self.object(format!("{id} was sent without a permit"));
        }
        self.sending = Some(id);
    }

    fn check_signal(&mut self, handle: &Handle, signal: Signal) {
        let jobs = self.shelf.jobs();
        match signal {
            Signal::Release if !jobs.iter().any(|job| job.handle.as_ref() == Some(handle)) => {
                self.object("a child was let go before its identity was stored".into());
            }
            Signal::Release => {}
            // What outlives SIGTERM is killed under the permit of the first signal.
            Signal::Kill if self.child == Child::Told => {}
            Signal::Term | Signal::Kill => self.check_operation(&[OperationKind::Cancel]),
        }
    }

    fn object(&mut self, seen: String) {
        self.objections.push(seen);
    }
}
