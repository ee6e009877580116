#!/bin/sh
# Trains the heads of the multilingual model: train.sh DATA BASE DEST
#   DATA  folder with the public data sets, a folder each: oa_mine/train.jsonl,
#         music_reco_ner/dataset1.bio, crossner/music/train.txt, crossner/literature/train.txt
#   BASE  folder that the example import_e5 makes (see README.md)
#   DEST  folder for the model
# Run it from the root of the repository, with `predilect` in the path.
set -eu
data=$1 base=$2 dest=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
convert() { predilect convert --from "$1" --input "$2" --dest "$work/$3.jsonl" > /dev/null; }

convert oa-mine "$data/oa_mine/train.jsonl" oa
convert conll "$data/music_reco_ner/dataset1.bio" requests
convert conll "$data/crossner/music/train.txt" music
convert conll "$data/crossner/literature/train.txt" literature
for name in reviews products-relations products-entities media-relations media-entities; do
    convert marked "graph-data/labels/en/$name.txt" "$name"
done
chinese="" dev=""
for name in titles market reviews media-relations media-entities encyclopedia; do
    convert marked "graph-data/labels/zh/$name.txt" "zh-$name"
    awk 'NR % 12 == 0' "$work/zh-$name.jsonl" > "$work/zh-$name-dev.jsonl"
    awk 'NR % 12 != 0' "$work/zh-$name.jsonl" > "$work/zh-$name-train.jsonl"
    chinese="$chinese zh-$name-train.jsonl" dev="$dev zh-$name-dev.jsonl"
done

cd "$work"
predilect train extractor --base "$base" --dest "$dest" --seed 1 --epochs 4 --anchor 2 --rate 2e-4 \
    --quantize --train $chinese $chinese $chinese oa.jsonl music.jsonl literature.jsonl requests.jsonl \
    reviews.jsonl products-relations.jsonl products-entities.jsonl media-relations.jsonl \
    media-entities.jsonl --dev $dev
