//! Every format by small samples of our own.

use std::fs;

use super::*;
use crate::schema;

/// Converts `input` as a file of the format.
fn convert(format: &str, input: &str) -> Result<Converted, LabelError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), input).unwrap();
    at(format, file.path())
}

fn at(format: &str, path: &Path) -> Result<Converted, LabelError> {
    let schema = Schema::parse(schema::DEFAULT).unwrap();
    (by_name(format).unwrap().convert)(&Source { path, schema: &schema })
}

/// A line per text: `text | surface type, … | head relation tail, …`.
fn show(converted: &Converted) -> String {
    let line = |labelled: &Labelled| {
        labelled.check().unwrap();
        let surface = |index: usize| labelled.surface(&labelled.entities[index]);
        let entities = labelled.entities.iter();
        let entities = entities.map(|e| format!("{} {}", labelled.surface(e), e.entity_type));
        let relations = labelled.relations.iter();
        let relations =
            relations.map(|r| format!("{} {} {}", surface(r.head), r.relation, surface(r.tail)));
        let (entities, relations): (Vec<_>, Vec<_>) = (entities.collect(), relations.collect());
        format!("{} | {} | {}", labelled.text, entities.join(", "), relations.join(", "))
    };
    converted.texts.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn check(format: &str, input: &str, expected: &str) {
    check_dropping(format, input, expected, &[]);
}

fn check_dropping(format: &str, input: &str, expected: &str, dropped: &[(&'static str, u64)]) {
    let converted = convert(format, input).unwrap();
    assert_eq!(show(&converted), expected, "{format}: {input}");
    let dropped = Dropped(dropped.iter().copied().collect());
    assert_eq!(converted.dropped, dropped, "{format}: {input}");
}

fn check_refused(format: &str, input: &str, expected: &str) {
    let message = convert(format, input).unwrap_err().to_string();
    assert!(message.contains(expected), "{format}: {input}\n{message}");
}

#[test]
fn conll_joins_by_spaces() {
    check(
        "conll",
        "-DOCSTART- O\n\nold\tO\nNew York\tB-city\nflat\tO\n\t\nla B-song\nla I-song\r\n\r\n\n! O\n",
        "old New York flat | New York city | \nla la | la la song | \n! |  | ",
    );
    check("conll", "the DT B-NP O\ncat NN I-NP B-pet\n", "the cat | cat pet | ");
    check("conll", "猫\tB-pet\nis\tO\nhere\tO\n", "猫 is here | 猫 pet | ");
    check("conll", "", "");
}

#[test]
fn conll_joins_han_characters() {
    check(
        "conll",
        "小 B-pet\n猫 I-pet\n O\nA B-name\n3 I-name\n\u{3000} O\n好 O\n大 O\n了 O\n",
        "小猫 A3\u{3000}好大了 | 小猫 pet, A3 name | ",
    );
    check("conll", "小 B-pet\n猫 I-pet\nO\n大 O\n", "小猫 大 | 小猫 pet | ");
}

#[test]
fn conll_refuses_other_tags() {
    check_refused("conll", "\na O\nb X-y\n", "line 3: `X-y` is no tag");
    check_refused("conll", "a S-y\n", "take the format `bieos`");
    check_refused("conll", "word\n", "line 1: `word` is no tag");
    check("bieos", "a S-x\nb B-y\nc M-y\nd E-y\n", "a b c d | a x, b c d y | ");
    check_refused("bieos", "a Q-y\n", "known: O, B-TYPE");
}

#[test]
fn conll04_numbers_entities() {
    let sentence = r#"{"tokens":["Ann","B.","runs","Foo"],"tags":["B-Peop","L-Peop","O","U-Org"],"relations":[{"head":0,"tail":1,"type":"Work_For"}]}"#;
    let expected = "Ann B. runs Foo | Ann B. Peop, Foo Org | Ann B. Work_For Foo";
    check("conll04", &format!("[{sentence}]"), expected);
    check_refused("conll04", &format!("[{}]", sentence.replace(":1", ":2")), "names entity 2 of 2");
    check_refused("conll04", &sentence.replace("\"O\",", ""), "line 1: not the JSON");
    check_refused("conll04", &format!("[{}]", sentence.replace("\"O\",", "")), "4 tokens but 3");
}

#[test]
fn crossre_includes_ends() {
    let row = r#"{"sentence":["Ann","B.","leads","Foo"],"ner":[[0,1,"person"],[3,3,"band"]],"relations":[[0,1,3,3,"role","",false,false],[0,1,3,3,"role","twice",true,false],[0,1,2,2,"role","",false,false]]}"#;
    let dropped = [("relation given twice", 1), ("relation between spans that are no entities", 1)];
    let expected = "Ann B. leads Foo | Ann B. person, Foo band | Ann B. role Foo";
    check_dropping("crossre", row, expected, &dropped);
    check_refused("crossre", &row.replace("[3,3,\"band", "[3,4,\"band"), "tokens 3..5 do not lie");
}

#[test]
fn aste_names_polarities() {
    check_dropping(
        "aste",
        "big bright screen , bad fan .####[([2], [0, 1], 'POS'), ([5], [4], 'NEG'), ([5], [0, 4], 'NEU')]\nmeh####[]\n",
        "big bright screen , bad fan . | screen aspect, big bright opinion, fan aspect, bad opinion \
         | screen positive big bright, fan negative bad\nmeh |  | ",
        &[("triplet of tokens that do not stand side by side", 1)],
    );
    check_refused("aste", "a b####[([0], [1], 'GOOD')]", "line 1: expected TOKENS####");
    check_refused("aste", "a b", "expected TOKENS####");
    check_refused("aste", "a b####[([0], [2], 'POS')]", "tokens 2..3 do not lie");
}

#[test]
fn acos_leaves_out_what_is_implicit() {
    check_dropping(
        "acos",
        "tea was hot and it was cheap\t0,1 DRINKS#QUALITY 2 2,3\t-1,-1 FOOD#PRICES 1 6,7\t0,1 A#B 0 -1,-1\n",
        "tea was hot and it was cheap | tea aspect, hot opinion, cheap opinion | tea positive hot",
        &[
            ("implicit aspect", 1),
            ("implicit opinion", 1),
            ("relation with an end that stands nowhere", 2),
        ],
    );
    check_refused("acos", "tea\t0,1 X 3 0,1", "expected TOKENS, then by tab");
    check_refused("acos", "tea\t0,1 X 2", "expected TOKENS, then by tab");
    check_refused("acos", "tea\t0,1 X 2 0,2", "tokens 0..2 do not lie");
    let dropped = [("span of no tokens", 1), ("relation with an end that stands nowhere", 1)];
    check_dropping("acos", "tea\t0,0 X 2 0,1", "tea | tea opinion | ", &dropped);
}

#[test]
fn oa_mine_takes_the_longest_first() {
    let row = |title: &str, scores: &str| {
        format!(r#"{{"input":"{title}","category":"x","target_scores":{scores}}}"#)
    };
    check(
        "oa-mine",
        &row("Fig Tea, Fig & Pear", r#"{"Brand":{"Fig":1},"Flavor":{"Fig & Pear ":1}}"#),
        "Fig Tea, Fig & Pear | Fig Brand, Fig & Pear Flavor | ",
    );
    check("oa-mine", &row("reddish red", r#"{"Color":{"red":1}}"#), "reddish red | red Color | ");
    let at_border = convert("oa-mine", &row("reddish red", r#"{"Color":{"red":1}}"#)).unwrap();
    assert_eq!(at_border.texts[0].entities[0].start, 8);
    check("oa-mine", &row("é 5oz", r#"{"Unit":{"oz":1}}"#), "é 5oz | oz Unit | ");
    check_dropping(
        "oa-mine",
        &row("dark tea", r#"{"A":{"dark tea":1},"B":{"tea":1},"C":{"milk":1},"D":{"n/a":1}}"#),
        "dark tea | dark tea A | ",
        &[
            ("value inside a longer one", 1),
            ("value that the title does not have", 1),
            ("attribute without a value", 1),
        ],
    );
    check_refused("oa-mine", "{}", "line 1: not the JSON of this format");
}

#[test]
fn snips_reads_two_files() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    put("seq.in", "play some  jazz \nhi\n");
    put("seq.out", "O O B-genre \nO\n");
    let expected = "play some jazz | jazz genre | \nhi |  | ";
    assert_eq!(show(&at("snips", folder.path()).unwrap()), expected);
    assert_eq!(show(&at("snips", &folder.path().join("seq.in")).unwrap()), expected);
    let refused = |expected: &str| {
        let message = at("snips", folder.path()).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    };
    put("seq.out", "O O B-genre\nO O\n");
    refused("line 2: 1 tokens but 2 tags");
    put("seq.out", "O O B-genre\n");
    refused("line 2: expected as many lines");
    fs::remove_file(folder.path().join("seq.out")).unwrap();
    refused("seq.out");
}

#[test]
fn cluener_includes_ends() {
    let row = r#"{"text":"去小城看猫","label":{"animal":{"猫":[[4,4]]},"place":{"小城":[[1,2]]}}}"#;
    check("cluener", row, "去小城看猫 | 小城 place, 猫 animal | ");
    check("cluener", r#"{"text":"去"}"#, "去 |  | ");
    let moved = row.replace("[[4,4]]", "[[3,3]]");
    check_refused("cluener", &moved, "the text has \"看\" at 3..4, the label says \"猫\"");
    check_refused("cluener", &row.replace("[[4,4]]", "[[9,9]]"), "the label says");
}

/// A row of triples `subject:type predicate object:type`.
fn triples(text: &str, triples: &[&str]) -> String {
    let triples = triples.iter().map(|triple| {
        let [subject, predicate, object] =
            triple.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let (subject, subject_type) = subject.split_once(':').unwrap();
        let (object, object_type) = object.split_once(':').unwrap();
        serde_json::json!({
            "subject": subject, "subject_type": subject_type, "predicate": predicate,
            "object": {"@value": object}, "object_type": {"@value": object_type},
        })
    });
    let triples: Vec<_> = triples.collect();
    serde_json::json!({"text": text, "spo_list": triples}).to_string()
}

#[test]
fn duie_takes_the_closest_pair() {
    let row =
        triples("甲唱歌。乙写书，乙和甲很熟", &["甲:P 友 乙:P", "甲:P 友 乙:P", "甲:Q 识 乙:P"]);
    let converted = convert("duie", &row).unwrap();
    assert_eq!(show(&converted), "甲唱歌。乙写书，乙和甲很熟 | 甲 P, 乙 P | 甲 友 乙, 甲 识 乙");
    let starts: Vec<_> = converted.texts[0].entities.iter().map(|entity| entity.start).collect();
    assert_eq!(starts, [10, 8]);
    let dropped = [("relation given twice", 1), ("second type of a span", 1)];
    assert_eq!(converted.dropped, Dropped(dropped.into()));
}

#[test]
fn duie_prefers_places_apart() {
    let row = triples("甲乙传里甲演", &["甲乙传:W 演 甲:P"]);
    assert_eq!(convert("duie", &row).unwrap().texts[0].entities[1].start, 4);
    check(
        "duie",
        &triples("甲乙传", &["甲乙传:W 演 甲:P"]),
        "甲乙传 | 甲乙传 W, 甲 P | 甲乙传 演 甲",
    );
    let row = triples("甲3 乙", &["甲3:P 友 乙:P"]).replace("\"甲3\"", "\"甲3 \"");
    check("duie", &row, "甲3 乙 | 甲3 P, 乙 P | 甲3 友 乙");
    let dropped = [("triple whose ends are not two places of the text", 3)];
    let row = triples("甲", &["甲:P 友 甲:P", "甲:P 友 丙:P", "甲:P 友 :P"]);
    check_dropping("duie", &row, "甲 |  | ", &dropped);
    let slots = triples("甲乙", &["甲:P 友 乙:P"]).replace("\"乙\"", "\"乙\",\"at\":\"x\"");
    let dropped = [("further slot of an object", 1)];
    check_dropping("duie", &slots, "甲乙 | 甲 P, 乙 P | 甲 友 乙", &dropped);
    check_refused("duie", &slots.replace("@value", "@x"), "expected an object");
}

#[test]
fn semeval_knows_directions() {
    check(
        "semeval",
        "Made-By(e2,e1)\tThe <e1> old cook </e1> bakes a<e2>pie</e2>.\nOther\t<e1>A</e1> or <e2> B </e2>\n",
        "The old cook bakes a pie. | old cook nominal, pie nominal | pie Made-By old cook\n\
         A or B | A nominal, B nominal | ",
    );
    check("semeval", "R(e1,e2)\t<e1>A</e1> <e2>B</e2>", "A B | A nominal, B nominal | A R B");
    for row in [
        "R(e1,e3)\t<e1>A</e1> <e2>B</e2>",
        "R\t<e1>A</e1> <e2>B</e2>",
        "R(e1,e2)\t<e1>A</e1> B",
        "x",
    ] {
        check_refused("semeval", row, "line 1: expected RELATION");
    }
    check_refused("semeval", "Other\t<e1> </e1> <e2>B</e2>", "entity 0..0 does not lie");
}

#[test]
fn marked_text_is_read() {
    check(
        "marked",
        "# A comment.\n\nThe {battery life|aspect:a} of this {Sony|brand} is {great|opinion:b}. ## a>b positive;\n",
        "The battery life of this Sony is great. | battery life aspect, Sony brand, great opinion \
         | battery life positive great",
    );
    check("marked", r"\# {a\|b|x} \{c\} d\e \\ # 1 ##x", r"# a|b {c} d\e \ # 1 ##x | a|b x | ");
    check(
        "marked",
        "{甲|person:1}和{乙|person:2}唱 ## 1>2 sings with; 2>1 sings with",
        "甲和乙唱 | 甲 person, 乙 person | 甲 sings with 乙, 乙 sings with 甲",
    );
    check("marked", "{a|x} ##", "a | a x | ");
}

#[test]
fn marked_text_is_refused_by_column() {
    let refused =
        |row: &str, expected: &str| check_refused("marked", &format!("#\n{row}"), expected);
    refused("a {b|c", "line 2: column 3: `{` is not closed");
    refused("a {b", "column 3: `{` is not closed");
    refused("a b} c", "column 4: `}` closes nothing");
    refused("{a {b|c}|d}", "column 4: entities do not nest");
    refused("{a}", "column 3: the entity has no type");
    refused("{a|}", "column 4: the type is empty");
    refused("{a|:x}", "column 4: the type is empty");
    refused("{|x}", "column 1: the surface is empty");
    refused("{a |x}", "column 1: the surface is empty, or has a space");
    refused("{a|x:1} {b|x:1}", "column 12: the label is taken");
    refused("{a|x:1} ## 1>2 r", "column 11: no entity has the label `2`; labels here: 1");
    refused("{a|x:1} ## 1 r", "a relation is written `head>tail relation`");
    refused("{a|x:1} ## 1>1", "a relation is written `head>tail relation`");
}

/// An item with this title and these attributes.
fn item(title: &str, attributes: &str) -> String {
    format!(r#"{{"id":"i","text":{{"title":"{title}"}},"attributes":{attributes}}}"#)
}

#[test]
fn a_catalogue_labels_its_own_texts() {
    check(
        "catalogue",
        &item(
            "ＡＣＭＥ Day-Tripper bag, acme's bag",
            r#"{"manufacturer":"Acme","line":"day tripper"}"#,
        ),
        "ＡＣＭＥ Day-Tripper bag, acme's bag | ＡＣＭＥ brand, Day-Tripper line, acme brand | ",
    );
    check(
        "catalogue",
        &item("tea cup, cup", r#"{"a":"tea cup","b":"cup"}"#),
        "tea cup, cup | tea cup a, cup b | ",
    );
    let converted = convert("catalogue", &item("Acme", r#"{"brand":"Acme"}"#)).unwrap();
    assert!(!converted.texts[0].complete);
}

#[test]
fn a_catalogue_does_not_guess() {
    let dropped = [("text that holds no value", 1)];
    // Inside a longer word, in part, and as a number.
    check_dropping("catalogue", &item("Acmeville", r#"{"brand":"Acme"}"#), "", &dropped);
    check_dropping("catalogue", &item("Quest", r#"{"line":"Quest 4"}"#), "", &dropped);
    let skipped = ("value of one character or without a letter", 2);
    let row = item("7 X 1999", r#"{"size":"X","year":"1999","mass":7}"#);
    check_dropping("catalogue", &row, "", &[dropped[0], skipped]);
    let row = item("noir film", r#"{"genre":"noir","tag":"Noir"}"#);
    check_dropping("catalogue", &row, "", &[dropped[0], ("value of two types of one item", 1)]);
    check_refused("catalogue", r#"{"id":""}"#, "line 1: `id` is missing");
    check_refused("catalogue", "\n{\"title\":1}", "line 2: not the JSON");
}

#[test]
fn a_catalogue_vouches_for_common_values() {
    let acme = item("Acme bag", r#"{"brand":"Acme"}"#);
    let other = item("fits Acme bags", "{}");
    let of = |rows: &[&str]| show(&convert("catalogue", &rows.join("\n")).unwrap());
    let own = "Acme bag | Acme brand | ";
    assert_eq!(
        of(&[&acme, &acme, &other]),
        format!("{own}\n{own}\nfits Acme bags | Acme brand | ")
    );
    assert_eq!(of(&[&acme, &other]), own, "one item vouches for nothing");
    let gap = [&acme, &acme, &other, &other, &other].map(String::as_str);
    assert_eq!(of(&gap).matches("fits Acme bags | Acme brand").count(), 3, "a gap says nothing");
    let bolt = item("fits Acme bags", r#"{"brand":"Bolt"}"#);
    let rows = [&acme, &acme, &bolt, &bolt, &bolt, &other].map(String::as_str);
    assert_eq!(of(&rows), format!("{own}\n{own}"), "most texts with the word are of others");
    let tagged = item("", r#"{"tags":"acme"}"#);
    assert_eq!(of(&[&acme, &acme, &tagged, &other]), format!("{own}\n{own}"), "two types");
}

#[test]
fn names_are_known() {
    let message = by_name("csv").unwrap_err().to_string();
    assert!(message.starts_with("unknown format `csv`; known: conll, bieos, "), "{message}");
}

#[test]
fn summaries_count() {
    let converted = convert("marked", "{a|x:1} {b|x:2} {c|y} ## 1>2 r\nd").unwrap();
    let summary = serde_json::to_value(converted.summary()).unwrap();
    let expected = serde_json::json!({
        "texts": 2, "entities": {"x": 2, "y": 1}, "relations": {"r": 1}, "dropped": {},
    });
    assert_eq!(summary, expected);
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    /// No input of any format ends in a panic, and what is converted fits its text.
    #[test]
    fn any_input_is_converted_or_refused(
        text in "(\\PC|[ \t\n#{}|:>;0-9A-Z<e1/(),-]){0,60}|\\[?\\{\"text\":\"\\PC{0,9}\"\\}\\]?",
    ) {
        for row in CONVERTERS {
            if let Ok(converted) = convert(row.name, &text) {
                converted.texts.iter().for_each(|labelled| labelled.check().unwrap());
            }
        }
    }
}
