import json
import math
import os
import random
import struct
import tempfile
import unittest
from array import array

from support import FRAMEWORKS, VECTORS, numpy, torch

from weft import LayoutError, safetensors
from weft.safetensors import TensorInfo

FORMAT = {"F32": "f", "F16": "e"}


def values_of(tensor):
    """The tensor's elements as Python floats, whatever it is."""
    if torch is not None and isinstance(tensor, torch.Tensor):
        return tensor.to(torch.float64).reshape(-1).tolist()
    if numpy is not None and isinstance(tensor, numpy.ndarray):
        return tensor.astype("f8").reshape(-1).tolist()
    return list(tensor.cast("B").cast("f")) if len(tensor.shape) != 1 else list(tensor)


def bits(values):
    """Floats that tell -0 from 0."""
    return struct.pack(f"<{len(values)}d", *values)


def shaped(framework, values, shape):
    """A float32 tensor of a framework."""
    if framework == "torch":
        return torch.tensor(values, dtype=torch.float32).reshape(shape)
    if framework == "numpy":
        return numpy.array(values, dtype="f4").reshape(shape)
    return memoryview(array("f", values)).cast("B").cast("f", shape) if values else memoryview(array("f"))


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "out.safetensors")


class TestVectors(Folder):
    def setUp(self):
        super().setUp()
        self.vectors = json.loads((VECTORS / "vectors.json").read_text(encoding="utf-8"))

    def test_accept(self):
        self.assertTrue(self.vectors["accept"])
        for v in self.vectors["accept"]:
            for framework in FRAMEWORKS:
                if framework == "torch" and not hasattr(torch, "uint16") and any(t["dtype"] in ("U16", "U32", "U64") for t in v["tensors"].values()):
                    continue  # an old torch has no such tensors
                with self.subTest(v["file"], framework=framework):
                    got = safetensors.load_file(VECTORS / v["file"], framework)
                    self.assertEqual(list(got), sorted(v["tensors"]))
                    for name, want in v["tensors"].items():
                        if framework != "plain" or want["values"]:
                            self.assertEqual(tuple(got[name].shape), tuple(want["shape"]))
                        self.assertEqual(bits(values_of(got[name])), bits(want["values"]))
                    self.check_written(v, got)

    def check_written(self, v, tensors):
        source = VECTORS / v["file"]
        safetensors.save_file(tensors, self.path, like=safetensors.read_header(source))
        with open(self.path, "rb") as f:
            written = f.read()
        if v["canonical"]:
            self.assertEqual(written, source.read_bytes())
        data = b"".join(bytes.fromhex(t["bytes"]) for _, t in sorted(v["tensors"].items()))
        self.assertTrue(written.endswith(data))
        self.assertEqual((len(written) - len(data)) % 8, 0)

    def test_refuse(self):
        self.assertTrue(self.vectors["refuse"])
        for v in self.vectors["refuse"]:
            with self.subTest(v["file"]):
                with self.assertRaises(LayoutError, msg=v["why"]) as e:
                    safetensors.load_file(VECTORS / v["file"], "plain")
                self.assertIn("not a safetensors file", str(e.exception))

    def test_every_file_is_named(self):
        named = {v["file"] for v in self.vectors["accept"] + self.vectors["refuse"]}
        self.assertEqual(named, {p.name for p in VECTORS.glob("*.safetensors")})


class TestHeader(unittest.TestCase):
    def test_mutations_never_surprise(self):
        """A damaged header is refused with LayoutError, or is a good one: nothing else happens."""
        whole = (VECTORS / "mixed.safetensors").read_bytes()
        header, size = whole[8 : 8 + 0x1C8], len(whole) - 8 - 0x1C8
        rng = random.Random(1)
        good = 0
        for _ in range(3000):
            text = bytearray(header)
            for _ in range(rng.randint(1, 3)):
                at = rng.randrange(len(text))
                text[at : at + rng.randint(0, 2)] = rng.choice([b"", b"0", b'"', b"]", b"{", b"-", b"9", b"\xff", rng.randbytes(1)])
            try:
                infos = safetensors.parse_header(bytes(text), size)
            except LayoutError:
                continue
            good += 1
            self.assertEqual(sum(i.end - i.start for i in infos.values()), size)
        self.assertGreater(good, 0)


