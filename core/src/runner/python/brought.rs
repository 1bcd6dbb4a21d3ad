//! Files a program brings for its workers (`requirements_file`, `extra_packages`, `files_to_stage`): kept under their hash
//! as its code is, laid into the program's folder, and named to it where they lie there.
//!
//! They are code like `code_path`, so whoever may name that may name them, and from the same places; what Beam makes of
//! them is staged in the job-server jar.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    argv::{find, take},
    cluster::Options,
    staging::{NAMES_FILES, is_set},
};
use crate::{
    effect::{Recipe, SourceId},
    error::{Error, ErrorKind},
    job::JobSpec,
    runner::{
        Context, Provenance, ResolvedOption, code,
        options::{self, same, text},
        python::capture::only_on_a_server,
    },
    text::clean_line,
};

/// Folder of the files, in the program's.
const FOLDER: &str = "staged";
/// Largest file.
const FILE_BYTES: u64 = 256 << 20;
/// Most bytes of all files of one job.
const ALL_BYTES: u64 = 256 << 20;
/// Most files of one job.
const FILES: usize = 100;
/// What Beam takes for a package.
const PACKAGES: [&str; 4] = [".whl", ".tar.gz", ".tar", ".zip"];

/// What is laid into the program's folder.
#[derive(Default)]
struct Files {
    by_name: BTreeMap<String, SourceId>,
    bytes: u64,
}

/// True for an option that names such files.
pub(super) fn names_files(name: &str) -> bool {
    NAMES_FILES.iter().any(|option| same(option, name))
}

/// A spec without the caller's options that name files, and those.
///
/// # Errors
/// `invalid_argument`, reason `option_twice`.
pub(in crate::runner) fn taken(spec: &JobSpec) -> Result<(JobSpec, Map<String, Value>), Error> {
    let (named, rest): (Map<_, _>, Map<_, _>) =
        spec.pipeline_options.clone().into_iter().partition(|(name, _)| names_files(name));
    for option in NAMES_FILES {
        let spellings: Vec<&String> = named.keys().filter(|name| same(name, option)).collect();
        if let [one, other, ..] = spellings.as_slice() {
            return Err(options::twice(one, other));
        }
    }
    Ok((JobSpec { pipeline_options: rest, ..spec.clone() }, named))
}

/// Stages the files that options name: the caller's, and those of the target for which the caller has no other word.
///
/// # Errors
/// As [`code::stage`] and [`code::origin`]; `invalid_argument`, reasons `bad_option_value`, `not_a_package`,
/// `bad_file_name`, `two_files_of_one_name` and `too_many_files`; `payload_too_large`, reason `files_too_large`.
pub(super) async fn staged(
    context: &Context,
    options: &mut Options,
    named: Map<String, Value>,
) -> Result<Vec<(String, SourceId)>, Error> {
    let targets: Vec<_> = NAMES_FILES.iter().filter_map(|name| find(&options.arguments, name).cloned()).collect();
    let unspoken = |option: &ResolvedOption| !named.keys().any(|name| same(name, &option.name));
    let callers = named.iter().map(|(name, value)| ResolvedOption {
        name: name.clone(),
        value: value.clone(),
        from: Provenance::Caller,
        note: String::new(),
    });
    let all = targets.into_iter().filter(unspoken).chain(callers);
    let all = all.map(|option| Ok((paths(&option)?, option))).collect::<Result<Vec<_>, Error>>()?;
    if all.iter().map(|(paths, _)| paths.len()).sum::<usize>() > FILES {
        return Err(Error::invalid("too_many_files", format!("a job brings at most {FILES} files for its workers")));
    }
    for name in NAMES_FILES {
        take(&mut options.arguments, name);
        take(&mut options.all, name);
    }
    let mut files = Files::default();
    for (paths, option) in all {
        place(context, options, option, paths, &mut files).await?;
    }
    Ok(files.by_name.into_iter().collect())
}

async fn place(
    context: &Context,
    options: &mut Options,
    mut option: ResolvedOption,
    paths: Vec<String>,
    files: &mut Files,
) -> Result<(), Error> {
    let mut placed = Vec::new();
    for path in paths {
        placed.push(Value::from(file(context, &option.name, &path, files).await?));
    }
    if !placed.is_empty() {
        options.arguments.push(ResolvedOption { value: placed.into(), ..option.clone() });
        "kept under its hash, and laid into the program's folder".clone_into(&mut option.note);
    }
    options.all.push(option);
    Ok(())
}

/// Each path once, in the order they are named.
fn paths(option: &ResolvedOption) -> Result<Vec<String>, Error> {
    let bad = |expected: &str| {
        Error::invalid("bad_option_value", format!("it is {expected}"))
            .with("option", &option.name)
            .suggest("name files beneath the server's roots, or `artifact:sha256:…` of uploaded ones")
    };
    match &option.value {
        value if !is_set(value) => Ok(Vec::new()),
        Value::String(path) => Ok(vec![path.clone()]),
        Value::Array(items) if items.len() > 1 && same(&option.name, "requirements_file") => Err(bad("one path")),
        Value::Array(items) if items.iter().all(Value::is_string) => Ok(once(items)),
        _ => Err(bad("a path, or a list of paths")),
    }
}

fn once(items: &[Value]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    items.iter().map(text).filter(|path| seen.insert(path.clone())).collect()
}

/// Stages one file; its name in the program's folder.
async fn file(context: &Context, option: &str, path: &str, files: &mut Files) -> Result<String, Error> {
    let named = |error: Error| error.with("option", option).with("file", clean_line(path, 256));
    let recipe = Recipe::plain(code::origin(path).map_err(named)?, FILE_BYTES);
    let source = code::stage(&context.io, recipe).await.map_err(only_on_a_server).map_err(named)?;
    check_name(option, &source.file_name).map_err(named)?;
    let place = format!("{FOLDER}/{}", source.file_name);
    match files.by_name.insert(place.clone(), source.id.clone()) {
        Some(other) if other != source.id => return Err(named(twice(&source.file_name))),
        Some(_) => {}
        None => files.bytes = files.bytes.saturating_add(source.size),
    }
    if files.bytes > ALL_BYTES {
        return Err(named(too_large()));
    }
    Ok(place)
}

fn too_large() -> Error {
    let text = format!("the files a job brings for its workers have at most {} MiB together", ALL_BYTES >> 20);
    Error::new(ErrorKind::PayloadTooLarge, "files_too_large", text)
        .suggest("install what is large in the Python of the workers, or let the pipeline read it from storage")
}

fn check_name(option: &str, name: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.starts_with('.') || name.len() > 200 || !name.chars().all(plain) {
        return Err(Error::invalid("bad_file_name", "the file's name is not of letters, digits, `.`, `_` and `-`")
            .suggest("rename the file"));
    }
    let is_package = same(option, "extra_package") || same(option, "extra_packages");
    if is_package && !PACKAGES.iter().any(|end| name.ends_with(end)) {
        return Err(Error::invalid("not_a_package", "it is no Python package: a wheel, or a .tar.gz, .tar or .zip")
            .suggest("build one: `pip wheel --no-deps .`; plain files go into `files_to_stage`"));
    }
    Ok(())
}

fn twice(name: &str) -> Error {
    Error::invalid("two_files_of_one_name", format!("two files are called `{name}`, and workers would see one of them"))
        .suggest("rename one")
}
