//! `alias`, `duplicates`, `merge` and `unmerge`, as they should be used.

use crate::program::Folder;

#[test]
fn entities_are_merged_listed_and_unmerged() {
    let folder = Folder::with_store();
    let hash = || folder.json("stats --store store --output json")["content_hash"].clone();
    let before = hash();
    folder.prints(
        "merge --store store --entity brand:Bose --into brand:sony --reason test",
        "entity `brand:bose` is read as entity `brand:sony`",
    );
    assert_ne!(hash(), before);
    folder.check("verify --store store", 0);
    folder.refuses(
        "merge --store store --entity brand:bose --into brand:sony",
        1,
        "is merged into entity `brand:sony` already",
    );
    folder.refuses("merge --store store --entity brand:x --into brand:sony", 1, "unknown entity");
    let found = folder.json("duplicates --store store --extractor off --output json");
    assert_eq!(found["merged"][0]["entity"], "brand:bose");
    assert_eq!(found["merged"][0]["reason"], "test");
    let told = folder.check("duplicates --store store --extractor off", 0).out;
    assert!(told.contains("merged  brand:bose into brand:sony by command line"), "{told}");
    folder.prints(
        "unmerge --store store --entity brand:bose",
        "entity `brand:bose` is read as entity `brand:sony` no more",
    );
    assert_eq!(hash(), before);
    folder.refuses("unmerge --store store --entity brand:bose", 1, "is not merged");
}

#[test]
fn aliases_are_found_in_texts_and_can_be_taken_back() {
    let folder = Folder::new();
    folder.put(
        "items.jsonl",
        "{\"id\":\"a\",\"text\":{\"title\":\"索尼 耳机\"}}\n{\"id\":\"b\",\"attributes\":{\"brand\":\"Sony\"}}\n",
    );
    folder.check("load --store store --items items.jsonl --extractor lexicon", 0);
    let mentions = || folder.json("stats --store store --output json")["mentions"].clone();
    assert_eq!(mentions(), 0);
    let alias = "alias --store store --extractor lexicon --entity brand:sony";
    folder.prints(
        &format!("{alias} --alias 索尼 Sony-Corp"),
        "entity `brand:sony` has 2 aliases; 1 texts wait for extraction",
    );
    folder.check("extract --store store --extractor lexicon", 0);
    assert_eq!(mentions(), 1);
    folder.check("verify --store store", 0);
    folder.prints(
        &format!("{alias} --clear"),
        "entity `brand:sony` has 0 aliases; 1 texts wait for extraction",
    );
    folder.check("extract --store store --extractor lexicon", 0);
    assert_eq!(mentions(), 0);
    folder.refuses("alias --store store --entity sony --alias x", 1, "has no type");
}
