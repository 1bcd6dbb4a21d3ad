//! Making a failing schedule small: fewer faults, clients, actions and processes, as long as it fails in the same way.

use crate::{Coverage, Fault, Fixed, Profile, Violation, schedule};

/// The smallest circumstances found under which the seed breaks the same invariant.
pub fn shrink(seed: u64, fixed: &Fixed, violation: &Violation) -> Fixed {
    let fails = |fixed: &Fixed| {
        let ended = schedule(seed, fixed, false, &mut Coverage::default());
        ended.violation.is_some_and(|other| other.invariant == violation.invariant)
    };
    let mut smallest = fixed.clone();
    loop {
        let Some(smaller) = candidates(seed, &smallest).into_iter().find(|fixed| fails(fixed)) else {
            return smallest;
        };
        smallest = smaller;
    }
}

/// One step smaller, each in one way.
fn candidates(seed: u64, fixed: &Fixed) -> Vec<Fixed> {
    let profile = Profile::draw(seed, fixed);
    let without = |fault: &Fault| {
        let mut fixed = fixed.clone();
        fixed.without.push(*fault);
        fixed
    };
    let mut all = Vec::new();
    if profile.operator {
        all.push(Fixed { operator: Some(false), ..fixed.clone() });
    }
    if profile.programs {
        all.push(Fixed { programs: Some(false), ..fixed.clone() });
    }
    if profile.clients > 1 {
        all.push(Fixed { clients: Some(profile.clients - 1), ..fixed.clone() });
    }
    if profile.processes > 1 {
        all.push(Fixed { processes: Some(profile.processes - 1), ..fixed.clone() });
    }
    all.extend(profile.faults().iter().map(without));
    if profile.actions > 1 {
        all.push(Fixed { actions: Some(profile.actions - 1), ..fixed.clone() });
    }
    all
}
