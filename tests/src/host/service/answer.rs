use std::sync::LazyLock;

use beam_mcp_core::{
    effect::Reply,
    job_api::protobuf::{Encoder, Message},
};

use super::{Call, Life, Service, body};
use crate::host::recorded;

/// The token of the recorded job.
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// The recorded entry of `GetJobs`: the options Prism gives back with our marker among them.
struct Entry {
    id: String,
    name: String,
    options: Vec<u8>,
}

static ENTRY: LazyLock<Entry> = LazyLock::new(|| {
    let Reply::Rpc { body, .. } = reply("jobs") else { panic!("no answer of GetJobs") };
    let jobs = Message::read(body.as_slice()).expect("jobs");
    let ours = Message::read(jobs.all(1).next().expect("a job")).expect("a job");
    Entry { id: ours.text(1), name: ours.text(2), options: ours.bytes(3).expect("options").to_vec() }
});

fn reply(name: &str) -> Reply {
    recorded::reply(&format!("portable/recorded/prism/{name}"))
}

/// The answers, from what was recorded.
impl Service {
    pub(super) fn told(&self, call: Call) -> Reply {
        match call {
            Call::Jobs => body(self.jobs()),
            Call::Prepare => reply("prepare-words"),
            Call::Run => reply("run-words"),
            Call::Cancel if self.life == Life::Unknown => reply("unknown-cancel"),
            Call::Cancel => body(Encoder::new().varint(1, self.number()).finish()),
            Call::Drain => reply("unknown-drain"),
            Call::Who => reply("unknown-getstate"),
            Call::State if self.life == Life::Failed => reply("state-failing"),
            Call::State => reply("state-words"),
            Call::Messages if self.life == Life::Failed => reply("messages-failing"),
            Call::Messages => reply("messages-words"),
            Call::Metrics => reply("metrics-words"),
        }
    }

    fn jobs(&self) -> Vec<u8> {
        if self.life == Life::Unknown {
            return Vec::new();
        }
        let options = renamed(&ENTRY.options, &self.token);
        let entry = Encoder::new().text(1, &ENTRY.id).text(2, &ENTRY.name).bytes(3, &options);
        Encoder::new().bytes(1, &entry.varint(4, self.number()).finish()).finish()
    }

    /// Beam's number of the state.
    fn number(&self) -> u64 {
        match self.life {
            Life::Unknown => 0,
            Life::Prepared | Life::OnItsWay => 1,
            Life::Running => 2,
            Life::Done => 3,
            Life::Failed => 4,
            Life::Cancelled => 5,
            Life::Cancelling => 10,
        }
    }
}

/// The options with another token: of the same length, so that no border moves.
fn renamed(options: &[u8], token: &str) -> Vec<u8> {
    let mut options = options.to_vec();
    let at = options.windows(TOKEN.len()).position(|window| window == TOKEN.as_bytes()).expect("the marker");
    options[at..at + TOKEN.len()].copy_from_slice(token.as_bytes());
    options
}
