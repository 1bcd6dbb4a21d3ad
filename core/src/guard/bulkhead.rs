use std::collections::VecDeque;

/// Calls under way at once.
const PLACES: u32 = 32;
/// Flows that may wait for a place.
const QUEUE: usize = 64;

/// Places for calls to one target, first come first served.
#[derive(Clone, Debug, Default)]
pub(super) struct Bulkhead {
    in_flight: u32,
    queue: VecDeque<u64>,
    last: u64,
}

/// The answer to who asks for a place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Entry {
    /// There is one.
    In,
    /// There may be one soon, for this number.
    Wait(u64),
    /// Too many wait already.
    Full,
}

impl Bulkhead {
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    pub(super) fn waiting(&self) -> u32 {
        u32::try_from(self.queue.len()).unwrap_or(u32::MAX)
    }

    fn take(&mut self, weight: u32) -> bool {
        let fits = self.in_flight.saturating_add(weight) <= PLACES;
        if fits {
            self.in_flight += weight;
        }
        fits
    }

    pub(super) fn enter(&mut self, weight: u32) -> Entry {
        if self.queue.is_empty() && self.take(weight) {
            return Entry::In;
        }
        if self.queue.len() >= QUEUE {
            return Entry::Full;
        }
        self.last += 1;
        self.queue.push_back(self.last);
        Entry::Wait(self.last)
    }

    /// The same for one that waits, in its turn.
    pub(super) fn enter_in_turn(&mut self, number: u64, weight: u32) -> bool {
        let entered = self.queue.front() == Some(&number) && self.take(weight);
        if entered {
            self.queue.pop_front();
        }
        entered
    }

    pub(super) fn give_up(&mut self, number: u64) {
        self.queue.retain(|waiting| *waiting != number);
    }

    pub(super) fn leave(&mut self, weight: u32) {
        self.in_flight = self.in_flight.saturating_sub(weight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::draws::draws;

    #[test]
    fn thirty_two_are_in_sixty_four_wait_and_no_more() {
        let mut bulkhead = Bulkhead::default();
        let entries: Vec<Entry> = (0..100).map(|_| bulkhead.enter(1)).collect();
        let count = |which: fn(&Entry) -> bool| entries.iter().filter(|entry| which(entry)).count();
        assert_eq!(count(|entry| *entry == Entry::In), 32);
        assert_eq!(count(|entry| matches!(entry, Entry::Wait(_))), 64);
        assert_eq!(count(|entry| *entry == Entry::Full), 4);
        assert!(!bulkhead.enter_in_turn(1, 1));
        bulkhead.leave(1);
        assert!(!bulkhead.enter_in_turn(2, 1), "not its turn");
        assert!(bulkhead.enter_in_turn(1, 1));
        bulkhead.give_up(2);
        bulkhead.leave(1);
        assert!(bulkhead.enter_in_turn(3, 1));
    }

    #[test]
    fn many_at_once_do_not_starve_behind_single_ones() {
        let mut bulkhead = Bulkhead::default();
        (0..30).for_each(|_| assert_eq!(bulkhead.enter(1), Entry::In));
        assert_eq!(bulkhead.enter(8), Entry::Wait(1));
        assert_eq!(bulkhead.enter(1), Entry::Wait(2), "although it would fit");
        (0..6).for_each(|_| bulkhead.leave(1));
        assert!(bulkhead.enter_in_turn(1, 8));
        assert_eq!(bulkhead.in_flight(), 32);
    }

    /// Whatever enters and leaves: never more than the places, none is lost.
    #[test]
    fn no_place_is_lost_in_any_order_of_events() {
        for number in 0..500_u64 {
            let mut draw = draws(number);
            let (mut bulkhead, mut inside, mut waiting) = (Bulkhead::default(), Vec::new(), Vec::new());
            for _ in 0..300 {
                let weight = u32::try_from(1 + draw(8)).unwrap();
                match draw(4) {
                    0 | 1 => match bulkhead.enter(weight) {
                        Entry::In => inside.push(weight),
                        Entry::Wait(number) => waiting.push((number, weight)),
                        Entry::Full => assert_eq!(bulkhead.waiting(), 64),
                    },
                    2 => inside.pop().into_iter().for_each(|weight| bulkhead.leave(weight)),
                    _ => waiting.pop().into_iter().for_each(|(number, _)| bulkhead.give_up(number)),
                }
                waiting.retain(|(number, weight)| {
                    let entered = bulkhead.enter_in_turn(*number, *weight);
                    inside.extend(entered.then_some(*weight));
                    !entered
                });
                assert_eq!(bulkhead.in_flight(), inside.iter().sum::<u32>());
                assert!(bulkhead.in_flight() <= 32);
            }
        }
    }
}
