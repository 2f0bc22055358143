"""Writes testdata/vectors/safetensors: files that every reader of weft takes, or refuses.

    python3 python/tests/make_vectors.py

vectors.json has two lists:

accept: file; canonical (whether the file is, byte for byte, what weft writes for these tensors);
        tensors by name: dtype, shape, bytes (their elements in hex, as in the file), values (the
        same as numbers, exactly)
refuse: file; why
"""

import json
import pathlib
import struct

OUT = pathlib.Path(__file__).resolve().parents[2] / "testdata" / "vectors" / "safetensors"


CODES = {"F64": "d", "F32": "f", "F16": "e", "I64": "q", "I32": "i", "I16": "h", "I8": "b", "U64": "Q", "U32": "I", "U16": "H", "U8": "B", "BOOL": "?"}


def pack(dtype, values):
    if dtype == "BF16":  # values chosen to need no rounding
        return b"".join(struct.pack("<f", v)[2:] for v in values)
    return struct.pack(f"<{len(values)}{CODES[dtype]}", *values)


def header(entries, metadata=None, pad=8):
    entries = {**({"__metadata__": metadata} if metadata else {}), **entries}
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    return text + b" " * (-len(text) % pad)


def whole(text, data):
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype, shape, start, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def lay(tensors):
    """Entries and data of (name, dtype, shape, values), in the order given."""
    entries, data = {}, b""
    for name, dtype, shape, values in tensors:
        raw = pack(dtype, values)
        entries[name] = entry(dtype, shape, len(data), len(data) + len(raw))
        data += raw
    return entries, data


F32 = ("w", "F32", [2, 3], [0.0, -0.0, 1.0, -1.5, 3.4028234663852886e38, 1.401298464324817e-45])
F16 = ("h", "F16", [4], [1.0, -2.0, 65504.0, 5.960464477539063e-08])
BF16 = ("b", "BF16", [2, 2], [1.0, -0.5, 3.3895313892515355e38, 1.1754943508222875e-38])
SCALAR = ("scale", "F32", [], [0.25])
EMPTY = ("none", "F32", [0, 3], [])
UTF8 = ("ключ/κλειδί.0", "F32", [1], [7.0])
ODD = ("a", "BF16", [3], [1.0, 2.0, 3.0])  # six bytes: what follows is not aligned to its size
# What is stored beside weights, in the order of the names.
STORED = [
    ("bool", "BOOL", [3], [True, False, True]),
    ("f64", "F64", [2], [0.1, -1e300]),
    *((f"{d.lower()}", d, [2], [-(1 << bits - 1), (1 << bits - 1) - 1]) for d, bits in (("I16", 16), ("I32", 32), ("I64", 53), ("I8", 8))),
    *((f"{d.lower()}", d, [2], [0, (1 << bits) - 1]) for d, bits in (("U16", 16), ("U32", 32), ("U64", 53), ("U8", 8))),
]

ACCEPT = {
    # file: (tensors in the order of the file, canonical, metadata, padding)
    "f32": ([F32], True, {"format": "pt"}, 8),
    "f16": ([F16], True, {"format": "pt"}, 8),
    "bf16": ([BF16], True, {"format": "pt"}, 8),
    "stored": (STORED, True, {"format": "pt"}, 8),
    "mixed": ([ODD, BF16, F16, EMPTY, SCALAR, F32, UTF8], True, {"format": "pt"}, 8),
    "unsorted": ([F32, SCALAR, F16, BF16], False, None, 8),
    "metadata": ([F32], False, {"format": "pt", "by": "a \"quoted\" name"}, 8),
    "no_padding": ([BF16, F16], False, None, 1),
}


