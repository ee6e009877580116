//! The bytes of every key. Integers are big-endian, so keys sort as their fields do;
//! `schema/keyspace.md` draws them.

use super::record::{EdgeKey, EvidenceId, NodeId, Stamp};
use crate::schema::{RelationId, Timestamp};

/// Bytes of an edge's key.
pub const EDGE_BYTES: usize = 18;
/// Bytes of the key of a piece of evidence.
pub const EVIDENCE_BYTES: usize = EDGE_BYTES + 24;

/// `id`
pub fn node(id: NodeId) -> [u8; 8] {
    id.0.to_be_bytes()
}

/// `source relation target`
pub fn out(edge: &EdgeKey) -> [u8; EDGE_BYTES] {
    ends(edge.source, edge.relation, edge.target)
}

/// `target relation source`
pub fn inward(edge: &EdgeKey) -> [u8; EDGE_BYTES] {
    ends(edge.target, edge.relation, edge.source)
}

fn ends(first: NodeId, relation: RelationId, last: NodeId) -> [u8; EDGE_BYTES] {
    let mut key = [0; EDGE_BYTES];
    key[..8].copy_from_slice(&node(first));
    key[8..10].copy_from_slice(&relation.0.to_be_bytes());
    key[10..].copy_from_slice(&node(last));
    key
}

/// `node relation`: the edges of one relation in either direction.
pub fn of_relation(id: NodeId, relation: RelationId) -> [u8; 10] {
    let mut key = [0; 10];
    key[..8].copy_from_slice(&node(id));
    key[8..].copy_from_slice(&relation.0.to_be_bytes());
    key
}

/// `source relation target at id`
pub fn evidence(edge: &EdgeKey, stamp: &Stamp) -> [u8; EVIDENCE_BYTES] {
    let mut key = [0; EVIDENCE_BYTES];
    key[..EDGE_BYTES].copy_from_slice(&out(edge));
    key[EDGE_BYTES..EDGE_BYTES + 8].copy_from_slice(&stamp.at.millis().to_be_bytes());
    key[EDGE_BYTES + 8..].copy_from_slice(&stamp.id.0);
    key
}

/// `0 number`: the record of a load.
pub fn load(number: u32) -> [u8; 5] {
    let mut key = [0; 5];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

/// `1 node`: what a document was before loads, oldest first.
pub fn undos(id: NodeId) -> [u8; 9] {
    let mut key = [1; 9];
    key[1..].copy_from_slice(&node(id));
    key
}

/// `1 node sequence`: what a document was before the load that wrote it at this sequence number.
pub fn undo(id: NodeId, sequence: u64) -> [u8; 17] {
    let mut key = [0; 17];
    key[..9].copy_from_slice(&undos(id));
    key[9..].copy_from_slice(&sequence.to_be_bytes());
    key
}

/// `2 number`: what a load brought from files of edges.
pub fn loaded_edges(number: u32) -> [u8; 5] {
    let mut key = load(number);
    key[0] = 2;
    key
}

/// What keys of claims start with.
pub(super) const CLAIMS: u8 = 3;

/// `3 source relation target at`: what loads said of an edge at a time.
pub fn claims(edge: &EdgeKey, at: Timestamp) -> [u8; 1 + EDGE_BYTES + 8] {
    let mut key = [CLAIMS; 1 + EDGE_BYTES + 8];
    key[1..=EDGE_BYTES].copy_from_slice(&out(edge));
    key[1 + EDGE_BYTES..].copy_from_slice(&at.millis().to_be_bytes());
    key
}

/// Reads a [`claims`] key.
pub fn decode_claims(key: &[u8]) -> Option<(EdgeKey, Timestamp)> {
    let (edge, at) = key.get(1..)?.split_at_checked(EDGE_BYTES)?;
    let millis = i64::from_be_bytes(at.try_into().ok()?);
    Some((decode_out(edge)?, Timestamp::from_millis(millis)?))
}

/// Reads an [`out`] key.
pub fn decode_out(key: &[u8]) -> Option<EdgeKey> {
    let (source, relation, target) = decode_ends(key)?;
    Some(EdgeKey { source, relation, target })
}

/// Reads an [`inward`] key.
pub fn decode_inward(key: &[u8]) -> Option<EdgeKey> {
    let (target, relation, source) = decode_ends(key)?;
    Some(EdgeKey { source, relation, target })
}

fn decode_ends(key: &[u8]) -> Option<(NodeId, RelationId, NodeId)> {
    let key: &[u8; EDGE_BYTES] = key.try_into().ok()?;
    let relation = u16::from_be_bytes(key[8..10].try_into().ok()?);
    Some((decode_node(&key[..8])?, RelationId(relation), decode_node(&key[10..])?))
}

/// Reads a [`node`] key.
pub fn decode_node(key: &[u8]) -> Option<NodeId> {
    Some(NodeId(u64::from_be_bytes(key.try_into().ok()?)))
}

/// Reads an [`evidence`] key. Times are never negative, so their bytes sort as they do.
pub fn decode_evidence(key: &[u8]) -> Option<(EdgeKey, Stamp)> {
    let key: &[u8; EVIDENCE_BYTES] = key.try_into().ok()?;
    let millis = i64::from_be_bytes(key[EDGE_BYTES..EDGE_BYTES + 8].try_into().ok()?);
    let id = EvidenceId(key[EDGE_BYTES + 8..].try_into().ok()?);
    Some((decode_out(&key[..EDGE_BYTES])?, Stamp { at: Timestamp::from_millis(millis)?, id }))
}

/// A key as people read it.
pub fn hex(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn edges() -> impl Strategy<Value = (EdgeKey, Stamp)> {
        let millis = 0..=Timestamp::MAX.millis();
        (any::<(u64, u16, u64)>(), millis, any::<[u8; 16]>()).prop_map(|(edge, millis, id)| {
            let (source, relation, target) = edge;
            let edge = EdgeKey {
                source: NodeId(source),
                relation: RelationId(relation),
                target: NodeId(target),
            };
            (edge, Stamp { at: Timestamp::from_millis(millis).unwrap(), id: EvidenceId(id) })
        })
    }

    proptest! {
        #[test]
        fn keys_read_back((edge, stamp) in edges()) {
            prop_assert_eq!(decode_out(&out(&edge)), Some(edge));
            prop_assert_eq!(decode_inward(&inward(&edge)), Some(edge));
            prop_assert_eq!(decode_evidence(&evidence(&edge, &stamp)), Some((edge, stamp)));
            prop_assert_eq!(decode_claims(&claims(&edge, stamp.at)), Some((edge, stamp.at)));
        }

        #[test]
        fn bytes_sort_as_fields_do(a in edges(), b in edges()) {
            prop_assert_eq!(out(&a.0).cmp(&out(&b.0)), a.0.cmp(&b.0));
            prop_assert_eq!(evidence(&a.0, &a.1).cmp(&evidence(&b.0, &b.1)), a.cmp(&b));
            let turned = |(edge, _): &(EdgeKey, Stamp)| (edge.target, edge.relation, edge.source);
            prop_assert_eq!(inward(&a.0).cmp(&inward(&b.0)), turned(&a).cmp(&turned(&b)));
        }

        #[test]
        fn foreign_bytes_are_no_key(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assume!(bytes.len() != EDGE_BYTES && bytes.len() != EVIDENCE_BYTES);
            prop_assert_eq!(decode_out(&bytes), None);
            prop_assert_eq!(decode_evidence(&bytes), None);
        }
    }
}
