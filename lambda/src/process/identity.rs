//! Who a process is: its id and start time, so that a number used again is not taken for it.

use std::fs;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};

/// A process for as long as the machine runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) pid: u32,
    /// Clock ticks since boot.
    pub(super) start_time: u64,
}

/// The fields of `/proc/<pid>/stat` that are used (proc(5): 3, 20, 22).
struct Stat {
    state: u8,
    threads: u64,
    start_time: u64,
}

impl Identity {
    /// Of a process that is there.
    pub(super) fn of(pid: u32) -> Option<Self> {
        stat(&format!("/proc/{pid}/stat")).map(|stat| Self { pid, start_time: stat.start_time })
    }

    /// True while it runs; a process that ended and waits to be reaped does not.
    pub(super) fn is_alive(self) -> bool {
        self.stat().is_some_and(|stat| stat.start_time == self.start_time && !matches!(stat.state, b'Z' | b'X'))
    }

    /// Signals the group it leads, or what is left of that group. Does nothing when its number is another process's.
    pub(super) fn signal_group(self, signal: Signal) {
        let another = self.stat().is_some_and(|stat| stat.start_time != self.start_time);
        if let Some(pid) = self.pid().filter(|_| !another) {
            // The only failures are "no such group" and "not yours any more": either way there is nothing left to end.
            let _ = kill_process_group(pid, signal);
        }
    }

    pub(super) fn pid(self) -> Option<Pid> {
        i32::try_from(self.pid).ok().and_then(Pid::from_raw)
    }

    fn stat(self) -> Option<Stat> {
        stat(&format!("/proc/{}/stat", self.pid))
    }
}

fn stat(path: &str) -> Option<Stat> {
    let text = fs::read(path).ok()?;
    // The second field is a name in parentheses that may itself hold blanks and parentheses.
    let after = text.iter().rposition(|byte| *byte == b')')? + 2;
    let fields: Vec<&[u8]> = text.get(after..)?.split(|byte| *byte == b' ').collect();
    let number = |field: usize| std::str::from_utf8(fields.get(field - 3)?).ok()?.parse().ok();
    Some(Stat { state: *fields.first()?.first()?, threads: number(20)?, start_time: number(22)? })
}

/// Number of threads of all processes of this user, which is what the limit on processes counts.
pub(super) fn threads_of_user() -> u64 {
    let me = rustix::process::getuid().as_raw();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mine = processes.filter(|process| {
        use std::os::unix::fs::MetadataExt as _;
        process.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit)
            && process.metadata().is_ok_and(|meta| meta.uid() == me)
    });
    mine.filter_map(|process| stat(process.path().join("stat").to_str()?)).map(|stat| stat.threads).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_used_again_is_another_process() {
        use std::os::unix::process::CommandExt as _;
        let mut leader = std::process::Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        let me = Identity::of(leader.id()).unwrap();
        let other = Identity { start_time: me.start_time + 1, ..me };
        other.signal_group(Signal::KILL);
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(me.is_alive() && !other.is_alive());
        me.signal_group(Signal::KILL);
        leader.wait().unwrap();
        assert!(!me.is_alive());
    }

    #[test]
    fn the_threads_of_a_user_are_counted() {
        let before = threads_of_user();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let idle = std::thread::spawn(move || wait.recv());
        assert!(before >= 1 && stat("/proc/self/stat").unwrap().threads >= 2);
        drop(go);
        let _ = idle.join();
    }
}
