//! Mappings of files as they are handed about, guessed and read back.

use std::path::PathBuf;

use super::*;
use crate::ingest::{LoadParams, load};
use crate::schema;
use crate::store::{GraphStore, Memory};

fn guessed(name: &str, text: &str) -> (tempfile::TempDir, PathBuf, Inferred) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let schema = Schema::parse(schema::DEFAULT).unwrap();
    let inferred = infer(&path, &schema).unwrap();
    (folder, path, inferred)
}

/// The mapping guessed for the file has these lines, and loads all rows of it.
fn check(name: &str, text: &str, lines: &[&str]) {
    let (folder, path, inferred) = guessed(name, text);
    assert_eq!(inferred.missing, Vec::<&str>::new(), "{}", inferred.text);
    let found: Vec<&str> =
        inferred.text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let found: Vec<&str> =
        found.iter().map(|line| line.split("  #").next().unwrap_or(line)).collect();
    assert_eq!(found, lines, "{}", inferred.text);
    let mapping = folder.path().join("mapping.toml");
    std::fs::write(&mapping, &inferred.text).unwrap();
    let params = LoadParams {
        events: vec![path],
        mapping: Mapping::read(&mapping).unwrap(),
        max_errors: 0,
        rejects: folder.path().join("rejects"),
        ..LoadParams::default()
    };
    let store = GraphStore::new(Box::new(Memory::default()), None).unwrap();
    let report = load(&store, None, &params, &mut |_| {}).unwrap();
    assert_eq!((report.events.applied, report.events.rejected), (2, 0));
}

#[test]
fn files_as_they_are_handed_about_are_read() {
    check(
        "ratings.csv",
        "userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n1,1029,3.0,1260759179\n",
        &[
            "[columns]",
            "user = \"userId\"",
            "target = \"movieId\"",
            "at = \"timestamp\"",
            "value = \"rating\"",
            "[constants]",
            "action = \"rated\"",
            "[times]",
            "at = \"s\"",
        ],
    );
    check(
        "events.csv",
        "timestamp,visitorid,event,itemid,transactionid\n\
         1433221332117,257597,view,355908,\n1433224214164,992329,transaction,248676,4000\n",
        &[
            "[columns]",
            "user = \"visitorid\"",
            "target = \"itemid\"",
            "at = \"timestamp\"",
            "action = \"event\"",
        ],
    );
    check(
        "reviews.jsonl",
        "{\"reviewerID\":\"A1\",\"asin\":\"B0\",\"overall\":5.0,\"unixReviewTime\":1252800000,\
         \"reviewText\":\"good\",\"helpful\":[0,0]}\n\
         {\"reviewerID\":\"A2\",\"asin\":\"B0\",\"overall\":4.0,\"unixReviewTime\":1252800001}\n",
        &[
            "[columns]",
            "user = \"reviewerID\"",
            "target = \"asin\"",
            "at = \"unixReviewTime\"",
            "value = \"overall\"",
            "text = \"reviewText\"",
            "[constants]",
            "action = \"rated\"",
            "[times]",
            "at = \"s\"",
        ],
    );
    check(
        "log.tsv",
        "id\tshop_user_id\tproduct_id\twhen\n7\t1\t9\t2025-01-01T00:00:00Z\n\
         8\t2\t9\t2025-01-01T00:00:00Z\n",
        &[
            "[columns]",
            "user = \"shop_user_id\"",
            "target = \"product_id\"",
            "at = \"when\"",
            "event_id = \"id\"",
            "[constants]",
            "action = \"viewed\"",
        ],
    );
    check(
        "numbers.jsonl",
        "{\"user_id\":1,\"item_id\":2,\"ts\":1735689600000}\n\
         {\"user_id\":1,\"item_id\":3,\"ts\":1735689600000}\n",
        &[
            "[columns]",
            "user = \"user_id\"",
            "target = \"item_id\"",
            "at = \"ts\"",
            "[constants]",
            "action = \"viewed\"",
        ],
    );
}

#[test]
fn what_is_not_found_is_said() {
    for (text, missing, says) in [
        ("a,b\n1,2\n", vec!["user", "target", "at"], "# user = \"\"  # not found: name the column"),
        (
            "user,item,date\nu,i,01/02/2025\n",
            vec!["at"],
            "# at = \"date\"  # holds \"01/02/2025\", which is neither RFC 3339",
        ),
        (
            "user,item,ts,event\nu,i,1735689600,view\nu,i,1735689601,teleport\n",
            vec![],
            "action = \"event\"  # \"view\"; rows with \"teleport\" will be refused",
        ),
        (
            "user,item,ts,rating\nu,i,1735689600,80\n",
            vec![],
            "values off the schema's scale of 0 to 10 are refused",
        ),
        ("\"o\"\"dd\",item,user,ts\na,i,u,1735689600\n", vec![], "# passed over: \"o\\\"dd\""),
    ] {
        let (_folder, _, inferred) = guessed("e.csv", text);
        assert_eq!(inferred.missing, missing, "{}", inferred.text);
        assert!(inferred.text.contains(says), "{}", inferred.text);
        assert!(toml::from_str::<Mapping>(&inferred.text).is_ok(), "{}", inferred.text);
    }
}

#[test]
fn a_file_without_rows_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let schema = Schema::parse(schema::DEFAULT).unwrap();
    for (name, text, says) in [
        ("e.csv", "user,item\n", "has no row"),
        ("e.jsonl", "", "has no row"),
        ("e.parquet", "PAR1", "not a whole Parquet file"),
        ("e.txt", "x", "the name tells no format"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let error = infer(&path, &schema).err().unwrap().to_string();
        assert!(error.contains(says), "{error}");
    }
}
