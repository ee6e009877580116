//! Rewriting a store's files, and taking old events away.

use predilect::store::{GraphStore, Mutation, Pruned};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use super::{assert_whole, fill, grown, hash, in_memory, moment, open};

fn bytes(store: &GraphStore) -> u64 {
    store.backend().usage().unwrap().iter().map(|space| space.bytes).sum()
}

#[test]
fn compacting_gives_back_what_was_taken_away() {
    let folder = TempDir::new().unwrap();
    let store = GraphStore::open(folder.path(), true, None).unwrap();
    let model = grown(5, 3_000);
    fill(&store, &model);
    store.backend().compact().unwrap();
    let (full, keys) = (bytes(&store), store.backend().usage().unwrap());
    for (space, usage) in predilect::store::Space::ALL.into_iter().zip(&keys) {
        let n = store.backend().reader().scan(space, &[]).unwrap().count() as u64;
        assert_eq!((usage.space, usage.keys), (space.name(), n));
    }
    let all: Vec<_> = model.events.values().take(2_500).map(|fact| fact.evidence.id()).collect();
    for id in all {
        let facts = store.facts_of_event(id).unwrap();
        store.apply(&facts.into_iter().map(Mutation::Remove).collect::<Vec<_>>()).unwrap();
    }
    let expected = hash(&store);
    store.backend().compact().unwrap();
    assert!(bytes(&store) < full / 2, "{} bytes of {full}", bytes(&store));
    assert_eq!(hash(&store), expected);
    assert_whole(&store);
    drop(store);
    assert_eq!(hash(&open(folder.path())), expected);
}

#[test]
fn pruning_is_never_having_had_what_is_old() {
    for seed in 0..10 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let before = moment(&mut random);
        let mut model = grown(seed, 600);
        let store = in_memory();
        fill(&store, &model);
        let full = hash(&store);
        let old: Vec<_> = model
            .events
            .iter()
            .filter(|(_, fact)| fact.at < before)
            .map(|(id, _)| id.clone())
            .collect();
        let opinions: usize =
            old.iter().filter_map(|id| model.opinions.get(id)).map(Vec::len).sum();
        let expected_counts =
            (old.len() as u64, opinions as u64, (model.events.len() - old.len()) as u64);
        for event_id in &old {
            model.take_event(event_id);
        }
        let never = in_memory();
        fill(&never, &model);
        let counted = store.prune(before, Pruned::Counted, &mut |_| true).unwrap();
        assert_eq!((counted.events, counted.opinions, counted.kept), expected_counts);
        assert_eq!(hash(&store), full);
        let report = store.prune(before, Pruned::Gone, &mut |_| true).unwrap();
        assert_eq!(report, counted);
        assert_eq!(hash(&store), hash(&never), "seed {seed}");
        assert_whole(&store);
        let again = store.prune(before, Pruned::Gone, &mut |_| true).unwrap();
        assert_eq!((again.events, again.kept), (0, counted.kept));
    }
}

#[test]
fn pruning_goes_on_where_it_was_ended() {
    let folder = TempDir::new().unwrap();
    let model = grown(6, 12_000);
    let store = GraphStore::open(folder.path(), true, None).unwrap();
    for batch in model.mutations().chunks(5_000) {
        store.apply(batch).unwrap();
    }
    let end = predilect::schema::Timestamp::MAX;
    let ended = store.prune(end, Pruned::Gone, &mut |_| false).unwrap();
    assert!(!ended.complete && ended.events == 5_000, "{ended:?}");
    assert_whole(&store);
    drop(store);
    let store = open(folder.path());
    let rest = store.prune(end, Pruned::Gone, &mut |_| true).unwrap();
    assert!(rest.complete && rest.events == 7_000, "{rest:?}");
    let mut model = model;
    for event_id in model.events.keys().cloned().collect::<Vec<_>>() {
        model.take_event(&event_id);
    }
    let never = in_memory();
    fill(&never, &model);
    assert_eq!(hash(&store), hash(&never));
}
