//! The supervisor over a shell that stands in for Python: it waits for the same byte, says that it begins, then runs its
//! third argument.

use std::{os::unix::fs::PermissionsExt, time::Instant};

use beam_mcp_core::effect::{Fact, Held, LogStream};
use tempfile::TempDir;

use super::*;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";

/// `-I <wrapper> <folder> script <shell text> <arguments>`
const SHELL: &str = "#!/bin/sh
[ \"$(head -c 1)\" = R ] || exit 75
: >\"$3/state.json\"
run=$5
shift 5
eval \"$run\"
";

struct Scene {
    folder: TempDir,
    supervisor: Supervisor,
}

impl Scene {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = TempDir::new().unwrap();
        let shell = folder.path().join("shell");
        fs::write(&shell, SHELL).unwrap();
        fs::set_permissions(&shell, fs::Permissions::from_mode(0o755)).unwrap();
        let mut settings = Settings::of(&Config::default(), folder.path(), true);
        settings.pythons.insert("local".into(), Python { interpreter: shell, max_jobs: 2 });
        change(&mut settings);
        let supervisor = start(settings);
        Self { folder, supervisor }
    }

    async fn launch(&self, token: &str, shell: &str) -> Result<Handle, Refusal> {
        self.launch_with(Launch { argv: vec!["script".into(), shell.into()], ..a_launch(token) }).await
    }

    async fn launch_with(&self, launch: Launch) -> Result<Handle, Refusal> {
        let folder = launch.folder.clone();
        match self.supervisor.launch(launch).await {
            Reply::Held(Held { pid, start_time }) => Ok(Handle { folder, pid, start_time }),
            Reply::Refused(refusal) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    async fn run(&self, shell: &str) -> Handle {
        let handle = self.launch(TOKEN, shell).await.unwrap();
        self.signal(&handle, Signal::Release).await;
        handle
    }

    async fn signal(&self, handle: &Handle, signal: Signal) {
        assert_eq!(self.supervisor.signal(handle.clone(), signal).await, Reply::Ok);
    }

    async fn ask(&self, handle: &Handle, query: Query) -> Fact {
        match self.supervisor.observe(handle.clone(), vec![query]).await {
            Reply::Facts { mut facts } => facts.remove(0),
            other => panic!("{other:?}"),
        }
    }

    /// Exit code, signal and limit once it has ended.
    async fn end(&self, handle: &Handle) -> (Option<i32>, Option<i32>, Option<String>) {
        let begin = Instant::now();
        loop {
            match self.ask(handle, Query::Alive).await {
                Fact::Alive { alive: false, exit_code, signal, limit, .. } => return (exit_code, signal, limit),
                _ => assert!(begin.elapsed() < Duration::from_secs(20), "it never ends"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn stdout(&self, handle: &Handle) -> String {
        match self.ask(handle, Query::Log { stream: LogStream::Stdout, from: Some(0), max: 1 << 20 }).await {
            Fact::Log { data, .. } => data.text().into_owned(),
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the child has written this.
    async fn says(&self, handle: &Handle, text: &str) {
        let begin = Instant::now();
        while !self.stdout(handle).await.contains(text) {
            assert!(begin.elapsed() < Duration::from_secs(20), "it never says {text}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn is_alive(&self, handle: &Handle) -> bool {
        matches!(self.ask(handle, Query::Alive).await, Fact::Alive { alive: true, .. })
    }
}

fn start(settings: Settings) -> Supervisor {
    let artifacts = Artifacts::open(&settings.data).unwrap();
    Supervisor::start(settings, artifacts).unwrap()
}

fn a_launch(token: &str) -> Launch {
    Launch {
        target: "local".into(),
        program: "python".into(),
        argv: Vec::new(),
        env: Vec::new(),
        folder: token.into(),
        files: Vec::new(),
        limits: Limits::default(),
    }
}

#[tokio::test]
async fn a_child_waits_for_its_release() {
    let scene = Scene::new();
    let handle = scene.launch(TOKEN, "echo ran; exit 3").await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(scene.is_alive(&handle).await);
    assert_eq!(scene.stdout(&handle).await, "");
    scene.signal(&handle, Signal::Release).await;
    assert_eq!(scene.end(&handle).await, (Some(3), None, None));
    assert_eq!(scene.stdout(&handle).await, "ran\n");
    assert_eq!(scene.supervisor.running(), 0);
}

#[tokio::test]
async fn a_child_nobody_releases_does_nothing_and_may_be_started_again() {
    let scene = Scene::with(|settings| settings.hold = Duration::from_millis(100));
    let first = scene.launch(TOKEN, "echo ran").await.unwrap();
    assert_eq!(scene.end(&first).await, (Some(75), None, None));
    assert_eq!(scene.stdout(&first).await, "");
    scene.signal(&first, Signal::Release).await;
    let second = scene.run("echo ran").await;
    assert_ne!(second, first);
    assert_eq!(scene.end(&second).await.0, Some(0));
    assert_eq!(scene.stdout(&second).await, "ran\n");
}

#[tokio::test]
async fn a_token_runs_once() {
    let scene = Scene::new();
    let held = scene.launch(TOKEN, "echo ran; sleep 0.3").await.unwrap();
    assert_eq!(scene.launch(TOKEN, "echo twice").await.unwrap(), held);
    scene.signal(&held, Signal::Release).await;
    assert_eq!(scene.launch(TOKEN, "echo twice").await.unwrap(), held);
    scene.end(&held).await;
    assert_eq!(scene.launch(TOKEN, "echo twice").await.unwrap(), held);
    assert_eq!(scene.stdout(&held).await, "ran\n");
}

#[tokio::test]
async fn a_child_is_alone_and_without_privileges() {
    let scene = Scene::new();
    let launch = Launch {
        argv: ["script", "env; pwd; cat /proc/self/status; ulimit -c; ulimit -f; cat /proc/$$/stat"]
            .map(Into::into)
            .into(),
        env: vec![("GIVEN".into(), "value".into()), ("HOMELESS".into(), "env:HOME".into())],
        limits: Limits { file_bytes: Some(1 << 20), ..Limits::default() },
        ..a_launch(TOKEN)
    };
    let handle = scene.launch_with(launch).await.unwrap();
    scene.signal(&handle, Signal::Release).await;
    assert_eq!(scene.end(&handle).await.0, Some(0));
    let said = scene.stdout(&handle).await;
    let folder = scene.folder.path().join("jobs").join(TOKEN);
    let (folder, home) = (folder.to_str().unwrap(), std::env::var("HOME").unwrap());
    for line in [
        "GIVEN=value".to_owned(),
        format!("HOMELESS={home}"),
        format!("HOME={folder}"),
        format!("TMPDIR={folder}/tmp"),
        folder.to_owned(),
        "NoNewPrivs:\t1".to_owned(),
    ] {
        assert!(said.lines().any(|said| said == line), "{line} is not in {said}");
    }
    assert!(!said.contains("CARGO"), "the server's environment is not the child's");
    let pid = handle.pid;
    assert!(said.contains(&format!(" {pid} {pid} 0 -1 ")), "group and session are its own, without a terminal: {said}");
    assert!(said.contains("\n0\n2048\n"), "no core files, files of 1 MiB: {said}");
    assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn arguments_arrive_as_they_are() {
    let scene = Scene::new();
    let nasty = ["$(id)", "`id`", "a b", "--x=;rm -rf /", "*", "'\"\\", "--", "ü\u{7}", ""];
    let mut argv = vec!["script".to_owned(), "printf '<%s>' \"$@\"".to_owned()];
    argv.extend(nasty.map(str::to_owned));
    let handle = scene.launch_with(Launch { argv, ..a_launch(TOKEN) }).await.unwrap();
    scene.signal(&handle, Signal::Release).await;
    scene.end(&handle).await;
    assert_eq!(scene.stdout(&handle).await, nasty.map(|arg| format!("<{arg}>")).concat());
}

#[tokio::test]
async fn signals_reach_the_group_and_nothing_of_it_stays() {
    let scene = Scene::new();
    let handle = scene.run("sleep 60 & echo $!; wait").await;
    scene.says(&handle, "\n").await;
    let grandchild = scene.stdout(&handle).await.trim().parse().unwrap();
    let grandchild = Identity::of(grandchild).unwrap();
    scene.signal(&handle, Signal::Term).await;
    assert_eq!(scene.end(&handle).await, (None, Some(15), None));
    assert!(!grandchild.is_alive());

    let stubborn = scene.launch(OTHER, "trap '' TERM; echo on; while :; do sleep 0.1; done").await.unwrap();
    scene.signal(&stubborn, Signal::Release).await;
    scene.says(&stubborn, "on").await;
    scene.signal(&stubborn, Signal::Term).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(scene.is_alive(&stubborn).await);
    scene.signal(&stubborn, Signal::Kill).await;
    assert_eq!(scene.end(&stubborn).await, (None, Some(9), None));
}

#[tokio::test]
async fn what_a_child_leaves_running_ends_with_it() {
    let scene = Scene::new();
    let handle = scene.run("sleep 60 & echo $!").await;
    assert_eq!(scene.end(&handle).await.0, Some(0));
    let left: u32 = scene.stdout(&handle).await.trim().parse().unwrap();
    let begin = Instant::now();
    while Identity::of(left).is_some_and(Identity::is_alive) {
        assert!(begin.elapsed() < Duration::from_secs(5), "it goes on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_child_ends_with_its_time() {
    let scene = Scene::new();
    let limits = Limits { wall_ms: Some(300), ..Limits::default() };
    let argv = ["script", "trap '' TERM; sleep 60"].map(Into::into).into();
    let handle = scene.launch_with(Launch { argv, limits, ..a_launch(TOKEN) }).await.unwrap();
    scene.signal(&handle, Signal::Release).await;
    assert_eq!(scene.end(&handle).await, (None, Some(9), Some("wall_ms".into())));
}

#[tokio::test]
async fn the_oldest_output_is_dropped_and_offsets_stay() {
    let scene = Scene::with(|settings| settings.log_bytes = 4 << 20);
    let handle = scene.run("head -c 9000000 /dev/zero | tr '\\0' x; echo; sleep 1.5; echo end").await;
    assert_eq!(scene.end(&handle).await, (Some(0), None, None));
    let Fact::Log { from, size, data } =
        scene.ask(&handle, Query::Log { stream: LogStream::Stdout, from: Some(5), max: 100 }).await
    else {
        panic!()
    };
    assert_eq!(size, 9_000_000 + 1 + 4);
    assert!(from > 5 << 20 && data.as_slice() == [b'x'; 100], "begins at {from}");
    let tail = scene.ask(&handle, Query::Log { stream: LogStream::Stdout, from: None, max: 4 }).await;
    assert_eq!(tail, Fact::Log { from: size - 4, size, data: "end\n".into() });
}

#[tokio::test]
async fn the_next_server_adopts_what_runs() {
    let scene = Scene::new();
    let handle = scene.run("echo on; sleep 60").await;
    scene.says(&handle, "on").await;
    let next = Scene { supervisor: start(scene.supervisor.0.settings.clone()), folder: TempDir::new().unwrap() };
    assert_eq!(next.supervisor.running(), 1);
    assert!(next.is_alive(&handle).await);
    assert_eq!(next.launch(TOKEN, "echo twice").await.unwrap(), handle);
    next.signal(&handle, Signal::Term).await;
    next.end(&handle).await;
    assert!(!next.is_alive(&handle).await);
    let third = start(scene.supervisor.0.settings.clone());
    assert_eq!(third.running(), 0);
}

#[tokio::test]
async fn a_child_of_another_server_is_seen_and_ended() {
    let scene = Scene::new();
    let other = Scene { supervisor: start(scene.supervisor.0.settings.clone()), folder: TempDir::new().unwrap() };
    let handle = scene.run("echo on; sleep 60").await;
    scene.says(&handle, "on").await;
    assert_eq!(other.supervisor.running(), 0);
    assert!(other.is_alive(&handle).await);
    other.signal(&handle, Signal::Release).await;
    other.signal(&handle, Signal::Term).await;
    assert_eq!(scene.end(&handle).await, (None, Some(15), None));
    assert_eq!(other.end(&handle).await, (None, Some(15), None));
}

#[tokio::test]
async fn two_servers_never_run_a_token_twice() {
    let scene = Scene::new();
    let other = Scene { supervisor: start(scene.supervisor.0.settings.clone()), folder: TempDir::new().unwrap() };
    let ran = scene.folder.path().join("ran");
    let shell = format!("echo x >>{}; sleep 0.5", ran.display());
    let first = scene.launch(TOKEN, &shell).await.unwrap();
    let second = other.launch(TOKEN, &shell).await.unwrap();
    assert_ne!(first, second);
    scene.signal(&first, Signal::Release).await;
    other.signal(&second, Signal::Release).await;
    assert_eq!(scene.launch(TOKEN, &shell).await.unwrap(), second);
    assert_eq!(other.end(&second).await.0, Some(0));
    assert_eq!(fs::read_to_string(ran).unwrap(), "x\n");
    let never = scene.ask(&first, Query::Alive).await;
    assert!(matches!(never, Fact::Alive { alive: false, released: false, .. }), "{never:?}");
}

#[tokio::test]
async fn a_child_whose_server_died_while_it_let_go_has_not_run() {
    let scene = Scene::new();
    let other = Scene { supervisor: start(scene.supervisor.0.settings.clone()), folder: TempDir::new().unwrap() };
    let first = scene.launch(TOKEN, "echo ran").await.unwrap();
    let entry = scene.supervisor.child(TOKEN).unwrap();
    entry.folder.set_released(entry.identity).unwrap();
    // The mark stands, the byte was never written.
    entry.identity.signal_group(Sign::KILL);
    other.end(&first).await;
    let never = other.ask(&first, Query::Alive).await;
    assert!(matches!(never, Fact::Alive { alive: false, released: false, .. }), "{never:?}");
    let second = other.run("echo ran").await;
    assert_ne!(second, first);
    assert_eq!(other.end(&second).await.0, Some(0));
}

#[tokio::test]
async fn children_end_with_a_server_that_keeps_no_jobs() {
    for outlive in [true, false] {
        let scene = Scene::with(|settings| settings.outlive = outlive);
        let handle = scene.run("echo on; sleep 60").await;
        scene.says(&handle, "on").await;
        scene.supervisor.stop();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(scene.is_alive(&handle).await, outlive);
        scene.signal(&handle, Signal::Kill).await;
        scene.end(&handle).await;
    }
}

#[tokio::test]
async fn another_process_of_the_same_number_is_left_alone() {
    let scene = Scene::new();
    let handle = scene.run("echo on; sleep 60").await;
    scene.says(&handle, "on").await;
    let other = Handle { start_time: handle.start_time + 1, ..handle.clone() };
    assert!(!scene.is_alive(&other).await);
    scene.signal(&other, Signal::Kill).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(scene.is_alive(&handle).await);
    scene.signal(&handle, Signal::Kill).await;
    scene.end(&handle).await;
}

#[tokio::test]
async fn what_cannot_be_started_is_refused() {
    let scene = Scene::new();
    let held = scene.launch(TOKEN, ":").await.unwrap();
    scene.launch(OTHER, ":").await.unwrap();
    let third = "0".repeat(32);
    assert_eq!(scene.launch(&third, ":").await.unwrap_err().reason, "limit");
    scene.signal(&held, Signal::Kill).await;
    scene.end(&held).await;
    for (launch, reason) in [
        (Launch { folder: "../x".into(), ..a_launch(TOKEN) }, "bad_name"),
        (Launch { program: "sh".into(), ..a_launch(&third) }, "no_program"),
        (Launch { env: vec![("A=B".into(), String::new())], ..a_launch(&third) }, "no_program"),
        (Launch { env: vec![("A".into(), "env:NO_SUCH_VARIABLE".into())], ..a_launch(&third) }, "no_program"),
    ] {
        assert_eq!(scene.launch_with(launch).await.unwrap_err().reason, reason);
    }
    let gone = Python { interpreter: "/no/such/python".into(), max_jobs: 1 };
    let bare = Scene::with(|settings| drop(settings.pythons.insert("local".into(), gone)));
    let refusal = bare.launch(TOKEN, ":").await.unwrap_err();
    assert_eq!(refusal.reason, "no_program");
    assert!(!refusal.detail.contains("/no/such"));
    assert!(!bare.folder.path().join("jobs").join(TOKEN).exists());
}

#[tokio::test]
async fn files_are_copies_in_the_folder() {
    let scene = Scene::new();
    let source = beam_mcp_core::effect::Recipe::plain(beam_mcp_core::effect::Origin::Bytes("text".into()), 99);
    let files = crate::stage::Files::open(scene.supervisor.0.artifacts.clone(), &[]).unwrap();
    let Reply::Staged(source) = crate::effects::Staging::stage(&files, source).await else { panic!() };
    let place = |name: &str, token: &str| Launch {
        argv: ["script", "cat code/main.py; echo spoilt >code/main.py"].map(Into::into).into(),
        files: vec![(name.to_owned(), source.id.clone())],
        ..a_launch(token)
    };
    for bad in ["../x.py", "/x.py", "a/b/c.py", ".hidden", "code/", "a b"] {
        assert_eq!(scene.launch_with(place(bad, OTHER)).await.unwrap_err().reason, "unreadable", "{bad}");
    }
    let handle = scene.launch_with(place("code/main.py", TOKEN)).await.unwrap();
    scene.signal(&handle, Signal::Release).await;
    scene.end(&handle).await;
    assert_eq!(scene.stdout(&handle).await, "text");
    let kept = scene.folder.path().join("artifacts/sha256").join(&source.sha256);
    assert_eq!(fs::read_to_string(kept).unwrap(), "text");
}

#[tokio::test]
async fn links_and_pipes_a_child_leaves_are_not_followed() {
    let scene = Scene::new();
    fs::write(scene.folder.path().join("secret"), "{\"state\": 1}").unwrap();
    let handle = scene
        .run("ln -s ../../secret result.json; rm state.json; mkfifo state.json; rm stdout.log; ln -s ../../secret stdout.log")
        .await;
    scene.end(&handle).await;
    assert_eq!(scene.ask(&handle, Query::Result).await, Fact::Result { state: None, result: None });
    assert_eq!(scene.stdout(&handle).await, "");
    fs::remove_file(scene.folder.path().join("jobs").join(TOKEN).join("state.json")).unwrap();
    fs::write(scene.folder.path().join("jobs").join(TOKEN).join("state.json"), "{}").unwrap();
    let read = scene.ask(&handle, Query::Result).await;
    assert_eq!(read, Fact::Result { state: Some("{}".into()), result: None });
}

/// A Python with the little of Apache Beam that the wrapper touches.
fn python(folder: &Path) -> PathBuf {
    let done = std::process::Command::new("python3").args(["-m", "venv", "--without-pip"]).arg(folder).status();
    assert!(done.unwrap().success(), "python3 with venv is needed");
    let packages = fs::read_dir(folder.join("lib")).unwrap().next().unwrap().unwrap().path().join("site-packages");
    fs::create_dir_all(packages.join("apache_beam/runners/direct")).unwrap();
    for package in ["runners/__init__.py", "runners/direct/__init__.py"] {
        fs::write(packages.join("apache_beam").join(package), "").unwrap();
    }
    let pipeline = "__version__ = 'stand-in'\nclass Pipeline:\n    def run(self): raise NotImplementedError\n";
    fs::write(packages.join("apache_beam/__init__.py"), pipeline).unwrap();
    let runner = "class SwitchingDirectRunner: pass\n";
    fs::write(packages.join("apache_beam/runners/direct/direct_runner.py"), runner).unwrap();
    folder.join("bin/python")
}

#[tokio::test]
async fn the_wrapper_runs_a_file_and_tells_how_it_ended() {
    let scene = Scene::with(|settings| {
        let interpreter = python(&settings.data.join("venv"));
        settings.pythons.insert("local".into(), Python { interpreter, max_jobs: 1 });
    });
    let program = Query::Program { target: "local".into(), program: "python".into() };
    let nobody = Handle { folder: String::new(), pid: 0, start_time: 0 };
    let said = scene.ask(&nobody, program).await;
    assert!(matches!(said, Fact::Program { found: true, version: Some(_), beam_version: None, .. }), "{said:?}");

    let files = crate::stage::Files::open(scene.supervisor.0.artifacts.clone(), &[]).unwrap();
    let code = "import os, sys\nprint(sys.argv[1:], os.getcwd())\nprint('bad', file=sys.stderr)\nsys.exit(3)\n";
    let recipe = beam_mcp_core::effect::Recipe::plain(beam_mcp_core::effect::Origin::Bytes(code.into()), 9999);
    let Reply::Staged(source) = crate::effects::Staging::stage(&files, recipe).await else { panic!() };
    let launch = Launch {
        argv: ["script", "code/main.py", "--a=b c"].map(Into::into).into(),
        files: vec![("code/main.py".into(), source.id)],
        ..a_launch(TOKEN)
    };
    let handle = scene.launch_with(launch).await.unwrap();
    scene.signal(&handle, Signal::Release).await;
    assert_eq!(scene.end(&handle).await, (Some(3), None, None));
    let folder = scene.folder.path().join("jobs").join(TOKEN);
    assert_eq!(scene.stdout(&handle).await, format!("['--a=b c'] {}\n", folder.display()));
    let Fact::Result { state: Some(state), result: Some(result) } = scene.ask(&handle, Query::Result).await else {
        panic!("no result")
    };
    assert!(state.contains(&format!("\"pid\": {}", handle.pid)), "{state}");
    let result: serde_json::Value = serde_json::from_str(&result).unwrap();
    assert_eq!((&result["state"], &result["exit_code"]), (&"FAILED".into(), &3.into()));
}
