//! The configuration document: a YAML or JSON file, then the environment, then the command line.

use std::{
    collections::BTreeMap,
    io::Read as _,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

/// Largest configuration file, in bytes.
const LARGEST: u64 = 1 << 20;

/// Environment variables the process was started with; tests bring their own.
pub type Environment = BTreeMap<String, String>;

/// Reads the document; errors are sentences for the operator.
///
/// `path` comes before `BEAM_MCP_CONFIG`. Without either the document has a Direct target, where a Python interpreter is
/// found, and a simulator.
///
/// # Errors
/// The file cannot be read or parsed, or a variable has a value it cannot have.
pub fn document(path: Option<&Path>, environment: &Environment) -> Result<Value, String> {
    let named = path.map(PathBuf::from).or_else(|| environment.get("BEAM_MCP_CONFIG").map(PathBuf::from));
    let mut document = match named {
        Some(path) => read(&path).map_err(|reason| format!("configuration file {}: {reason}", path.display()))?,
        None => without_file(environment),
    };
    if document.is_null() {
        document = json!({});
    }
    let Value::Object(root) = &mut document else {
        return Err("the configuration is not a mapping of keys to values".into());
    };
    override_with(root, environment)?;
    Ok(document)
}

fn read(path: &Path) -> Result<Value, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > LARGEST {
        return Err(format!("larger than {LARGEST} bytes"));
    }
    if path.extension().is_some_and(|extension| extension == "json") {
        return serde_json::from_str(&text).map_err(|error| error.to_string());
    }
    yaml(&text)
}

/// Aliases and nodes are bounded, a key twice is an error.
fn yaml(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_nodes: 50_000, max_aliases: 100, max_depth: 64 },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())
}

fn without_file(environment: &Environment) -> Value {
    let mut targets = json!({"simulator": {"runner": "simulator", "description": "scripted jobs that send nothing"}});
    let Some(python) = python(environment) else {
        return json!({"targets": targets});
    };
    targets["direct"] = json!({"runner": "direct", "python": python, "description": "this machine"});
    json!({"targets": targets, "default_runner": "direct"})
}

/// `BEAM_MCP_PYTHON`, or the first `python3` of `PATH`.
fn python(environment: &Environment) -> Option<String> {
    if let Some(python) = environment.get("BEAM_MCP_PYTHON") {
        return Some(python.clone());
    }
    let path = environment.get("PATH")?;
    let found = std::env::split_paths(path).map(|folder| folder.join("python3")).find(|file| file.is_file())?;
    found.to_str().map(str::to_owned)
}

fn override_with(root: &mut Map<String, Value>, environment: &Environment) -> Result<(), String> {
    let get = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    if let Some(host) = get("BEAM_MCP_HOST") {
        set(root, &["server", "host"], json!(host))?;
    }
    if let Some(port) = get("BEAM_MCP_PORT") {
        let port: u16 = port.parse().map_err(|_| "BEAM_MCP_PORT: expected a port number".to_owned())?;
        set(root, &["server", "port"], json!(port))?;
    }
    if let Some(roots) = get("BEAM_MCP_ROOTS") {
        let roots: Vec<_> = std::env::split_paths(roots).collect();
        set(root, &["roots"], json!(roots))?;
    }
    if let Some(path) = get("BEAM_MCP_STORE_PATH") {
        set(root, &["store", "path"], json!(path))?;
    }
    if let Some(url) = get("BEAM_MCP_FLINK_URL") {
        set(root, &["targets", "flink", "runner"], json!("flink"))?;
        set(root, &["targets", "flink", "url"], json!(url))?;
    }
    if let Some(enabled) = get("MCP_AUTH_ENABLED") {
        set(root, &["auth", "enabled"], json!(truth("MCP_AUTH_ENABLED", enabled)?))?;
    }
    Ok(())
}

fn truth(name: &str, value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(format!("{name}: expected true or false")),
    }
}

