//! One child: its own session, no new privileges, a cleared environment, files for its output, limits.

use std::{
    io,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
};

use beam_mcp_core::effect::{Limits, LogStream};
use process_wrap::std::{ChildWrapper, CommandWrap, ProcessSession};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::{folder::Folder, identity};

/// Most open files, and most threads and processes beyond those the user has already.
const OPEN_FILES: u64 = 4096;
const MORE_THREADS: u64 = 1024;

/// What is started where.
pub(super) struct Plan {
    pub(super) program: PathBuf,
    pub(super) argv: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) folder: Folder,
    pub(super) limits: Limits,
}

/// Starts the child, which waits for a byte on its standard input.
///
/// Its limits are set from outside while it waits.
pub(super) fn spawn(plan: &Plan) -> io::Result<Box<dyn ChildWrapper>> {
    let command = command(plan)?;
    let mut child = without_new_privileges(command)?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Err(error) = limit(pid, &plan.limits) {
        let _ = child.kill();
        let _ = child.wait();
        return Err(error);
    }
    Ok(child)
}

fn command(plan: &Plan) -> io::Result<Command> {
    let mut command = Command::new(&plan.program);
    command
        .args(&plan.argv)
        .env_clear()
        .envs(plan.env.iter().map(|(name, value)| (name, value)))
        .current_dir(plan.folder.path())
        .stdin(Stdio::piped())
        .stdout(plan.folder.output(LogStream::Stdout)?)
        .stderr(plan.folder.output(LogStream::Stderr)?);
    Ok(command)
}

/// The attribute belongs to a thread and goes over to what it starts, so the thread lives for this one child.
fn without_new_privileges(command: Command) -> io::Result<Box<dyn ChildWrapper>> {
    let start = move || {
        rustix::thread::set_no_new_privs(true)?;
        CommandWrap::from(command).wrap(ProcessSession).spawn()
    };
    let thread = thread::Builder::new().name("launch".into()).spawn(start)?;
    thread.join().unwrap_or_else(|_| Err(io::Error::other("the launching thread ended")))
}

fn limit(pid: Option<Pid>, limits: &Limits) -> io::Result<()> {
    let set = |resource, soft: Option<u64>, hard: Option<u64>| match soft {
        Some(_) => prlimit(pid, resource, Rlimit { current: soft, maximum: hard }).map(drop),
        None => Ok(()),
    };
    let cpu = limits.cpu_seconds;
    set(Resource::Core, Some(0), Some(0))?;
    set(Resource::As, limits.memory_bytes, limits.memory_bytes)?;
    // The softer signal first, so that the program can say why it ends.
    set(Resource::Cpu, cpu, cpu.map(|seconds| seconds.saturating_add(5)))?;
    set(Resource::Fsize, limits.file_bytes, limits.file_bytes)?;
    let files = rustix::process::getrlimit(Resource::Nofile).maximum.unwrap_or(OPEN_FILES).min(OPEN_FILES);
    set(Resource::Nofile, Some(files), Some(files))?;
    let most = rustix::process::getrlimit(Resource::Nproc).maximum.unwrap_or(u64::MAX);
    let threads = (identity::threads_of_user() + MORE_THREADS).min(most);
    set(Resource::Nproc, Some(threads), Some(threads))?;
    Ok(())
}
