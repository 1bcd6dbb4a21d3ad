//! Which session makes room for a new one.

use std::collections::BTreeMap;

use super::{Entry, MOST_SESSIONS, Owner};

/// Makes room for one more session of an owner. It is at the cost of whoever has most, the new one counted: nobody's
/// handshakes end the sessions of others.
pub(super) fn make_room(all: &mut BTreeMap<String, Entry>, newcomer: &Owner) {
    while all.len() >= MOST_SESSIONS
        && let Some(id) = first_to_go(all, newcomer)
    {
        all.remove(&id);
    }
}

/// The one unused for longest of those who have most; what is in use only where they have nothing else.
fn first_to_go(all: &BTreeMap<String, Entry>, newcomer: &Owner) -> Option<String> {
    let mut held = BTreeMap::from([(newcomer, 1_usize)]);
    for entry in all.values() {
        *held.entry(&entry.owner).or_default() += 1;
    }
    let most = held.values().max().copied();
    let theirs = all.iter().filter(|(_, entry)| held.get(&entry.owner).copied() == most);
    theirs.min_by_key(|(_, entry)| (entry.is_in_use(), entry.used_ms)).map(|(id, _)| id.clone())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::*;
    use crate::{
        auth::{Caller, Role},
        call::Call,
        mcp::{Sessions, Version, session::Session},
    };

    fn open(all: &Sessions, owner: &str, number: usize) -> Session {
        let mut random = [0; 32];
        random[..8].copy_from_slice(&number.to_be_bytes());
        let call = Call::local(Caller::with_role(owner, Role::Viewer), Duration::MAX, random);
        all.open(&call, Version::V2025_06_18, Value::Null, number as u64)
    }

    fn is_open(session: &Session) -> bool {
        session.version().is_some()
    }

    #[test]
    fn whoever_opens_most_makes_room() {
        let all = Sessions::default();
        let others: Vec<Session> = (0..9).map(|number| open(&all, "them", number)).collect();
        let one = open(&all, "him", 9);
        let mine: Vec<Session> = (10..3 * MOST_SESSIONS).map(|number| open(&all, "me", number)).collect();
        assert!(others.iter().all(is_open) && is_open(&one));
        assert_eq!(all.lock().len(), MOST_SESSIONS);
        assert_eq!(mine.iter().filter(|session| is_open(session)).count(), MOST_SESSIONS - 10);
        assert!(!is_open(&mine[0]) && is_open(&mine[mine.len() - 1]), "the oldest of theirs go first");
    }

    #[test]
    fn the_session_unused_for_longest_makes_room() {
        let all = Sessions::default();
        let first: Vec<Session> = (0..MOST_SESSIONS).map(|number| open(&all, "me", number)).collect();
        first[0].touch(5_000);
        let more: Vec<Session> = (0..9).map(|number| open(&all, "me", 6_000 + number)).collect();
        assert_eq!(all.lock().len(), MOST_SESSIONS);
        assert!(is_open(&first[0]) && !first[1..=9].iter().any(is_open));
        assert!(is_open(&first[10]) && more.iter().all(is_open));
    }

    #[test]
    fn sessions_in_use_go_last() {
        let all = Sessions::default();
        let mine: Vec<Session> = (0..MOST_SESSIONS).map(|number| open(&all, "me", number)).collect();
        let stream = mine[0].begin_stream();
        mine[1].with(|entry| entry.asked.insert("q".into(), None));
        open(&all, "me", MOST_SESSIONS);
        assert!(is_open(&mine[0]) && is_open(&mine[1]) && !is_open(&mine[2]));
        drop(stream);
        open(&all, "me", MOST_SESSIONS + 1);
        assert!(!is_open(&mine[0]) && is_open(&mine[1]) && is_open(&mine[3]), "its stream is over");
    }

    #[test]
    fn there_is_room_also_where_all_are_in_use() {
        let all = Sessions::default();
        let mine: Vec<Session> = (0..MOST_SESSIONS).map(|number| open(&all, "me", number)).collect();
        let _streams: Vec<_> = mine.iter().map(Session::begin_stream).collect();
        let another = open(&all, "him", MOST_SESSIONS);
        assert!(is_open(&another) && !is_open(&mine[0]) && is_open(&mine[1]));
        assert_eq!(all.lock().len(), MOST_SESSIONS);
    }
}