class TestWrite(Folder):
    def test_own_dtype(self):
        for framework in FRAMEWORKS:
            with self.subTest(framework):
                safetensors.save_file({"b": shaped(framework, [1, 2], (1, 2)), "a": shaped(framework, [3], ())}, self.path)
                self.assertEqual(
                    safetensors.read_header(self.path),
                    {"a": TensorInfo("F32", (), 0, 4), "b": TensorInfo("F32", (1, 2), 4, 12)},
                )

    def test_rounds_like_the_reference(self):
        """To the nearest, ties to even, in every framework; struct's own packing is the judge for F16."""
        rng = random.Random(2)
        source = [struct.unpack("<f", struct.pack("<I", rng.randrange(1 << 32)))[0] for _ in range(2000)]
        for high in (0x3F80, 0x3F81, 0x8001, 0x477F):
            for low in (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF):
                source.append(struct.unpack("<f", struct.pack("<I", high << 16 | low))[0])
        source += [1 + k / 4096 for k in range(16)] + [0.0, -0.0]
        for dtype, largest in (("F16", 65504.0), ("BF16", 3.3895313892515355e38)):
            values = [v for v in source if math.isfinite(v) and abs(v) <= largest]
            like = {"w": TensorInfo(dtype, (len(values),), 0, 2 * len(values))}
            want = struct.pack(f"<{len(values)}e", *values) if dtype == "F16" else b"".join(map(nearest_bf16, values))
            for framework in FRAMEWORKS:
                with self.subTest(dtype=dtype, framework=framework):
                    safetensors.save_file({"w": shaped(framework, values, (len(values),))}, self.path, like=like)
                    with open(self.path, "rb") as f:
                        self.assertEqual(f.read()[-len(want) :], want)

    def test_refuses(self):
        f32 = {"w": TensorInfo("F32", (2, 3), 0, 24)}
        small = {"w": TensorInfo("F16", (1,), 0, 2)}
        bf16 = {"w": TensorInfo("BF16", (1,), 0, 2)}
        for framework in FRAMEWORKS:
            def t(values, shape):
                return shaped(framework, values, shape)

            ok = t([0] * 6, (2, 3))
            for tensors, like, words in (
                ({}, f32, "the update is empty: it has no tensors at all"),
                ({"v": ok}, f32, "tensor 'w' is missing"),
                ({"w": ok, "v": ok, "u": ok, "t": ok}, f32, "'t', 'u' and 1 more are not in the base"),
                ({"w": t([0] * 6, (3, 2))}, f32, r"'w' has shape \(3, 2\), the base has \(2, 3\)"),
                ({"w": t([0] * 5 + [math.nan], (2, 3))}, f32, "'w' has values that are NaN"),
                ({"w": t([math.inf], (1,))}, bf16, "'w' has values that are NaN, infinite"),
                ({"w": t([70000.0], (1,))}, small, "'w' has .*too large for F16"),
                ({"w": t([3.4e38], (1,))}, bf16, "'w' has .*too large for BF16"),
                ({"w": "text"}, f32, "'w' is str"),
                ({"w": "text"}, None, "'w' is str"),
                ({"": ok}, None, "1 to 1024 bytes"),
                ({"__metadata__": ok}, None, "and not __metadata__"),
                ({"\ud800": ok}, None, "not Unicode"),
            ):
                with self.subTest(words, framework=framework):
                    with self.assertRaisesRegex(LayoutError, words):
                        safetensors.save_file(tensors, self.path, like=like)
                    self.assertEqual(os.listdir(os.path.dirname(self.path)), [])

    def test_keeps_counters(self):
        """What is no weight is kept as it is; what is no tensor of the model is left out, with one warning."""
        counters = {"seen": array("q", [3]), "mask": memoryview(b"\1\0").cast("?")}
        if numpy is not None:
            counters["steps"] = numpy.int64(-3)
            counters["big"] = numpy.arange(3, dtype=">i4")
        if torch is not None:
            counters["num_batches_tracked"] = torch.tensor(3)
        with self.assertWarnsRegex(UserWarning, "left out, as it is a process' own: fp8._extra_state") as w:
            safetensors.save_file({**counters, "w": array("f", [1.0]), "fp8._extra_state": None}, self.path)
        self.assertEqual((len(w.warnings), w.filename), (1, __file__))
        got = safetensors.load_file(self.path, "plain")
        self.assertEqual(set(got), {*counters, "w"})
        want = {"seen": [3], "mask": [True, False], "steps": -3, "big": [0, 1, 2], "num_batches_tracked": 3, "w": [1.0]}
        self.assertEqual({n: t.tolist() for n, t in got.items()}, {n: want[n] for n in got})

    def test_counters_are_in_no_update(self):
        """Of what a task gives, a file like the base has the weights."""
        safetensors.save_file({"w": array("f", [1.0]), "seen": array("q", [3])}, self.path, like={"w": TensorInfo("F32", (1,), 0, 4)})
        self.assertEqual(list(safetensors.read_header(self.path)), ["w"])

    def test_replaces_only_when_whole(self):
        safetensors.save_file({"w": array("f", [1.0])}, self.path)
        with self.assertRaises(LayoutError):
            safetensors.save_file({"a": array("f", [2.0]), "w": array("f", [math.nan])}, self.path)
        self.assertEqual(list(safetensors.load_file(self.path, "plain")["w"]), [1.0])
        self.assertEqual(len(os.listdir(os.path.dirname(self.path))), 1)

    def test_buffers_without_shape(self):
        like = {"w": TensorInfo("F32", (2, 2), 0, 16)}
        for kind in "fd":
            safetensors.save_file({"w": array(kind, [1, 2, 3, 4])}, self.path, like=like)
            self.assertEqual(safetensors.load_file(self.path, "plain")["w"].tolist(), [[1, 2], [3, 4]])
        with self.assertRaises(LayoutError):
            safetensors.save_file({"w": array("f", [1, 2, 3])}, self.path, like=like)
        with self.assertRaises(LayoutError):
            safetensors.save_file({"w": array("i", [1, 2, 3, 4])}, self.path, like=like)


