//! Random bytes of the system.

use beam_mcp_core::{Error, ErrorKind};

/// 32 bytes for one call.
///
/// # Errors
/// `internal` when the system gives none.
pub(crate) fn random() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|_| Error::new(ErrorKind::Internal, "no_randomness", "the system gives no random bytes"))?;
    Ok(bytes)
}
