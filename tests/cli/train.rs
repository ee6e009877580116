//! Training, measuring and using a model.

use crate::program::Folder;

/// Sentences that name a maker and a thing.
fn labels(folder: &Folder) {
    let mut marked = String::new();
    for maker in ["Sony", "Nikon", "Bosch", "Lego"] {
        for thing in ["camera", "drill", "toy train"] {
            marked.push_str(&format!(
                "{{{maker}|brand:b}} sells a {{{thing}|thing:t}}. ## t>b has brand\n"
            ));
        }
    }
    folder.put("m.txt", marked);
    folder.check("convert --from marked --input m.txt --dest labels.jsonl", 0);
}

#[test]
fn a_model_is_trained_measured_and_used() {
    let folder = Folder::new();
    labels(&folder);
    let train =
        "train extractor --train labels.jsonl --dev labels.jsonl --dest model --seed 3 --epochs 2";
    let trained = folder.json(&format!("{train} --output json"));
    assert_eq!(trained["model"], "model");
    assert!(trained["best"]["entities_f1"].as_f64() > Some(0.5), "{trained}");
    let evaluate = "evaluate extract --model model --input labels.jsonl --output json";
    let scores = folder.json(evaluate);
    for name in ["precision", "recall", "f1", "by_type"] {
        assert!(!scores["entities"][name].is_null() && !scores["relations"][name].is_null());
    }
    assert!(scores["calibration_error"].is_number() && scores["sentences_per_s"].is_number());
    assert!(scores["entities"]["f1"].as_f64() > Some(0.5), "{scores}");
    let brands = folder.json(&format!("{evaluate} --types brand"));
    assert_eq!(brands["entities"]["by_type"].as_object().map(serde_json::Map::len), Some(1));
    folder.put(
        "texts.jsonl",
        "{\"id\": 7, \"text\": \"Canon sells a drill.\"}\n\n{\"text\": \"\"}\n",
    );
    let line = "extract --model model --input texts.jsonl --types brand,thing --output jsonl";
    let lines: Vec<serde_json::Value> = (folder.check(line, 0).out.lines())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["id"], &lines[1]["entities"]), (&7.into(), &serde_json::json!([])));
    for entity in lines[0]["entities"].as_array().unwrap() {
        let range =
            entity["start"].as_u64().unwrap() as usize..entity["end"].as_u64().unwrap() as usize;
        assert_eq!("Canon sells a drill."[range], *entity["surface"].as_str().unwrap());
    }
}

#[test]
fn what_cannot_be_trained_on_is_refused() {
    let folder = Folder::new();
    labels(&folder);
    folder.put("bare.jsonl", "{\"text\": \"nothing\"}\n");
    let dest = "--dest model --epochs 1";
    folder.refuses(
        &format!("train extractor --train bare.jsonl {dest}"),
        1,
        "no entity is labelled",
    );
    folder.refuses(&format!("train extractor --train no.jsonl {dest}"), 1, "no.jsonl");
    folder.refuses(
        &format!("train extractor --train labels.jsonl --base nowhere {dest}"),
        1,
        "a model folder holds config.json",
    );
    folder.refuses(
        &format!("train extractor --train labels.jsonl --rate 0 {dest}"),
        1,
        "rates must be above 0",
    );
    folder.refuses("evaluate extract --input bare.jsonl", 1, "labels nothing; give --types");
    folder.refuses("extract --text x --types ,", 1, "--types names no type");
    assert!(!folder.path("model").exists());
}
