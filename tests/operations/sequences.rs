//! RocksDB, the engine in memory and a plain model do the same over random operations, with RocksDB
//! closed and opened again in between.

use std::sync::atomic::{AtomicU64, Ordering};

use predilect::event::{Document, NodeKey};
use predilect::ingest::{self, mutations};
use predilect::link;
use predilect::schema::Timestamp;
use predilect::store::{
    Arrival, BulkEvents, Edge, EdgeKey, Fact, GraphStore, Mutation, NodeId, Outcome, Place,
};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::model::{Model, same_edges};
use super::random::{Names, fact_of};
use super::{assert_whole, hash, in_memory, schema};

const SEEDS: u64 = 20;
const OPERATIONS: u64 = 20_000;
/// Operations between two openings of the store on disk, more or less.
const REOPEN: u64 = 1_000;

/// Names the seed and the operation when a test fails.
struct Told {
    seed: u64,
    operation: u64,
}

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with seed {} at operation {}", self.seed, self.operation);
        }
    }
}

#[test]
fn stores_do_what_the_model_does() {
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= SEEDS {
                        break;
                    }
                    run(seed);
                }
            });
        }
    });
}

fn run(seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut told = Told { seed, operation: 0 };
    let mut three = Three {
        random: ChaCha8Rng::seed_from_u64(seed),
        names: Names::default(),
        model: Model::new(schema()),
        memory: in_memory(),
        rocks: GraphStore::open(folder.path(), true, None).unwrap(),
    };
    if seed.is_multiple_of(4) {
        told.operation += three.load_in_bulk(2_000);
    }
    let mut until_reopen = REOPEN;
    while told.operation < OPERATIONS {
        let done = three.step();
        told.operation += done;
        until_reopen = until_reopen.saturating_sub(done);
        if until_reopen == 0 {
            until_reopen = three.random.random_range(1..2 * REOPEN);
            drop(three.rocks);
            three.rocks = GraphStore::open(folder.path(), false, None).unwrap();
            three.compare_all();
        }
    }
    three.compare_all();
    for store in [&three.memory, &three.rocks] {
        assert_whole(store);
    }
}

struct Three {
    random: ChaCha8Rng,
    names: Names,
    model: Model,
    memory: GraphStore,
    rocks: GraphStore,
}

impl Three {
    /// Does something at random to all three; returns how many operations it was.
    fn step(&mut self) -> u64 {
        match self.random.random_range(0..100) {
            0..40 => self.events(),
            40..48 => self.upsert(),
            48..52 => self.take_documents(),
            52..58 => self.extract(),
            58..64 => self.read_reviews(),
            64..69 => self.merge(),
            69..73 => self.unmerge(),
            73..78 => self.take_events(),
            _ => self.ask(),
        }
    }

    fn stores(&self) -> [&GraphStore; 2] {
        [&self.memory, &self.rocks]
    }

    fn apply(&self, mutations: &[Mutation], outcomes: &[Outcome]) {
        for store in self.stores() {
            assert_eq!(store.apply(mutations).unwrap().outcomes, outcomes, "{mutations:#?}");
        }
    }

    /// New events, events that came before, others under their ids, and events that are taken back.
    fn events(&mut self) -> u64 {
        let n = self.random.random_range(1..=200);
        let (mut mutations, mut outcomes) = (Vec::new(), Vec::new());
        for _ in 0..n {
            let known = self.names.event(&mut self.random, &self.model);
            match (self.random.random_range(0..10), known) {
                (0, Some((_, fact))) => {
                    mutations.push(Mutation::Add(fact));
                    outcomes.push(Outcome::Unchanged);
                }
                (1, Some((event_id, _))) => {
                    let (_, other) = self.names.new_event(&mut self.random, Some(&event_id));
                    let other = fact_of(&self.model.schema, other);
                    outcomes.push(self.model.add_event(&event_id, &other));
                    mutations.push(Mutation::Add(other));
                }
                (2..4, Some((event_id, fact))) => {
                    for fact in self.model.take_event(&event_id) {
                        mutations.push(Mutation::Remove(fact));
                        outcomes.push(Outcome::Applied);
                    }
                    mutations.push(Mutation::Remove(fact));
                    outcomes.push(Outcome::Unchanged);
                }
                _ => {
                    let (event_id, event) = self.names.new_event(&mut self.random, None);
                    let fact = fact_of(&self.model.schema, event);
                    outcomes.push(self.model.add_event(&event_id, &fact));
                    mutations.push(Mutation::Add(fact));
                }
            }
        }
        self.apply(&mutations, &outcomes);
        n
    }

