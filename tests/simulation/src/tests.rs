//! The simulation itself under test: it repeats, it shrinks, its fakes speak as the real ones were recorded.

mod fakes;

use crate::{Coverage, Fixed, Plant, Profile, schedule, shrink};

fn run(seed: u64, fixed: &Fixed) -> crate::Ended {
    schedule(seed, fixed, true, &mut Coverage::default())
}

#[test]
fn a_seed_goes_the_same_way_twice_and_another_goes_another_way() {
    for seed in 1..12 {
        let (first, second) = (run(seed, &Fixed::default()), run(seed, &Fixed::default()));
        assert_eq!((first.hash, &first.text), (second.hash, &second.text), "seed {seed}");
        assert_ne!(first.hash, run(seed + 100, &Fixed::default()).hash);
        assert!(first.steps > 0 && first.jobs > 0, "seed {seed}: {} steps, {} jobs", first.steps, first.jobs);
    }
}

#[test]
fn a_planted_bug_is_found_and_its_schedule_made_smaller() {
    let fixed = Fixed { plant: Some(Plant::NoAudit), ..Fixed::default() };
    let (seed, violation) = (1..50).find_map(|seed| Some((seed, run(seed, &fixed).violation?))).unwrap();
    assert_eq!(violation.invariant, "I8");
    let smallest = shrink::shrink(seed, &fixed, &violation);
    let (before, after) = (Profile::draw(seed, &fixed), Profile::draw(seed, &smallest));
    assert!(after.clients == 1 && after.processes <= before.processes, "{after:?}");
    assert!(after.faults().is_empty(), "no fault is needed: {after:?}");
    assert_eq!(run(seed, &smallest).violation.unwrap().invariant, "I8");
}