def refused():
    one = pack("F32", [1.0])
    two = pack("F32", [1.0, 2.0])
    good = {"w": entry("F32", [1], 0, 4)}

    def file(entries, data=one):
        return whole(header(entries), data)

    return {
        "empty_file": (b"", "shorter than the header's length"),
        "short_length": (b"\x10\0\0\0", "shorter than the header's length"),
        "header_beyond_end": ((1000).to_bytes(8, "little") + b"{}", "header longer than the file"),
        "header_huge": ((1 << 63).to_bytes(8, "little") + b"{}", "header longer than any file"),
        "header_not_json": (whole(b"{not json}", b""), "header is not JSON"),
        "header_array": (whole(b"[]      ", b""), "header is not an object"),
        "header_space_first": (whole(b" " + header(good), one), "header does not begin with {"),
        "header_two_values": (whole(b"{} {}   ", b""), "more than one value"),
        "header_deep": (whole(b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}", b""), "no tensor entry, and deeply nested"),
        "entry_not_object": (whole(b'{"w":3}', one), "entry is not an object"),
        "no_offsets": (file({"w": {"dtype": "F32", "shape": [1]}}), "entry without data_offsets"),
        "extra_field": (file({"w": {**good["w"], "stride": [1]}}), "unknown field in an entry"),
        "unknown_dtype": (file({"w": entry("F4_E2M1", [1], 0, 4)}), "a dtype that weft does not know"),
        "negative_dim": (file({"w": entry("F32", [-1], 0, 4)}), "negative size"),
        "fraction_dim": (file({"w": entry("F32", [0.5, 2], 0, 4)}), "size that is not whole"),
        "text_dim": (file({"w": entry("F32", ["1"], 0, 4)}), "size that is text"),
        "overflowing_shape": (file({"w": entry("F32", [1 << 32, 1 << 32], 0, 0)}, b""), "size overflows 64 bits to 0"),
        "shape_too_large": (file({"w": entry("F32", [2], 0, 4)}), "shape needs more bytes than its place has"),
        "shape_too_small": (file({"w": entry("F32", [1], 0, 8)}, two), "shape needs fewer bytes than its place has"),
        "reversed_offsets": (file({"w": entry("F32", [1], 4, 0)}), "end before start"),
        "three_offsets": (file({"w": {**good["w"], "data_offsets": [0, 4, 8]}}), "data_offsets is no pair"),
        "beyond_data": (file({"w": entry("F32", [2], 0, 8)}), "tensor ends beyond the file"),
        "hole": (file({"a": entry("F32", [1], 0, 4), "b": entry("F32", [1], 8, 12)}, two + one), "bytes that no tensor has"),
        "hole_at_start": (file({"w": entry("F32", [1], 4, 8)}, two), "first tensor does not start at 0"),
        "overlap": (file({"a": entry("F32", [1], 0, 4), "b": entry("F32", [1], 0, 4)}), "two tensors at one place"),
        "trailing": (file(good, two), "bytes after the last tensor"),
        "truncated": (file({"w": entry("F32", [2], 0, 8)}, two[:7]), "last element cut off"),
        "twice": (whole(b"{%s,%s}" % (2 * (header(good, pad=1)[1:-1],)), one), "a name occurs twice"),
        "empty_name": (file({"": entry("F32", [1], 0, 4)}), "empty name"),
        "long_name": (file({"n" * 1025: entry("F32", [1], 0, 4)}), "name of more than 1024 bytes"),
        "many_dims": (file({"w": entry("F32", [1] * 33, 0, 4)}), "more than 32 dimensions"),
        "metadata_not_text": (whole(header(good, {"step": 3}), one), "metadata is not text"),
    }


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for old in OUT.glob("*.safetensors"):
        old.unlink()
    vectors = {"accept": [], "refuse": []}
    for name, (tensors, canonical, metadata, pad) in ACCEPT.items():
        entries, data = lay(tensors)
        (OUT / f"{name}.safetensors").write_bytes(whole(header(entries, metadata, pad), data))
        described = {n: {"dtype": d, "shape": s, "bytes": pack(d, v).hex(), "values": v} for n, d, s, v in tensors}
        vectors["accept"].append({"file": f"{name}.safetensors", "canonical": canonical, "tensors": described})
    for name, (content, why) in refused().items():
        (OUT / f"{name}.safetensors").write_bytes(content)
        vectors["refuse"].append({"file": f"{name}.safetensors", "why": why})
    text = json.dumps(vectors, indent=1, ensure_ascii=False) + "\n"
    (OUT / "vectors.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
