//! The edges that a load folds its events into are those that SQL groups the same file into.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::prelude::{CsvReadOptions, SessionConfig, SessionContext};
use predilect::ingest::{BulkWhen, LoadParams, load};
use predilect::schema::{NodeKind, Relation, Schema};
use predilect::store::{Backend, GraphStore, Memory, Rocks};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// User, item and action.
type Key = (String, String, String);

/// What is known of an edge: events, the first and the last one's time in milliseconds, decayed sum.
#[derive(Debug, PartialEq)]
struct Folded {
    count: i64,
    first: i64,
    last: i64,
    sum: f64,
}

/// Events of few users and items, so that edges have many; some at the same time, some twice.
fn events(schema: &Schema, seed: u64, n: usize) -> String {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let of_items = |one: &&Relation| one.action.is_some() && one.targets.contains(&NodeKind::Item);
    let actions: Vec<_> = schema.relations().iter().filter(of_items).collect();
    let mut rows: Vec<String> = Vec::new();
    let mut file = String::from("event_id,user,target,action,at,value\n");
    for id in 0..n {
        let action = actions[random.random_range(0..actions.len())];
        let scale = action.action.as_ref().and_then(|action| action.value);
        let value = match scale {
            Some(scale) if random.random_bool(0.8) => {
                let tenths = random.random_range(0..=10);
                (scale.min + (scale.max - scale.min) * f64::from(tenths) / 10.0).to_string()
            }
            _ => String::new(),
        };
        let (user, item) = (random.random_range(0..30), random.random_range(0..12_u32).pow(2));
        let day = random.random_range(0..200_i64);
        let at = 1_735_689_600_000 + day * 86_400_000 + random.random_range(0..3) * 1_234_567;
        rows.push(format!("e{id},u{user},i{item},{},{at},{value}", action.name));
        let again = random.random_range(0..rows.len());
        for row in rows.last().into_iter().chain(rows.get(again).filter(|_| id % 9 == 0)) {
            writeln!(file, "{row}").unwrap();
        }
    }
    file
}

/// What each action weighs, as rows of SQL.
fn actions(schema: &Schema) -> String {
    let row = |relation: &Relation| {
        let action = relation.action.as_ref()?;
        let weight = relation.weight * f64::from(action.sign);
        let half_life = relation.half_life_days.expect("every action of the schema fades");
        let (neutral, most) = match action.value {
            Some(scale) => (scale.neutral.to_string(), scale.max.to_string()),
            None => ("NULL".to_owned(), "NULL".to_owned()),
        };
        Some(format!("('{}', {weight:?}, {neutral}, {most}, {half_life:?})", relation.name))
    };
    schema.relations().iter().filter_map(row).collect::<Vec<_>>().join(", ")
}

/// What SQL makes of the file.
fn grouped(schema: &Schema, file: &Path) -> BTreeMap<Key, Folded> {
    let sql = format!(
        "WITH actions (action, weight, neutral, most, half_life) AS (VALUES {}),
         events AS (SELECT DISTINCT * FROM input),
         strengths AS (
             SELECT user, target, events.action, at, half_life, weight * CASE
                 WHEN neutral IS NULL OR value IS NULL THEN 1.0
                 ELSE (CAST(value AS DOUBLE) - neutral) / (most - neutral)
             END AS strength
             FROM events JOIN actions ON events.action = actions.action),
         ends AS (
             SELECT *, max(at) OVER (PARTITION BY user, target, action) AS last FROM strengths)
         SELECT user, target, action, count(*), min(at), max(at),
             sum(strength * power(2.0, -CAST(last - at AS DOUBLE) / 86400000.0 / half_life))
         FROM ends GROUP BY user, target, action",
        actions(schema)
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let batches: Vec<RecordBatch> = runtime.block_on(async {
        let context = SessionContext::new_with_config(SessionConfig::new());
        let path = file.to_str().unwrap();
        context.register_csv("input", path, CsvReadOptions::new()).await.unwrap();
        context.sql(&sql).await.unwrap().collect().await.unwrap()
    });
    let mut edges = BTreeMap::new();
    for batch in &batches {
        let texts = [0, 1, 2].map(|column| cast(batch.column(column), &DataType::Utf8).unwrap());
        let number =
            |column: usize, row| batch.column(column).as_primitive::<Int64Type>().value(row);
        for row in 0..batch.num_rows() {
            let [user, item, action] =
                [0, 1, 2].map(|at| texts[at].as_string::<i32>().value(row).to_owned());
            let folded = Folded {
                count: number(3, row),
                first: number(4, row),
                last: number(5, row),
                sum: batch.column(6).as_primitive::<Float64Type>().value(row),
            };
            assert!(edges.insert((user, item, action), folded).is_none());
        }
    }
    edges
}

/// What the store made of the file.
fn loaded(store: &GraphStore, file: &Path, bulk: BulkWhen) -> BTreeMap<Key, Folded> {
    let folder = tempfile::tempdir().unwrap();
    let params = LoadParams {
        events: vec![file.to_owned()],
        bulk,
        rejects: folder.path().join("rejects"),
        max_memory: 1 << 20,
        max_errors: 0,
        ..LoadParams::default()
    };
    let report = load(store, None, &params, &mut |_| {}).unwrap();
    assert!(report.events.unchanged > 0, "some rows come twice: {report:?}");
    let view = store.view();
    let name = |id| view.node(id).unwrap().unwrap().key.name;
    let edges = view.edges().unwrap().map(|edge| {
        let (key, edge) = edge.unwrap();
        let action = store.schema().relation_name(key.relation).to_owned();
        let folded = Folded {
            count: i64::from(edge.count),
            first: edge.first.millis(),
            last: edge.last.millis(),
            sum: edge.sum,
        };
        ((name(key.source), name(key.target), action), folded)
    });
    edges.collect()
}

#[test]
fn a_load_folds_events_into_the_edges_that_sql_groups_them_into() {
    for seed in [1, 2] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("events.csv");
        let schema = Schema::parse(predilect::schema::DEFAULT).unwrap();
        std::fs::write(&file, events(&schema, seed, 25_000)).unwrap();
        let expected = grouped(&schema, &file);
        assert!(expected.len() > 1000, "{} edges", expected.len());
        assert!(expected.values().any(|edge| edge.count > 10 && edge.sum < 0.0));
        let rocks = Rocks::open(&folder.path().join("store"), true).unwrap();
        let ways: [(Box<dyn Backend>, BulkWhen); 3] = [
            (Box::new(Memory::default()), BulkWhen::Always),
            (Box::new(Memory::default()), BulkWhen::Never),
            (Box::new(rocks), BulkWhen::Always),
        ];
        for (backend, bulk) in ways {
            let store = GraphStore::new(backend, None).unwrap();
            let found = loaded(&store, &file, bulk);
            assert!(found.keys().eq(expected.keys()), "{bulk:?}: other edges");
            for (key, edge) in found {
                let other = &expected[&key];
                let near = (edge.sum - other.sum).abs() <= 1e-9 * other.sum.abs().max(1.0);
                let same = Folded { sum: other.sum, ..edge } == *other;
                assert!(near && same, "{bulk:?} {key:?}: {}, SQL says {other:?}", edge.sum);
            }
        }
    }
}
