//! Files with a right hash and wrong contents, as no save makes them.

use std::fs;
use std::path::Path;

use petgraph::visit::{EdgeRef, IntoEdgeReferences};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{BODY_START, HEADER_START, MAGIC, chunk_hashes, file_hash};
use crate::graph::NodeIndex;
use crate::ingest::{self, LoadParams};
use crate::schema::NodeKind;
use crate::snapshot::Snapshot;
use crate::store::GraphStore;

/// Files of each kind.
const MUTANTS: usize = 200;

fn set_hash(bytes: &mut [u8]) {
    let hash = file_hash(&bytes[HEADER_START..BODY_START], &chunk_hashes(&bytes[BODY_START..]));
    bytes[MAGIC.len()..HEADER_START].copy_from_slice(hash.as_bytes());
}

/// Reads all there is in a snapshot.
fn read(snapshot: &Snapshot) -> f64 {
    let mut sum = 0.0;
    for edge in snapshot.graph().edge_references() {
        let ends = snapshot.graph().base().edge_endpoints(edge.id());
        assert_eq!(ends, Some((edge.source(), edge.target())));
        sum += snapshot.weigh(edge.id(), edge.data()) + snapshot.norm(edge.target());
        sum += snapshot.names().label(edge.source()).len() as f64;
        sum += snapshot.entities(edge.source()).len() as f64;
    }
    for node in snapshot.names().of_kind(NodeKind::Entity) {
        sum += snapshot.background().share(node, snapshot.names().entity_type(node));
    }
    let slot = snapshot.nearest("near", NodeIndex::new(0), || Ok::<_, ()>(Box::default()));
    sum + slot.unwrap().len() as f64
}

#[test]
fn contents_that_do_not_fit_together_end_in_an_error_and_never_in_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("graph-data/tiny");
    let store = GraphStore::open(&folder.path().join("store"), true, None).unwrap();
    let params = LoadParams {
        items: vec![data.join("items.jsonl")],
        events: vec![data.join("events.csv")],
        rejects: folder.path().join("rejects"),
        ..LoadParams::default()
    };
    ingest::load(&store, None, &params, &mut |_| {}).unwrap();
    let view = store.view();
    let path = store.graph_file().unwrap();
    let built = Snapshot::build(&view, None, &["near"]).unwrap();
    built.save(path).unwrap();
    let whole = fs::read(path).unwrap();
    let expected = read(&built);
    assert_eq!(read(&Snapshot::load(path, &view, &["near"]).unwrap()), expected);

    let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
    let n_header = whole[HEADER_START..BODY_START].iter().rposition(|byte| *byte > 0).unwrap();
    let mut n_refused = 0;
    for mutant in 0..3 * MUTANTS {
        let mut bytes = whole.clone();
        match mutant / MUTANTS {
            0 => bytes[HEADER_START + random.random_range(0..=n_header)] = random.random(),
            1 => {
                let at = random.random_range(BODY_START..bytes.len());
                bytes[at] = random.random();
            }
            _ => bytes.truncate(random.random_range(BODY_START..bytes.len())),
        }
        set_hash(&mut bytes);
        fs::write(path, &bytes).unwrap();
        match Snapshot::load(path, &view, &["near"]) {
            Ok(found) => {
                read(&found);
            }
            Err(_) => n_refused += 1,
        }
    }
    assert!(n_refused > MUTANTS, "{n_refused}");
}
