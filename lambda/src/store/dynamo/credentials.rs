use std::fmt;

use crate::config_file::Environment;

/// Keys of the function's role, as the platform sets them in the environment; they have no readable form.
#[derive(Clone)]
pub struct AwsCredentials {
    pub(super) key_id: String,
    pub(super) secret_key: String,
    pub(super) session_token: Option<String>,
}

impl AwsCredentials {
    /// Reads `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, where it is set, `AWS_SESSION_TOKEN`.
    ///
    /// # Errors
    /// A sentence that names the variable that is not set.
    pub fn of(environment: &Environment) -> Result<Self, String> {
        let get = |name: &str| environment.get(name).filter(|value| !value.is_empty()).cloned();
        let need = |name: &str| get(name).ok_or_else(|| format!("{name} is not set; Lambda sets it for the function"));
        Ok(Self {
            key_id: need("AWS_ACCESS_KEY_ID")?,
            secret_key: need("AWS_SECRET_ACCESS_KEY")?,
            session_token: get("AWS_SESSION_TOKEN"),
        })
    }
}

impl fmt::Debug for AwsCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AwsCredentials").finish_non_exhaustive()
    }
}
