//! Which servers beside the configured ones are read: anybody who reaches the master may register a worker and name any
//! address as its page.

use crate::{
    config::{Target, check_server},
    error::Error,
    url::host,
};

/// The base URL of a worker's or driver's page as Spark told it, if the configuration admits its host.
///
/// # Errors
/// `failed_precondition`, reason `host_not_admitted`; `malformed_response` for what is no URL.
pub(super) fn admitted(target: &Target, url: &str) -> Result<String, Error> {
    let url = url.trim_end_matches('/');
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    if check_server(url).is_err() || !path.is_empty() {
        return Err(Error::malformed("Spark names a page that is no http:// or https:// address of a server"));
    }
    let own = [&target.url, &target.master_url, &target.history_url];
    let near = own.into_iter().flatten().any(|own| host(own).eq_ignore_ascii_case(host(url)));
    if near || target.worker_hosts.iter().any(|pattern| matches(pattern, host(url))) {
        return Ok(url.to_owned());
    }
    let message = format!("the page is at {}, which the target's configuration does not admit", host(url));
    Err(Error::precondition("host_not_admitted", message)
        .suggest("ask the operator to add the host to the target's `worker_hosts`"))
}

/// `name`, `*.suffix` or `10.0.*`.
fn matches(pattern: &str, host: &str) -> bool {
    let (pattern, host) = (pattern.to_ascii_lowercase(), host.to_ascii_lowercase());
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(suffix), _) => suffix.len() > 1 && suffix.starts_with('.') && host.ends_with(suffix),
        (_, Some(prefix)) => {
            let address = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_ipv4());
            prefix.len() > 1 && prefix.ends_with('.') && address && host.starts_with(prefix)
        }
        _ => pattern == host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::spark::testing::target;

    #[test]
    fn only_hosts_of_the_configuration_are_read() {
        let mut target = target();
        target.worker_hosts = ["10.0.*", "*.spark.internal", "one.example", "*", "1*", "*x"].map(str::to_owned).into();
        for good in
            ["http://127.0.0.1:4040", "http://10.0.7.9:8081/", "https://W1.Spark.internal:8081", "http://one.example"]
        {
            assert_eq!(admitted(&target, good).unwrap(), good.trim_end_matches('/'));
        }
        for bad in [
            "http://169.254.169.254",
            "http://10.1.0.1:8081",
            "http://10.0.evil.example:80",
            "http://spark.internal",
            "http://evilspark.internal",
            "http://two.example",
        ] {
            assert_eq!(admitted(&target, bad).unwrap_err().reason(), "host_not_admitted", "{bad}");
        }
        for broken in ["ftp://127.0.0.1", "http://127.0.0.1:1/path", "http://me@127.0.0.1", "None", "", "http:///x"] {
            assert_eq!(admitted(&target, broken).unwrap_err().reason(), "malformed_response", "{broken}");
        }
    }
}
