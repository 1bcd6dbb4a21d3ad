//! Beam's job-server jars: which runner one holds, by its manifest or its name.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
};

use beam_mcp_core::{
    config::{Config, Target},
    effect::Fact,
};

use super::archive;

/// What our own builds (`examples/job-server`) write into the manifest; Beam's jars say it in their names only.
const ATTRIBUTE: &str = "Beam-Runner";
const CLUSTERS: [&str; 2] = ["flink-", "spark-"];

/// The jar of each target that has one.
pub fn of(config: &Config) -> BTreeMap<String, PathBuf> {
    let named = |target: &Target| Some((target.name.clone(), PathBuf::from(target.job_server_jar.as_ref()?)));
    config.targets.values().filter_map(named).collect()
}

/// Is the jar there, and for which clusters is it? `version` is Beam's name of the runner, for instance `flink-1.19`.
pub fn fact(path: &Path) -> Fact {
    let manifest = File::open(path).ok().and_then(|file| archive::manifest_of(file).ok());
    let found = manifest.is_some();
    let said = manifest.flatten().and_then(|text| archive::attribute(&text, ATTRIBUTE));
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let version = [said, name].into_iter().flatten().find_map(|text| runner(&text)).filter(|_| found);
    Fact::Program { found, version, beam_version: None, yaml: false }
}

/// `flink-1.19` of `beam-runners-flink-1.19-job-server-2.77.0.jar`.
fn runner(text: &str) -> Option<String> {
    CLUSTERS.iter().find_map(|cluster| {
        let (_, rest) = text.split_once(cluster)?;
        let series = rest.split(|c: char| !c.is_ascii_digit() && c != '.').next()?.trim_end_matches('.');
        series.starts_with(|c: char| c.is_ascii_digit()).then(|| format!("{cluster}{series}"))
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    fn jar(manifest: &str) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let mut zip = ZipWriter::new(&mut bytes);
        zip.start_file("META-INF/MANIFEST.MF", SimpleFileOptions::default()).unwrap();
        zip.write_all(manifest.as_bytes()).unwrap();
        zip.finish().unwrap();
        bytes.into_inner()
    }

    fn said(name: &str, bytes: &[u8]) -> (bool, Option<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        match fact(&path) {
            Fact::Program { found, version, .. } => (found, version),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_jar_says_its_series_by_manifest_or_name() {
        let plain = jar("Manifest-Version: 1.0\n");
        let ours = jar("Manifest-Version: 1.0\nBeam-Runner: flink-1.19\n");
        for (name, bytes, expected) in [
            ("beam-runners-flink-2.2-job-server-2.77.0.jar", &plain, Some("flink-2.2")),
            ("beam-job-server-spark-3.jar", &plain, Some("spark-3")),
            ("job-server.jar", &ours, Some("flink-1.19")),
            ("flink-job-server.jar", &plain, None),
        ] {
            assert_eq!(said(name, bytes), (true, expected.map(Into::into)), "{name}");
        }
    }

    #[test]
    fn what_is_no_jar_is_not_found() {
        assert_eq!(said("beam-job-server-flink-1.19.jar", b"PK\x03\x04 cut off"), (false, None));
        let Fact::Program { found, .. } = fact(Path::new("/nowhere/beam-job-server-flink-1.19.jar")) else { panic!() };
        assert!(!found);
    }
}