/// Sets a key of the document, making the mappings above it.
pub(crate) fn set(root: &mut Map<String, Value>, path: &[&str], value: Value) -> Result<(), String> {
    let Some((last, above)) = path.split_last() else { return Ok(()) };
    let mut at = root;
    for name in above {
        let next = at.entry(*name).or_insert_with(|| json!({}));
        if next.is_null() {
            *next = json!({});
        }
        at = next.as_object_mut().ok_or_else(|| format!("configuration key `{name}`: expected a mapping"))?;
    }
    at.insert((*last).to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use beam_mcp_core::config::Config;

    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn file(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn yaml_and_json_say_the_same() {
        let text = "targets:\n  f: {runner: flink, url: \"http://127.0.0.1:1\"}\nserver:\n  port: 9\n";
        let (_kept, yaml) = file("c.yaml", text);
        let (_kept_too, json) =
            file("c.json", r#"{"targets":{"f":{"runner":"flink","url":"http://127.0.0.1:1"}},"server":{"port":9}}"#);
        let read = document(Some(&yaml), &environment(&[])).unwrap();
        assert_eq!(read, document(None, &environment(&[("BEAM_MCP_CONFIG", json.to_str().unwrap())])).unwrap());
        assert_eq!(Config::from_json(&read).unwrap().server.port, 9);
    }

    #[test]
    fn what_yaml_can_do_to_a_reader_is_bounded() {
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
            d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
        assert!(yaml(bomb).is_err());
        assert!(yaml(&"[".repeat(100)).is_err());
        assert!(yaml("a: 1\na: 2\n").is_err());
        assert!(yaml("a: !!python/object:os.system x\n").is_ok_and(|value| value["a"] == "x"));
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let (_kept, path) = file("c.yaml", "server: {port: 9, host: 127.0.0.2}\n");
        let read = document(
            Some(&path),
            &environment(&[
                ("BEAM_MCP_PORT", "10"),
                ("BEAM_MCP_ROOTS", "/a:/b"),
                ("BEAM_MCP_FLINK_URL", "http://f:1"),
                ("MCP_AUTH_ENABLED", "True"),
            ]),
        );
        let config = Config::from_json(&read.unwrap()).unwrap();
        assert_eq!((config.server.port, config.server.host.as_str()), (10, "127.0.0.2"));
        assert_eq!((config.roots, config.auth.enabled), (vec!["/a".to_owned(), "/b".to_owned()], Some(true)));
        assert_eq!(config.targets["flink"].url.as_deref(), Some("http://f:1"));
        for (name, value) in [("BEAM_MCP_PORT", "x"), ("MCP_AUTH_ENABLED", "maybe")] {
            assert!(document(Some(&path), &environment(&[(name, value)])).unwrap_err().contains(name));
        }
    }

    #[test]
    fn without_a_file_there_is_something_to_run_on() {
        let with_python = document(None, &environment(&[("BEAM_MCP_PYTHON", "/p")])).unwrap();
        let config = Config::from_json(&with_python).unwrap();
        assert_eq!(config.targets.keys().collect::<Vec<_>>(), ["direct", "simulator"]);
        assert_eq!(config.targets["direct"].python.as_deref(), Some("/p"));
        let without = Config::from_json(&document(None, &environment(&[])).unwrap()).unwrap();
        assert_eq!((without.targets.len(), without.default_runner), (1, None));
    }

    #[test]
    fn errors_name_the_file() {
        let missing = document(Some(Path::new("/nonexistent/c.yaml")), &environment(&[])).unwrap_err();
        assert!(missing.contains("/nonexistent/c.yaml"), "{missing}");
        let (_kept, path) = file("c.yaml", "- a list\n");
        assert!(document(Some(&path), &environment(&[])).unwrap_err().contains("mapping"));
        let (_kept_too, empty) = file("c.yaml", "");
        assert!(document(Some(&empty), &environment(&[])).is_ok());
    }
}
