"""The protocol's vectors, read by an encoder that knows nothing of weft's Go code.

Each vector is a value as DAG-JSON and its bytes as DAG-CBOR: encoding the one must give the
other, and a statement's signing bytes must be put together as docs/protocol.md says.
"""

import base64
import json
import pathlib
import struct
import unittest

VECTORS = pathlib.Path(__file__).parents[2] / "testdata" / "vectors" / "protocol.json"


def head(major: int, n: int) -> bytes:
    """The initial bytes of a CBOR item (RFC 8949, section 3), shortest form."""
    for limit, info, fmt in ((24, n, None), (1 << 8, 24, ">B"), (1 << 16, 25, ">H"), (1 << 32, 26, ">I"), (1 << 64, 27, ">Q")):
        if n < limit:
            return bytes([major << 5 | info]) + (struct.pack(fmt, n) if fmt else b"")
    raise ValueError(n)


def cid_bytes(text: str) -> bytes:
    """A CID in multibase base32, as bytes."""
    assert text[0] == "b", text
    body = text[1:].upper()
    return base64.b32decode(body + "=" * (-len(body) % 8))


def encode(v) -> bytes:
    """DAG-JSON's value model as DAG-CBOR."""
    if v is None:
        return b"\xf6"
    if isinstance(v, bool):
        return b"\xf5" if v else b"\xf4"
    if isinstance(v, int):
        return head(0, v) if v >= 0 else head(1, -1 - v)
    if isinstance(v, float):
        return b"\xfb" + struct.pack(">d", v)
    if isinstance(v, str):
        b = v.encode()
        return head(3, len(b)) + b
    if isinstance(v, list):
        return head(4, len(v)) + b"".join(map(encode, v))
    if set(v) == {"/"}:
        if isinstance(v["/"], str):  # a link: tag 42 on the CID after a zero byte
            b = b"\0" + cid_bytes(v["/"])
            return head(6, 42) + head(2, len(b)) + b
        text = v["/"]["bytes"]
        b = base64.b64decode(text + "=" * (-len(text) % 4))
        return head(2, len(b)) + b
    keys = sorted(v, key=lambda k: (len(k.encode()), k.encode()))
    return head(5, len(v)) + b"".join(encode(k) + encode(v[k]) for k in keys)


class Protocol(unittest.TestCase):
    def setUp(self):
        self.vectors = json.loads(VECTORS.read_text())

    def test_encoding(self):
        self.assertGreater(len(self.vectors), 20)
        for v in self.vectors:
            with self.subTest(v["name"]):
                self.assertEqual(encode(v["json"]).hex(), v["hex"])

    def test_signing_bytes(self):
        mesh = next(v for v in self.vectors if v["type"] == "Genesis")["cid"]
        signed = [v for v in self.vectors if "signing" in v]
        self.assertGreater(len(signed), 5)
        for v in signed:
            with self.subTest(v["name"]):
                s = v["json"]["statement"]
                text = s["body"]["/"]["bytes"]
                body = base64.b64decode(text + "=" * (-len(text) % 4))
                kind = s["kind"].encode()
                want = b"weft/statement/1\0" + cid_bytes(mesh) + bytes([len(kind)]) + kind + body
                self.assertEqual(want.hex(), v["signing"])

    def test_roster_entry(self):
        """Approvals cover the change as the entry has it, and the join names it by its CID."""
        by_name = {v["name"]: v for v in self.vectors}
        entry, approve = by_name["roster entry"]["json"]["roster"], by_name["approve body"]
        self.assertEqual(encode(entry["change"]).hex(), approve["hex"])
        text = entry["join"]["body"]["/"]["bytes"]
        join = base64.b64decode(text + "=" * (-len(text) % 4))
        self.assertEqual(join, encode(by_name["join body"]["json"]))
        self.assertEqual(by_name["join body"]["json"]["change"], {"/": approve["cid"]})


if __name__ == "__main__":
    unittest.main()
