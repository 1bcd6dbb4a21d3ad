use super::{Cluster, Life, NO_ANSWER, Trigger, call::Call};

/// What the cluster may answer, the ordinary first.
impl Cluster {
    pub(super) fn words(&self, call: &Call) -> Vec<&'static str> {
        match call {
            Call::Job => self.looks(),
            Call::Run(_) => self.runs(),
            Call::Status => self.statuses(),
            Call::Cancel if self.life.is_live() => {
                vec!["taken", "taken, no answer", "lost, no answer", "refused", "ended before", "half"]
            }
            Call::Savepoint(_) | Call::Stop { .. } => {
                vec!["taken", "taken, no answer", "lost, no answer", "refused", "busy", "half"]
            }
            Call::Requirements => {
                vec!["taken", "taken, no answer", "lost, no answer", "refused", "not adaptive", "half"]
            }
            Call::Upload(_) => vec!["taken", "taken, no answer", "lost, no answer", "refused", "half"],
            Call::Config => vec!["told", "takes no jobs", "refused", "time-out", "busy", "half"],
            Call::Settings => vec!["told", "hidden", "refused", "time-out"],
            Call::Jobs => self.lists(),
            Call::DeleteJar => vec!["told", "gone", "refused", "time-out"],
            Call::Checkpoints | Call::Jars | Call::Cancel | Call::Other(_) => {
                vec!["told", "refused", "time-out", "busy", "half"]
            }
        }
    }

    fn looks(&self) -> Vec<&'static str> {
        match self.life {
            Life::Unknown => vec!["unknown", "refused", "time-out", "half"],
            Life::OnItsWay => vec!["unknown", "arrived", "refused", "half"],
            Life::Created => vec!["running", "created", "failed", "refused", "half"],
            Life::Running => vec!["running", "failed", "restarting", "forgotten", "refused"],
            Life::Restarting => vec!["running", "restarting", "finished", "failed", "refused"],
            Life::Scaling => vec!["scaled", "pending", "failed", "refused", "time-out", "half"],
            Life::Scaled => vec!["scaled", "failed", "refused"],
            Life::Stopping => vec!["ended", "running", "saved", "stop failed", "failed", "refused"],
            Life::Cancelling => vec!["ended", "running", "finished", "forgotten", "refused", "half"],
            _ => vec!["as it was", "forgotten", "refused", "half"],
        }
    }

    fn runs(&self) -> Vec<&'static str> {
        match self.life {
            Life::Unknown | Life::OnItsWay => {
                vec!["taken", "taken, no answer", "lost, no answer", "on its way", "refused", "main throws"]
            }
            _ => vec!["duplicate", NO_ANSWER, "refused", "busy"],
        }
    }

    fn statuses(&self) -> Vec<&'static str> {
        match self.trigger {
            Trigger::Unknown => vec!["unknown", "refused", "time-out", "half"],
            Trigger::Open => vec!["completed", "in progress", "failed", "forgotten", "refused", "half"],
            Trigger::Done | Trigger::Failed => vec!["told", "forgotten", "refused", "time-out"],
        }
    }

    fn lists(&self) -> Vec<&'static str> {
        match self.life {
            Life::Created | Life::Running => {
                vec!["listed", "listed as failed", "not listed", "with others", "refused", "busy"]
            }
            _ => vec!["listed", "with others", "refused", "time-out", "busy", "half"],
        }
    }
}