    /// Takes events back as a caller does, who knows nothing but their ids.
    fn take_events(&mut self) -> u64 {
        let n = self.random.random_range(1..=40);
        for _ in 0..n {
            let Some((event_id, fact)) = self.names.event(&mut self.random, &self.model) else {
                return n;
            };
            let mut gone = self.model.take_event(&event_id);
            gone.sort_by_key(|fact| (fact.edge(), fact.stamp()));
            for store in self.stores() {
                let mut facts = store.facts_of_event(fact.evidence.id()).unwrap();
                let changes: Vec<_> = facts.iter().cloned().map(Mutation::Remove).collect();
                facts.sort_by_key(|fact| (fact.edge(), fact.stamp()));
                assert_eq!(facts, gone);
                store.apply(&changes).unwrap();
            }
        }
        n
    }

    fn upsert(&mut self) -> u64 {
        let n = self.random.random_range(1..=20);
        let documents: Vec<(NodeKey, Document)> =
            (0..n).map(|_| Names::document(&mut self.random)).collect();
        for store in self.stores() {
            ingest::write_documents(store, documents.clone()).unwrap();
        }
        // Of a document that is there twice the last stays.
        let last: std::collections::BTreeMap<_, _> = documents.into_iter().collect();
        for (key, document) in last {
            self.model.upsert(&key, document);
        }
        n
    }

    fn take_documents(&mut self) -> u64 {
        let mut keys: Vec<_> = self.model.documents.keys().cloned().collect();
        keys.shuffle(&mut self.random);
        keys.truncate(self.random.random_range(1..=6));
        for store in self.stores() {
            let mut changes = Vec::new();
            for key in &keys {
                let known = store.facts_of_document(NodeId::of(key)).unwrap();
                changes.extend(mutations::of_retraction(key, known));
            }
            store.apply(&changes).unwrap();
        }
        for key in &keys {
            self.model.take_document(key);
        }
        keys.len() as u64
    }

    fn extract(&mut self) -> u64 {
        let with_text = |(key, document): (&NodeKey, &Document)| {
            (!document.text.is_empty()).then(|| key.clone())
        };
        let keys: Vec<_> = self.model.documents.iter().filter_map(with_text).collect();
        let Some(key) = keys.choose(&mut self.random) else { return 0 };
        let (said, state) = Names::mentions(&mut self.random, &self.model.schema, key);
        let changes = self.model.extract(key, said, state);
        for store in self.stores() {
            store.apply(&changes).unwrap();
        }
        changes.len() as u64
    }

    fn read_reviews(&mut self) -> u64 {
        let ids: Vec<_> = self.model.reviews.keys().cloned().collect();
        let (mut mutations, mut outcomes) = (Vec::new(), Vec::new());
        let n = self.random.random_range(1..=8);
        for event_id in ids.choose_multiple(&mut self.random, n) {
            let review = self.model.events[event_id].clone();
            let (said, state) =
                Names::opinions(&mut self.random, &self.model.schema, event_id, &review);
            for (mutation, outcome) in self.model.read(event_id, said, state) {
                mutations.push(mutation);
                outcomes.push(outcome);
            }
        }
        self.apply(&mutations, &outcomes);
        mutations.len() as u64
    }

    fn merge(&mut self) -> u64 {
        let merge = Names::merge(&mut self.random);
        let may = self.model.can_merge(&merge.entity, &merge.into);
        for store in self.stores() {
            let done = link::merge(store, merge.clone());
            assert_eq!(done.is_ok(), may, "{merge:?}: {done:?}");
        }
        if may {
            self.model.merges.insert(merge.entity.clone(), merge);
        }
        1
    }

    fn unmerge(&mut self) -> u64 {
        let known: Vec<_> = self.model.merges.keys().cloned().collect();
        let Some(entity) = known.choose(&mut self.random) else { return 0 };
        let expected = self.model.merges.remove(entity).unwrap();
        for store in self.stores() {
            assert_eq!(link::unmerge(store, entity).unwrap().0, expected);
        }
        1
    }

