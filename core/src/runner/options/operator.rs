//! The options of Beam 2.77 that load code, redirect traffic or carry secrets, in Python's and Java's names.

use super::normal;

/// Loads or starts code (group A of security-reliability.md T25).
const LOADS_CODE: &[&str] = &[
    "avro_serializable_classes",
    "beam_plugin",
    "beam_plugins",
    "cloud_build_machine_type",
    "dataflow_service_option",
    "dataflow_service_options",
    "dataflow_worker_jar",
    "default_environment_config",
    "default_environment_type",
    "environment_config",
    "environment_option",
    "environment_options",
    "environment_type",
    "experiment",
    "experiments",
    "extra_package",
    "extra_packages",
    "file_to_stage",
    "files_to_stage",
    "jar_cache_dir",
    "java_class_lookup_allowlist_file",
    "jdk_add_open_modules",
    "jdk_add_root_modules",
    "job_server_java_launcher",
    "job_server_jvm_properties",
    "job_server_jvm_property",
    "maven_repository_url",
    "metrics_sink",
    "on_success_matcher",
    "override_windmill_binary",
    "path_validator_class",
    "pickle_library",
    "prism_beam_version_override",
    "prism_location",
    "profiling_agent_configuration",
    "requirements_cache",
    "requirements_cache_only_sources",
    "requirements_file",
    "s3_client_factory_class",
    "sdk_container_image",
    "sdk_harness_container_image_overrides",
    "sdk_location",
    "setup_file",
    "stager_class",
    "state_backend_factory",
    "use_transform_service",
    "worker_harness_container_image",
];

/// Redirects traffic, takes another identity or carries a secret (group B).
const REDIRECTS: &[&str] = &[
    "api_root_url",
    "artifact_endpoint",
    "aws_credentials_provider",
    "aws_service_endpoint",
    "azure_connection_string",
    "azure_managed_identity_client_id",
    "beam_services",
    "big_query_endpoint",
    "blob_service_client_factory_class",
    "blob_service_endpoint",
    "credential_factory_class",
    "dataflow_endpoint",
    "docker_registry_push_url",
    "expansion_service_config",
    "expansion_service_config_file",
    "flink_conf_dir",
    "flink_master",
    "gcp_credential",
    "gcp_oauth_scope",
    "gcp_oauth_scopes",
    "gcs_endpoint",
    "google_api_trace",
    "hdfs_configuration",
    "hdfs_host",
    "hdfs_port",
    "hdfs_user",
    "http_client_configuration",
    "impersonate_service_account",
    "job_endpoint",
    "local_windmill_hostport",
    "metrics_graphite_host",
    "metrics_graphite_port",
    "metrics_http_sink_url",
    "no_auth",
    "proxy_configuration",
    "periodic_status_page_output_directory",
    "pipeline_url",
    "pubsub_root_url",
    "remote_heap_dump_location",
    "s3_access_key_id",
    "s3_disable_ssl",
    "s3_endpoint_url",
    "s3_secret_access_key",
    "s3_session_token",
    "s3_verify",
    "save_heap_dumps_to_gcs_path",
    "service_account",
    "service_account_email",
    "spark_master",
    "transform_service_address",
    "windmill_service_endpoint",
    "windmill_service_port",
];

/// True for an option that only the operator may set: directly, in the target's configuration, or as a caller with
/// the right to. Reads `setup_file`, `setup-file` and `setupFile` alike.
///
/// `bootstrap_servers` is left to callers: it names the brokers of a pipeline's own Kafka steps, and no runner of ours
/// reads it.
pub fn is_operator_only(name: &str) -> bool {
    let name = normal(name);
    let listed = |list: &[&str]| list.iter().any(|option| normal(option) == name);
    listed(LOADS_CODE)
        || listed(REDIRECTS)
        || ["prebuild", "profiler"].iter().any(|family| name.starts_with(family))
        || name.ends_with("jobserverjar")
        || (name.starts_with("spark") && name.ends_with("url"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// Every option of `beam.txt`, Python's of that version first, sorted by hand into who may set it.
    #[derive(Deserialize)]
    struct Options {
        operator: Vec<String>,
        caller: Vec<String>,
        java_operator: Vec<String>,
        java_caller: Vec<String>,
    }

    #[test]
    fn every_option_of_beam_is_judged_in_every_spelling() {
        let vector = include_str!("../../../../tests/vectors/beam/options-2.77.0.json");
        let options: Options = serde_json::from_str(vector).unwrap();
        assert_eq!(options.operator.len() + options.caller.len(), 175);
        let python = [(&options.operator, true), (&options.caller, false)];
        let java = [(&options.java_operator, true), (&options.java_caller, false)];
        for (names, expected) in python.into_iter().chain(java) {
            for name in names {
                for spelling in [name.clone(), name.replace('_', "-"), camel(name), name.to_uppercase()] {
                    assert_eq!(is_operator_only(&spelling), expected, "{spelling}");
                }
            }
        }
    }

    #[test]
    fn no_option_of_the_list_is_unjudged() {
        let vector = include_str!("../../../../tests/vectors/beam/options-2.77.0.json");
        let options: Options = serde_json::from_str(vector).unwrap();
        let all = [options.operator, options.caller, options.java_operator, options.java_caller].concat();
        let judged: std::collections::BTreeSet<String> = all.iter().map(|name| normal(name)).collect();
        for line in include_str!("beam.txt").lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(' ').next().unwrap();
            assert!(
                judged.contains(&normal(name)),
                "`{name}`: sort it into the vector, and into this file if it must be"
            );
        }
    }

    fn camel(name: &str) -> String {
        let mut words = name.split(['_', '-']);
        let first = words.next().unwrap_or_default().to_owned();
        words.fold(first, |out, word| out + &word[..1].to_uppercase() + &word[1..])
    }
}