class TestRead(Folder):
    def test_changes_stay_in_memory(self):
        for framework in FRAMEWORKS:
            with self.subTest(framework):
                safetensors.save_file({"w": array("f", [1.0, 2.0])}, self.path)
                w = safetensors.load_file(self.path, framework)["w"]
                w[0] = 5.0
                self.assertEqual(values_of(w), [5.0, 2.0])
                self.assertEqual(list(safetensors.load_file(self.path, "plain")["w"]), [1.0, 2.0])

    def test_the_file_may_go(self):
        safetensors.save_file({"w": array("f", [1.0, 2.0])}, self.path)
        w = safetensors.load_file(self.path, FRAMEWORKS[-1])["w"]
        os.remove(self.path)
        self.assertEqual(values_of(w), [1.0, 2.0])

    def test_unknown_framework(self):
        with self.assertRaisesRegex(ValueError, "not one of"):
            safetensors.load_file(VECTORS / "f32.safetensors", "tensorflow")


@unittest.skipIf(numpy is None, "no numpy")
class TestNumpy(Folder):
    def test_layouts_and_dtypes(self):
        want = numpy.arange(6, dtype="f4").reshape(2, 3)
        for name, value in {
            "fortran": numpy.asfortranarray(want),
            "strided": numpy.arange(12, dtype="f4").reshape(2, 6)[:, ::2] / 2,
            "double": want.astype("f8"),
            "half": want.astype("f2"),
            "big-endian": want.astype(">f4"),
        }.items():
            with self.subTest(name):
                safetensors.save_file({"w": value}, self.path, like={"w": TensorInfo("F32", (2, 3), 0, 24)})
                numpy.testing.assert_array_equal(safetensors.load_file(self.path, "numpy")["w"], want)
        safetensors.save_file({"w": numpy.float32(2.5)}, self.path)  # a scalar is a tensor of no dimension
        self.assertEqual(safetensors.load_file(self.path, "numpy")["w"].shape, ())


@unittest.skipIf(torch is None, "no torch")
class TestTorch(Folder):
    def test_layouts_and_dtypes(self):
        want = torch.arange(6, dtype=torch.float32).reshape(2, 3)
        for name, value in {
            "transposed": want.t().contiguous().t(),
            "strided": torch.arange(12, dtype=torch.float32).reshape(2, 6)[:, ::2] / 2,
            "double": want.double(),
            "bfloat16": want.bfloat16(),
            "parameter": torch.nn.Parameter(want),
        }.items():
            with self.subTest(name):
                safetensors.save_file({"w": value}, self.path, like={"w": TensorInfo("F32", (2, 3), 0, 24)})
                self.assertTrue(torch.equal(safetensors.load_file(self.path, "torch")["w"], want))
        for name, value in {"int64": want.long(), "to_dense": want.to_sparse(), "complex": want.to(torch.complex64)}.items():
            with self.subTest(name), self.assertRaisesRegex(LayoutError, f"'w'.*{name}"):
                safetensors.save_file({"w": value}, self.path, like={"w": TensorInfo("F32", (2, 3), 0, 24)})

    def test_state_dict(self):
        model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 1)).bfloat16()
        safetensors.save_file(model.state_dict(), self.path)
        again = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 1)).bfloat16()
        again.load_state_dict(safetensors.load_file(self.path, "torch"))
        for name, t in model.state_dict().items():
            self.assertTrue(torch.equal(t, again.state_dict()[name]), name)
            self.assertEqual(safetensors.read_header(self.path)[name].dtype, "BF16")

    def test_batch_norm(self):
        """A model with counters is saved with them."""
        model, again = (torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)) for _ in range(2))
        model(torch.randn(4, 3))
        safetensors.save_file(model.state_dict(), self.path)
        again.load_state_dict(safetensors.load_file(self.path, "torch"))
        self.assertEqual(int(again[1].num_batches_tracked), 1)
        self.assertTrue(torch.equal(again[1].running_mean, model[1].running_mean))
        with self.assertRaisesRegex(LayoutError, "'w' is complex64"):
            safetensors.save_file({"w": torch.zeros(2, dtype=torch.complex64)}, self.path)


def nearest_bf16(value):
    """The nearest bfloat16 by comparing neighbours, not by bit tricks."""
    low = struct.unpack("<I", struct.pack("<f", value))[0] >> 16

    def wide(half):
        exponent = half >> 7 & 0xFF
        if exponent == 0xFF:  # one past the largest finite: where the next value would be
            return math.copysign(2.0**128, -1 if half >> 15 else 1)
        return struct.unpack("<f", struct.pack("<I", half << 16))[0]

    distance = {half: abs(wide(half) - value) for half in (low, low + 1)}
    best = min(distance, key=lambda half: (distance[half], half & 1))
    return struct.pack("<H", best)


if __name__ == "__main__":
    unittest.main()
