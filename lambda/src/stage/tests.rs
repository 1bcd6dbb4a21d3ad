use std::{
    fs,
    io::Write,
    os::unix::fs::symlink,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use beam_mcp_core::{effect::Blob, random::sha256_hex};
use bytes::Bytes;
use tempfile::TempDir;
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

/// A root with `in.py`, a secret beside the root, and the store.
struct Scene {
    folder: TempDir,
    files: Files,
}

impl Scene {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir_all(folder.path().join("root/sub")).unwrap();
        fs::write(folder.path().join("root/in.py"), "inside").unwrap();
        fs::write(folder.path().join("secret"), "outside").unwrap();
        let artifacts = Artifacts::open(&folder.path().join("data")).unwrap();
        let files = Files::open(artifacts, &[folder.path().join("root")]).unwrap();
        Self { folder, files }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn stage(&self, path: &str) -> Result<Source, Refusal> {
        self.files.carry_out(&Recipe::plain(Origin::Path(path.into()), 1 << 20))
    }

    fn refused(&self, path: &str) -> String {
        self.stage(path).unwrap_err().reason
    }

    fn text(&self, source: &Source) -> String {
        fs::read_to_string(self.folder.path().join("data/artifacts/sha256").join(&source.sha256)).unwrap()
    }
}

#[test]
fn a_file_beneath_the_root_is_kept_under_its_hash() {
    let scene = Scene::new();
    let absolute = scene.root().join("in.py").to_str().unwrap().to_owned();
    for path in ["in.py", "./in.py", "sub/./in.py", absolute.as_str()] {
        fs::write(scene.root().join("sub/in.py"), "inside").unwrap();
        let source = scene.stage(path).unwrap();
        assert_eq!(
            (source.sha256.as_str(), source.size, source.file_name.as_str()),
            (&*sha256_hex(b"inside"), 6, "in.py")
        );
        assert_eq!((scene.text(&source).as_str(), source.archive), ("inside", None));
    }
    fs::write(scene.root().join("in.py"), "changed").unwrap();
    let again = Origin::Artifact(SourceId(format!("sha256:{}", sha256_hex(b"inside"))));
    assert_eq!(scene.files.carry_out(&Recipe::plain(again, 99)).unwrap().size, 6);
}

#[test]
fn what_leads_out_of_the_root_is_refused() {
    let scene = Scene::new();
    let secret = scene.folder.path().join("secret");
    symlink(&secret, scene.root().join("link.py")).unwrap();
    symlink(scene.folder.path(), scene.root().join("up")).unwrap();
    symlink("in.py", scene.root().join("inner.py")).unwrap();
    for (path, reason) in [
        ("../secret", "outside_roots"),
        ("sub/../../secret", "outside_roots"),
        (secret.to_str().unwrap(), "outside_roots"),
        ("/etc/passwd", "outside_roots"),
        ("link.py", "symlink"),
        ("inner.py", "symlink"),
        ("up/secret", "symlink"),
        ("gone.py", "not_found"),
        ("in.py/x", "not_found"),
        ("", "bad_name"),
        ("in.py\0", "bad_name"),
        (&"a".repeat(256), "bad_name"),
        (&"a/".repeat(3000), "bad_name"),
        ("sub", "not_a_file"),
        (".", "not_a_file"),
    ] {
        assert_eq!(scene.refused(path), reason, "{path}");
    }
}

#[test]
fn only_regular_files_are_read() {
    let scene = Scene::new();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, scene.root().join("pipe"), mode).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(scene.root().join("socket")).unwrap();
    assert_eq!(scene.refused("pipe"), "not_a_file");
    assert_eq!(scene.refused("socket"), "not_a_file");
    let devices = Files::open(scene.files.artifacts.clone(), &["/dev".into()]).unwrap();
    let zero = devices.carry_out(&Recipe::plain(Origin::Path("/dev/zero".into()), 9));
    assert_eq!(zero.unwrap_err().reason, "not_a_file");
    fs::hard_link(scene.root().join("in.py"), scene.root().join("hard.py")).unwrap();
    assert_eq!(scene.stage("hard.py").unwrap().size, 6);
}

#[test]
fn a_refusal_names_no_path_of_the_host() {
    let scene = Scene::new();
    let host = scene.folder.path().to_str().unwrap();
    for path in ["gone.py", "../secret", "sub"] {
        assert!(!scene.stage(path).unwrap_err().detail.contains(host));
    }
}

