use beam_mcp_core::store::{Key, Kind, Scan};
use sha2::{Digest as _, Sha256};

use crate::store::range::ALL_TENANTS;

/// Partitions of a kind that is scanned for all tenants. Rows lie where this number put them: it cannot change.
const SHARDS: u8 = 4;
/// Between id and tenant in the sort key of a swept kind; lower than all characters of such ids.
const BETWEEN: char = '\0';

/// Partition and sort key of a record: `tenant#kind` and the id. Kinds that are scanned for all tenants lie together,
/// spread by a hash, as `kind#shard` and the id with its tenant: that is the due-work index, sparse because the core
/// keeps such rows for unfinished work only.
pub(super) fn place(key: &Key) -> (String, String) {
    if !is_swept(&key.kind) {
        return (format!("{}#{}", key.tenant, key.kind), key.id.clone());
    }
    let digest = Sha256::digest(format!("{}{BETWEEN}{}", key.id, key.tenant).as_bytes());
    let shard = digest.first().map_or(0, |byte| byte % SHARDS);
    (shard_name(&key.kind, shard), format!("{}{BETWEEN}{}", key.id, key.tenant))
}

/// The key that was placed so.
pub(super) fn key_at(partition: &str, sort: &str) -> Option<Key> {
    // Kinds and shards hold no `#`; tenants may.
    let (first, last) = partition.rsplit_once('#')?;
    if is_swept(first) {
        let (id, tenant) = sort.rsplit_once(BETWEEN)?;
        return Some(Key::new(tenant, first.to_owned(), id));
    }
    Some(Key::new(first, last.to_owned(), sort))
}

/// Partitions a scan reads.
pub(super) fn partitions(scan: &Scan) -> Vec<String> {
    if is_swept(&scan.kind) {
        (0..SHARDS).map(|shard| shard_name(&scan.kind, shard)).collect()
    } else {
        vec![format!("{}#{}", scan.tenant, scan.kind)]
    }
}

/// True for a record of the tenant a scan asks for.
pub(super) fn is_asked(scan: &Scan, key: &Key) -> bool {
    scan.tenant == ALL_TENANTS || scan.tenant == key.tenant
}

fn shard_name(kind: &str, shard: u8) -> String {
    format!("{kind}#{shard}")
}

fn is_swept(kind: &str) -> bool {
    Kind::parse(kind).is_some_and(Kind::is_swept)
}

/// Sort keys of a scan: from the first, inclusive, to the second, exclusive.
#[derive(Debug, PartialEq)]
pub(super) struct Bounds {
    pub(super) low: String,
    pub(super) high: Option<String>,
}

impl Bounds {
    pub(super) fn of(scan: &Scan) -> Self {
        let mut bounds = Self { low: scan.prefix.clone(), high: successor(&scan.prefix) };
        // The first sort key behind an id: behind its tenants too.
        let behind = |id: &str| format!("{id}{}", if is_swept(&scan.kind) { '\u{1}' } else { '\0' });
        match scan.after.as_deref() {
            Some(after) if scan.descending => {
                bounds.high = Some(bounds.high.map_or(after.to_owned(), |high| high.min(after.to_owned())));
            }
            Some(after) => bounds.low = bounds.low.max(behind(after)),
            None => {}
        }
        bounds
    }

    pub(super) fn is_empty(&self) -> bool {
        self.high.as_ref().is_some_and(|high| *high <= self.low)
    }
}

/// The first text after all that start with a prefix; `None` when there is none.
fn successor(prefix: &str) -> Option<String> {
    let mut kept: Vec<char> = prefix.chars().collect();
    while let Some(last) = kept.pop() {
        let mut later = (u32::from(last) + 1..=0x0010_FFFF).filter_map(char::from_u32);
        if let Some(next) = later.next() {
            kept.push(next);
            return Some(kept.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_again_where_they_were_placed() {
        for key in
            [Key::new("a#b", "job", "x#y/z"), Key::new("a#b", "job.due", "flink/flink:@1"), Key::new("t", "k", "\0")]
        {
            let (partition, sort) = place(&key);
            assert_eq!(key_at(&partition, &sort), Some(key));
        }
    }

    #[test]
    fn a_tenant_named_like_a_kind_shares_no_partition_with_it() {
        let (theirs, _) = place(&Key::new("job.due", "job", "x"));
        let scan = Scan { tenant: "t".into(), kind: "job.due".into(), ..Scan::default() };
        assert!(!partitions(&scan).contains(&theirs));
    }

    #[test]
    fn prefixes_end_where_the_next_text_begins() {
        assert_eq!(successor("a/").as_deref(), Some("a0"));
        assert_eq!(successor("\u{D7FF}").as_deref(), Some("\u{E000}"));
        assert_eq!(successor("a\u{10FFFF}").as_deref(), Some("b"));
        assert_eq!((successor("\u{10FFFF}"), successor("")), (None, None));
    }
}