    /// What is told of a node and of an event is the same.
    fn ask(&mut self) -> u64 {
        let key = Names::node(&mut self.random);
        let id = NodeId::of(&key);
        let touching = |side: fn(&EdgeKey) -> NodeId| {
            let mut edges = self.model.facts.keys().filter(|edge| side(edge) == id);
            let edges = edges.by_ref().map(|edge| (*edge, self.model.edge(edge).unwrap()));
            edges.collect::<Vec<(EdgeKey, Edge)>>()
        };
        let (out, mut inward) = (touching(|edge| edge.source), touching(|edge| edge.target));
        inward.sort_by_key(|(edge, _)| (edge.relation, edge.source));
        let event = self.names.any_event_id(&mut self.random);
        let mut told = Vec::new();
        for store in self.stores() {
            let view = store.view();
            let all = |edges: predilect::store::Items<'_, (EdgeKey, Edge)>| {
                edges.collect::<Result<Vec<_>, _>>().unwrap()
            };
            let found = [all(view.edges_out(id).unwrap()), all(view.edges_in(id).unwrap())];
            same_edges(&found[0], &out).unwrap();
            same_edges(&found[1], &inward).unwrap();
            let node = view.node(id).unwrap();
            let document = node.as_ref().and_then(|node| node.document.as_ref());
            assert_eq!(document, self.model.documents.get(&key));
            let state = view.extraction(id).unwrap();
            assert_eq!(state.as_ref(), self.model.extracted.get(&key));
            let fact = store.fact_of_event(&event).unwrap();
            assert_eq!(fact.as_ref(), self.model.events.get(&event));
            let review = view.review(predilect::store::EvidenceId::of_event(&event)).unwrap();
            assert_eq!(review.as_ref(), self.model.reviews.get(&event));
            told.push((found, node));
        }
        // The two engines agree to the bit.
        assert_eq!(told[0], told[1]);
        1
    }

    /// All three hold the same, and a store that gets what the model holds in one go holds it too.
    fn compare_all(&mut self) {
        let fresh = in_memory();
        fresh.apply(&self.model.mutations()).unwrap();
        let expected = hash(&fresh);
        let until = Timestamp::from_millis(Names::millis(&mut self.random)).unwrap();
        for store in self.stores() {
            let view = store.view();
            let edges: Vec<_> = view.edges().unwrap().map(Result::unwrap).collect();
            same_edges(&edges, &self.model.edges()).unwrap();
            let nodes: Vec<_> = view.nodes().unwrap().map(|item| item.unwrap().1.key).collect();
            assert_eq!(
                nodes.into_iter().collect::<std::collections::BTreeSet<_>>(),
                self.model.nodes()
            );
            let evidence = view.evidence().unwrap().map(|item| {
                let (edge, stamp, evidence) = item.unwrap();
                view.fact(edge, stamp, evidence).unwrap()
            });
            let facts = self.model.facts.values().flat_map(|facts| facts.values().cloned());
            assert!(evidence.eq(facts));
            let merges = view.merges().unwrap();
            assert_eq!(merges.records().len(), self.model.merges.len());
            for until in [None, Some(until)] {
                let read = view.edges_as_read(&merges, until).unwrap();
                let read: Vec<_> = read.map(Result::unwrap).collect();
                let expected = self.model.edges_as_read(until.unwrap_or(Timestamp::MAX));
                same_edges(&read, &expected).unwrap();
            }
            drop(view);
            assert_eq!(hash(store), expected);
        }
    }

    /// The first events, taken in at once.
    fn load_in_bulk(&mut self, n: u64) -> u64 {
        let mut facts = Vec::new();
        for _ in 0..n {
            let (event_id, event) = self.names.new_event(&mut self.random, None);
            let fact = fact_of(&self.model.schema, event);
            self.model.add_event(&event_id, &fact);
            facts.push(fact);
        }
        for store in self.stores() {
            in_bulk(store, &facts);
        }
        n
    }
}

fn in_bulk(store: &GraphStore, facts: &[Fact]) {
    let mut bulk: BulkEvents<'_> = store.bulk_events(0, 1 << 20, None).unwrap().unwrap();
    for (fact, line) in facts.iter().zip(1..) {
        bulk.add(&Arrival::new(fact, Place { file: 0, line, byte: None })).unwrap();
    }
    let again = &mut |place, _, _| panic!("{place:?} came before");
    bulk.fold(&|| true, again).unwrap().commit(None).unwrap();
}

#[test]
fn retracting_a_thousand_events_leaves_the_hash_of_never_having_had_them() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut names = Names::default();
    let schema = schema();
    let facts: Vec<Fact> =
        (0..4_000).map(|_| fact_of(&schema, names.new_event(&mut random, None).1)).collect();
    let mut order: Vec<usize> = (0..facts.len()).collect();
    order.shuffle(&mut random);
    let (gone, stay) = order.split_at(1_000);
    let never = in_memory();
    let adds = |facts: &mut dyn Iterator<Item = &Fact>| {
        facts.cloned().map(Mutation::Add).collect::<Vec<_>>()
    };
    never.apply(&adds(&mut stay.iter().map(|&n| &facts[n]))).unwrap();
    let expected = hash(&never);
    for bulk in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        for store in [in_memory(), GraphStore::open(folder.path(), true, None).unwrap()] {
            if bulk {
                in_bulk(&store, &facts);
            } else {
                store.apply(&adds(&mut facts.iter())).unwrap();
            }
            assert_ne!(hash(&store), expected);
            for &n in gone {
                let known = store.facts_of_event(facts[n].evidence.id()).unwrap();
                assert_eq!(known, [facts[n].clone()]);
                store.apply(&known.into_iter().map(Mutation::Remove).collect::<Vec<_>>()).unwrap();
            }
            assert_eq!(hash(&store), expected, "in bulk: {bulk}");
        }
    }
}