#[test]
fn too_much_is_refused_and_leaves_nothing() {
    let scene = Scene::new();
    let recipe = Recipe::plain(Origin::Path("in.py".into()), 5);
    assert_eq!(scene.files.carry_out(&recipe).unwrap_err().reason, "too_large");
    for folder in ["sha256", "incoming"] {
        assert_eq!(fs::read_dir(scene.folder.path().join("data/artifacts").join(folder)).unwrap().count(), 0);
    }
    let kept = scene.stage("in.py").unwrap();
    assert_eq!(scene.files.carry_out(&Recipe::plain(Origin::Artifact(kept.id), 5)).unwrap_err().reason, "too_large");
}

/// Swaps a file and a folder of the path against links to the outside while they are opened, 1,000 times each.
#[test]
fn a_race_never_reads_the_outside() {
    let scene = Scene::new();
    let (root, out) = (scene.root(), scene.folder.path().to_owned());
    fs::create_dir(out.join("outer")).unwrap();
    fs::write(out.join("outer/f.py"), "outside").unwrap();
    fs::write(root.join("sub/f.py"), "inside").unwrap();
    let stop = AtomicBool::new(false);
    let mut inside = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                fs::rename(root.join("sub"), root.join("kept")).unwrap();
                symlink(out.join("outer"), root.join("sub")).unwrap();
                fs::remove_file(root.join("sub")).unwrap();
                fs::rename(root.join("kept"), root.join("sub")).unwrap();
                let _ = fs::remove_file(root.join("in.py"));
                symlink(out.join("secret"), root.join("in.py")).unwrap();
                fs::remove_file(root.join("in.py")).unwrap();
                fs::write(root.join("in.py"), "inside").unwrap();
            }
        });
        for path in ["sub/f.py", "in.py"] {
            for _ in 0..1000 {
                if let Ok(source) = scene.stage(path) {
                    assert_ne!(scene.text(&source), "outside");
                    inside += usize::from(scene.text(&source) == "inside");
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(inside > 0, "the race never let the file itself be read");
}

fn jar(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, text) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn recipe(bytes: Vec<u8>, class: Option<&str>) -> Recipe {
    Recipe { entry_class: class.map(Into::into), ..Recipe::plain(Origin::Bytes(Blob::from(bytes)), 1 << 30) }
}

const MANIFEST: &str =
    "Manifest-Version: 1.0\r\nMain-Class: org.acme.a.very.long.name.that.goes.\r\n on.Main\r\n\r\nName: x\r\n";

#[test]
fn a_jar_tells_its_main_class() {
    let scene = Scene::new();
    let class = "org/acme/a/very/long/name/that/goes/on/Main.class";
    let bytes = jar(&[("META-INF/MANIFEST.MF", MANIFEST), (class, "cafebabe"), ("org/acme/Other.class", "")]);
    let read = |class| scene.files.carry_out(&recipe(bytes.clone(), class)).unwrap().archive.unwrap();
    let plain = read(None);
    assert_eq!(plain.main_class.as_deref(), Some("org.acme.a.very.long.name.that.goes.on.Main"));
    assert_eq!((plain.entries, plain.main_class_present), (3, true));
    assert!(read(Some("org.acme.Other")).main_class_present);
    assert!(!read(Some("org.acme.Gone")).main_class_present);
    let bare = scene.files.carry_out(&recipe(jar(&[("a", "")]), None)).unwrap().archive.unwrap();
    assert_eq!((bare.main_class, bare.main_class_present), (None, false));
}

#[test]
fn broken_and_oversized_archives_are_refused() {
    let scene = Scene::new();
    let refused = |bytes| scene.files.carry_out(&recipe(bytes, None)).map(|s| s.archive).unwrap_err().reason;
    let whole = jar(&[("a", "text"), ("b", "text")]);
    assert_eq!(refused(whole[..whole.len() - 30].to_vec()), "bad_archive");
    let mut many = whole.clone();
    let end = many.len() - 22;
    many[end + 12..end + 16].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    assert_eq!(refused(many), "bad_archive");
    let mut torn = whole;
    torn[40..60].fill(0xff);
    let directory = torn.len() - 60;
    torn[directory..directory + 20].fill(0xff);
    assert_eq!(refused(torn), "bad_archive");
}

#[test]
fn entries_are_added_to_a_copy_the_same_way_each_time() {
    let scene = Scene::new();
    let base = scene.files.carry_out(&recipe(jar(&[("META-INF/MANIFEST.MF", MANIFEST)]), None)).unwrap();
    let entry = scene.files.carry_out(&recipe(b"{}".to_vec(), None)).unwrap();
    let add = Recipe {
        add: vec![("x/y.json".into(), entry.id)],
        ..Recipe::plain(Origin::Artifact(base.id.clone()), 1 << 20)
    };
    let made = scene.files.carry_out(&add).unwrap();
    assert_eq!(made.archive.as_ref().unwrap().entries, 2);
    assert_ne!(made.id, base.id);
    assert_eq!(scene.files.carry_out(&add).unwrap().id, made.id);
    let not_a_zip = Recipe { add: add.add, ..recipe(b"text".to_vec(), None) };
    assert_eq!(scene.files.carry_out(&not_a_zip).unwrap_err().reason, "bad_archive");
}

#[test]
#[cfg(target_os = "linux")]
fn what_a_child_left_is_taken_from_its_own_folder_only() {
    let scene = Scene::new();
    let jobs = TempDir::new().unwrap();
    let token = "0123456789abcdef0123456789abcdef";
    let folder = jobs.path().join(token).join("artifacts");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("ab"), b"a package").unwrap();
    fs::write(jobs.path().join(token).join("launch.json"), b"{}").unwrap();
    symlink("/etc/passwd", folder.join("cd")).unwrap();
    let files = scene.files.clone().with_jobs(jobs.path());
    let left = |job: &str, name: &str, most| {
        let origin = Origin::Left { job: job.into(), name: name.into() };
        files.carry_out(&Recipe::plain(origin, most))
    };
    assert_eq!(left(token, "ab", 9).unwrap().size, 9);
    assert_eq!(left(token, "ab", 8).unwrap_err().reason, "too_large");
    for (job, name) in [(token, "../launch.json"), (token, "cd"), (token, "none"), ("..", "ab"), ("", "ab")] {
        assert!(left(job, name, 99).is_err(), "{job} {name}");
    }
    assert!(scene.files.carry_out(&Recipe::plain(Origin::Left { job: token.into(), name: "ab".into() }, 9)).is_err());
}

#[tokio::test]
async fn an_upload_is_kept_under_its_hash_and_name() {
    let scene = Scene::new();
    let mut upload = scene.files.receive(10).await.unwrap();
    upload.write(Bytes::from_static(b"pri")).await.unwrap();
    upload.write(Bytes::from_static(b"nt()")).await.unwrap();
    let source = upload.finish("C:\\jobs/../evil\u{202e}.py".into()).await.unwrap();
    assert_eq!((source.sha256.as_str(), source.file_name.as_str()), (&*sha256_hex(b"print()"), "evil.py"));
    let staged = scene.files.stage(Recipe::plain(Origin::Artifact(source.id.clone()), 99)).await;
    assert!(matches!(staged, Reply::Staged(again) if again.file_name == "evil.py"));
    assert_eq!(scene.files.open(&source.id).await.unwrap().size, 7);
    let missing = scene.files.open(&SourceId("sha256:../../secret".into())).await.unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
}

#[tokio::test]
async fn an_upload_ends_at_its_limit_and_leaves_nothing() {
    let scene = Scene::new();
    let mut upload = scene.files.receive(4).await.unwrap();
    upload.write(Bytes::from_static(b"1234")).await.unwrap();
    assert_eq!(upload.write(Bytes::from_static(b"5")).await.unwrap_err().reason, "too_large");
    assert!(upload.write(Bytes::new()).await.is_err() && upload.finish(String::new()).await.is_err());
    drop(scene.files.receive(4).await.unwrap());
    let incoming = scene.folder.path().join("data/artifacts/incoming");
    assert_eq!(fs::read_dir(incoming).unwrap().count(), 0);
}

#[test]
fn a_jar_is_placed_under_its_hash_and_what_others_put_there_is_replaced() {
    let scene = Scene::new();
    let folder = scene.folder.path().join("shared");
    let bytes = jar(&[("a", "text")]);
    let placing = Recipe { place: Some(folder.display().to_string()), ..recipe(bytes.clone(), None) };
    assert_eq!(scene.files.carry_out(&placing).unwrap_err().reason, "no_folder");
    fs::create_dir(&folder).unwrap();
    let sha256 = scene.files.carry_out(&placing).unwrap().sha256;
    let place = folder.join(format!("{sha256}.jar"));
    assert_eq!(fs::read(&place).unwrap(), bytes);
    let mode = |path: &Path| std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions());
    assert_eq!(mode(&place) & 0o777, 0o644, "workers run as another user");
    let first_written = fs::metadata(&place).unwrap().modified().unwrap();
    scene.files.carry_out(&placing).unwrap();
    assert_eq!(fs::metadata(&place).unwrap().modified().unwrap(), first_written, "the same content is left alone");
    fs::write(&place, "evil").unwrap();
    scene.files.carry_out(&placing).unwrap();
    assert_eq!(fs::read(&place).unwrap(), bytes);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

/// A jar on a job server, put together for a job.
struct Built {
    scene: Scene,
    files: Files,
}

impl Built {
    fn new() -> Self {
        let scene = Scene::new();
        let path = scene.folder.path().join("job-server.jar");
        fs::write(&path, jar(&[("a", "1")])).unwrap();
        let files = scene.files.clone().with_job_servers([("flink".to_owned(), path)].into());
        Self { scene, files }
    }

    fn stage(&self, origin: Origin, job: &str) -> Source {
        let used = Some(Use { job: job.into(), over: false });
        self.files.carry_out(&Recipe { used, ..Recipe::plain(origin, 1 << 20) }).unwrap()
    }

    fn build(&self, text: &str, job: &str) -> Source {
        let entry = ("p".to_owned(), self.stage(Origin::Bytes(Blob::from(text)), job).id);
        let used = Some(Use { job: job.into(), over: false });
        let recipe = Recipe::plain(Origin::JobServer("flink".into()), 1 << 20);
        self.files.carry_out(&Recipe { add: vec![entry], used, ..recipe }).unwrap()
    }

    fn kept(&self) -> PathBuf {
        self.scene.folder.path().join("data/artifacts/sha256")
    }
}

/// Makes every mark of a file eight days old.
fn age(folder: &Path, sha256: &str) {
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(8 * 24 * 3600);
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if [".built", ".use"].iter().any(|word| name.starts_with(sha256) && name.ends_with(word)) {
            fs::OpenOptions::new().write(true).open(entry.path()).unwrap().set_modified(long_ago).unwrap();
        }
    }
}

