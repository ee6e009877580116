#!/bin/sh
# Trains the heads of the English model: train.sh DATA BASE DEST
#   DATA  folder with the public data sets, a folder each: oa_mine/train.jsonl, snips/train/seq.in, seq.out
#         and label, music_reco_ner/dataset1.bio to 4, crossner/<domain>/train.txt and dev.txt,
#         wnut17/train.conll, semeval2010_8/train.tsv
#   BASE  folder of all-MiniLM-L6-v2 (see README.md)
#   DEST  folder for the model
# Run it from the root of the repository, with `predilect` in the path.
set -eu
data=$1 base=$2 dest=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
convert() { predilect convert --from "$1" --input "$2" --dest "$work/$3.jsonl" > /dev/null; }

convert oa-mine "$data/oa_mine/train.jsonl" oa
convert snips "$data/snips/train" snips-all
awk 'NR % 6 == 1' "$work/snips-all.jsonl" > "$work/snips.jsonl"
convert conll "$data/wnut17/train.conll" wnut-all
awk 'NR % 4 == 1' "$work/wnut-all.jsonl" > "$work/wnut.jsonl"
convert semeval "$data/semeval2010_8/train.tsv" semeval-all
head -1000 "$work/semeval-all.jsonl" > "$work/semeval.jsonl"
for n in 1 2 3 4; do convert conll "$data/music_reco_ner/dataset$n.bio" "music$n"; done
for domain in music literature politics science ai; do
    convert conll "$data/crossner/$domain/train.txt" "$domain"
    convert conll "$data/crossner/$domain/dev.txt" "$domain-dev"
done
for name in reviews products-relations products-entities titles nature-sport society arts \
    media-relations media-entities; do
    convert marked "graph-data/labels/en/$name.txt" "$name"
done

cd "$work"
domains="politics.jsonl science.jsonl ai.jsonl"
own="reviews.jsonl products-relations.jsonl products-entities.jsonl titles.jsonl nature-sport.jsonl"
own="$own society.jsonl arts.jsonl"
# First without music and literature: what it then finds of their types is the zero-shot figure.
predilect train extractor --base "$base" --dest "$work/first" --seed 1 --epochs 3 --anchor 2 \
    --by-name 0.5 --train oa.jsonl snips.jsonl $domains $domains wnut.jsonl semeval.jsonl $own
for domain in music literature; do
    convert conll "$data/crossner/$domain/test.txt" "$domain-test"
    predilect evaluate extract --model "$work/first" --input "$work/$domain-test.jsonl" --output json
done
domains="music.jsonl literature.jsonl $domains"
own="$own media-relations.jsonl media-entities.jsonl"
predilect train extractor --base "$work/first" --dest "$dest" --seed 1 --epochs 3 --anchor 2 \
    --rate 1.5e-4 --quantize --dev music-dev.jsonl literature-dev.jsonl --train oa.jsonl snips.jsonl \
    music1.jsonl music2.jsonl music3.jsonl music4.jsonl wnut.jsonl semeval.jsonl \
    $domains $domains $domains $own $own
