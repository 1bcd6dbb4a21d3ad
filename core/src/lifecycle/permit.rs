use crate::{
    error::{Error, Landed},
    guard,
};

/// True where a permit to send was not used: the target's guard refused, or nobody could be connected to. Such a send
/// is tried again however long that lasts; permits are for what may have reached somebody.
pub(super) fn is_unused(error: &Error) -> bool {
    let unconnected = matches!(error.reason(), "connection_refused" | "unreachable");
    error.landed() == Landed::No && (unconnected || guard::is_refusal(error))
}

/// Permits that count after a failed send.
pub(super) fn used(attempts: u32, error: &Error) -> u32 {
    attempts.saturating_sub(u32::from(is_unused(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::{Fault, FaultKind};

    #[test]
    fn what_cannot_have_arrived_uses_no_permit() {
        let of = |kind| Error::transport(&Fault { kind, detail: String::new() });
        assert_eq!(used(3, &of(FaultKind::Refused)), 2);
        assert_eq!(used(3, &of(FaultKind::Reset)), 3);
        assert_eq!(used(3, &of(FaultKind::Refused).landed_as(Landed::Perhaps)), 3, "an earlier step may have arrived");
        let busy = Error::new(crate::ErrorKind::Unavailable, "target_busy", "no").landed_as(Landed::No);
        assert_eq!((used(1, &busy), used(0, &busy)), (0, 0));
        let limited = Error::new(crate::ErrorKind::RateLimited, "runner_busy", "no").landed_as(Landed::No);
        assert_eq!(used(1, &limited), 1);
    }
}