fn names(folder: &Path, sha256: &str) -> Vec<String> {
    let all = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    let mut names: Vec<String> = all.filter_map(|name| name.strip_prefix(sha256).map(str::to_owned)).collect();
    names.sort();
    names
}

#[test]
fn a_job_server_is_the_operators_and_what_is_built_on_it_goes_a_week_after_its_last_use() {
    let built = Built::new();
    let kept = built.kept();
    let other = built.files.carry_out(&Recipe::plain(Origin::JobServer("other".into()), 1 << 20));
    assert_eq!(other.unwrap_err().reason, "not_found");
    let base = built.files.carry_out(&Recipe::plain(Origin::JobServer("flink".into()), 1 << 20)).unwrap();
    let old = built.build("one", "j1");
    assert_eq!(old.archive.as_ref().unwrap().entries, 2);
    assert_eq!(names(&kept, &old.sha256), ["", ".built", ".j1.use"]);
    age(&kept, &old.sha256);
    built.build("one", "j2");
    built.build("two", "j3");
    assert_eq!(names(&kept, &old.sha256), ["", ".built", ".j2.use"], "another job needs it since");
    age(&kept, &old.sha256);
    let young = built.build("three", "j4");
    assert!(names(&kept, &old.sha256).is_empty(), "what nobody speaks of any more is gone");
    assert_eq!(names(&kept, &young.sha256), ["", ".built", ".j4.use"]);
    assert_eq!(names(&kept, &base.sha256), [""]);
}

