"""Sentence encodings by torch and transformers: the oracle of `predilect::extract::bert::Encoder`.

    pip install torch transformers tokenizers
    python tests/reference/encode.py --model DIR --input titles.txt --vectors vectors.jsonl
    python tests/reference/encode.py --model DIR --reference graph-data/models/en/reference.json

The first compares the vectors that `cargo run --release --example encode` wrote and prints the
largest absolute difference and the lowest cosine; the second rewrites the vectors of the texts in
the reference file.
"""

import argparse
import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import BertModel

SIZE, OVERLAP = 254, 64  # WindowParams::default()


def windows(n_tokens):
    """(start, end, own_start, own_end) of each window, as src/extract/bert/window.rs."""
    plan, start = [], 0
    while not plan or plan[-1][1] < n_tokens:
        end = min(start + SIZE, n_tokens)
        full = max(end - SIZE, 0)
        own = 0
        if plan:
            own = plan[-1][3] = -(-(full + plan[-1][1]) // 2)
        plan.append([full, end, own, end])
        start += SIZE - OVERLAP
    return plan


@torch.no_grad()
def encode(model, tokenizer, text):
    """Mean of the token states over windows, with [CLS] and [SEP] once per window, at length 1."""
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    first, last = tokenizer.encode("").ids
    total = torch.zeros(model.config.hidden_size)
    for start, end, own_start, own_end in windows(len(ids)):
        window = torch.tensor([[first, *ids[start:end], last]])
        states = model(input_ids=window, attention_mask=torch.ones_like(window))
        states = states.last_hidden_state[0]
        own = states[own_start + 1 - start : own_end + 1 - start]
        total += own.sum(0) + states[0] + states[-1]
    return total / total.norm()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--input", type=Path)
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--reference", type=Path)
    args = parser.parse_args()

    tokenizer = Tokenizer.from_file(str(args.model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    model = BertModel.from_pretrained(args.model).eval()

    if args.reference:
        rows = json.loads(args.reference.read_text())
        for row in rows:
            row["vector"] = [float(f"{x:.7g}") for x in encode(model, tokenizer, row["text"])]
        lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        args.reference.write_text(f"[\n{lines}\n]\n")
        return

    difference, cosine, count = 0.0, 1.0, 0
    with args.input.open(newline="\n") as texts, args.vectors.open() as vectors:
        for text, vector in zip(texts, vectors, strict=True):
            ours = torch.tensor(json.loads(vector))
            torchs = encode(model, tokenizer, text.rstrip("\n"))
            difference = max(difference, float((ours - torchs).abs().max()))
            cosine = min(cosine, float(ours @ torchs))
            count += 1
    print(f"{count} texts: max abs difference {difference:.2e}, min cosine {cosine:.6f}")


if __name__ == "__main__":
    main()