#[test]
fn what_somebody_has_sent_is_never_swept() {
    let built = Built::new();
    let sent = built.files.carry_out(&Recipe::plain(Origin::Bytes(Blob::from("entry")), 99)).unwrap();
    built.stage(Origin::Bytes(Blob::from("entry")), "j1");
    assert_eq!(names(&built.kept(), &sent.sha256), [""]);
}

#[test]
fn a_placed_jar_stays_until_its_jobs_have_ended_and_a_week_longer() {
    let built = Built::new();
    let folder = built.scene.folder.path().join("shared");
    fs::create_dir(&folder).unwrap();
    let jar = built.build("one", "j1");
    let place = |source: &Source, job: &str, over| {
        let (place, used) = (Some(folder.display().to_string()), Some(Use { job: job.into(), over }));
        let recipe = Recipe::plain(Origin::Artifact(source.id.clone()), 1 << 20);
        built.files.carry_out(&Recipe { place, used, ..recipe })
    };
    place(&jar, "j1", false).unwrap();
    age(&folder, &jar.sha256);
    let other = built.build("two", "j2");
    place(&other, "j2", false).unwrap();
    assert_eq!(names(&folder, &jar.sha256), [".built", ".j1.use", ".jar"], "its job has not ended");
    age(&built.kept(), &jar.sha256);
    built.build("three", "j3");
    assert_eq!(place(&jar, "j1", true).unwrap_err().reason, "not_found", "the server's own copy has gone before");
    assert_eq!(names(&folder, &jar.sha256), [".built", ".jar"], "executors may still read it");
    age(&folder, &jar.sha256);
    place(&other, "j2", true).unwrap();
    assert!(names(&folder, &jar.sha256).is_empty());
    assert_eq!(names(&folder, &other.sha256), [".built", ".jar"]);
}
