"""Models as tensors by name: wrappers, tied weights, dtypes, and what has no memory of its own."""

import json
import math
import os
import struct
import tempfile
import unittest
import warnings
from array import array

from support import FRAMEWORKS, FakeNode, OneSite, numpy, split, torch

import weft
from weft import LayoutError, _arrays, _loop, _names, safetensors
from weft._work import Work


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weft-")
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        self.base = os.path.join(self.dir, "base.safetensors")
        self.path = os.path.join(self.dir, "out.safetensors")

    def receive(self, framework="auto", **more):
        """A task of a client with self.base."""
        task = {"id": 1, "kind": "train", "run": "r", "name": "n", "round": 3, "rounds": 9, "attempt": 1, "base": self.base, "dir": self.dir, "seed": 1}
        self.node = FakeNode({**task, **more})
        self.addCleanup(self.node.close)
        return weft.Client(self.node.path, framework).receive()

    def sent(self, task, params, **more):
        """What the node got of an update: its tensors, its metrics, and the warnings."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            task.send(params, samples=1, **more)
        body = self.node.calls[-1][2]
        return safetensors.load_file(body["update"]), body["metrics"], [str(w.message) for w in caught]


class TestNames(unittest.TestCase):
    def test_wrappers(self):
        for name, want in (
            ("a.b", "a.b"),
            ("module.a.b", "a.b"),
            ("_orig_mod.a.b", "a.b"),
            ("_orig_mod.module.a.b", "a.b"),
            ("module._orig_mod.module.a.b", "a.b"),
            ("_module.a", "a"),
            ("_fsdp_wrapped_module.l.0._fsdp_wrapped_module.w", "l.0.w"),
            ("l.0._checkpoint_wrapped_module._orig_mod.w", "l.0.w"),
            ("a.module.b", "a.module.b"),
            ("a_orig_mod.b", "a_orig_mod.b"),
            ("module", "module"),
        ):
            self.assertEqual(_names.plain(name), want)

    def test_adapters(self):
        for name, want in (
            ("q.lora_A.default.weight", "q.lora_A.weight"),
            ("q.lora_B.other.weight", "q.lora_B.other.weight"),
            ("e.lora_embedding_A.default", "e.lora_embedding_A"),
            ("q.lora_magnitude_vector.default.weight", "q.lora_magnitude_vector"),
            ("q.hra_u.default", "q.hra_u"),
            ("norm.ln_tuning_layers.default.weight", "norm.ln_tuning_layers.weight"),
            ("head.modules_to_save.default.weight", "head.weight"),
            ("head.original_module.weight", "head.original_module.weight"),
            ("default.weight", "default.weight"),
        ):
            self.assertEqual(_names.in_file(name), want)
        self.assertEqual(_names.in_file("q.lora_B.other.weight", "other"), "q.lora_B.weight")

    def test_match(self):
        both = ["a", "module.a", "b"]
        self.assertEqual(_names.match(both, ["a", "module.a"]), ({"a": "a", "module.a": "module.a"}, ["b"]))
        self.assertEqual(_names.match(["a", "b"], ["module.a", "module.b"]), ({"module.a": "a", "module.b": "b"}, []))  # a base of a wrapped model
        self.assertEqual(_names.match(["module.x"], ["a"]), ({}, ["module.x"]))
        with self.assertRaisesRegex(LayoutError, "'module.a' and '_orig_mod.a' are both 'a'"):
            _names.match(["module.a", "_orig_mod.a"], ["a"])
        inside = ["q.base_layer.weight", "q.lora_A.default.weight", "h.original_module.weight", "h.modules_to_save.default.weight", "embed.weight"]
        want = {"q.lora_A.weight": "q.lora_A.default.weight", "h.weight": "h.modules_to_save.default.weight"}
        self.assertEqual(_names.match(inside, want), (want, []))


class TestPlainModel(Folder):
    def test_dicts(self):
        for framework in FRAMEWORKS:
            with self.subTest(framework):
                safetensors.save_file({"w": array("f", [1, 2]), "b": array("f", [3])}, self.base)
                model = {"w": array("d", [0, 0]), "b": array("f", [0])}
                if framework == "numpy":
                    model = {"w": numpy.zeros(2, "f8"), "b": numpy.zeros(1, "f4")}
                if framework == "torch":
                    model = {"w": torch.zeros(2, dtype=torch.float64), "b": torch.zeros(1)}
                held = model["w"]
                weft.load(model, self.receive(framework))
                self.assertIs(model["w"], held)
                self.assertEqual({n: list(map(float, t)) for n, t in model.items()}, {"w": [1, 2], "b": [3]})
                self.assertEqual(set(weft.state_dict(model)), {"w", "b"})
                for wrong, words in (
                    ({"w": held}, "'b' of the base is not in the model"),
                    ({**model, "c": type(held)("f", [1]) if isinstance(held, array) else held + 1}, "'c' of the model is not in the base.*strict=False"),
                    ({**model, "b": held}, r"'b' has shape \(2,\), the base has \(1,\)"),
                ):
                    with self.assertRaisesRegex(LayoutError, words):
                        weft.load(wrong, self.receive(framework))
                weft.load({**model, "c": held}, self.receive(framework), strict=False)


@unittest.skipIf(torch is None, "no torch")
class TestTorchModel(Folder):
    def network(self):
        return torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 1))

    def wrapped(self, model):
        class OptimizedModule(torch.nn.Module):  # torch.compile's, which this torch may lack
            def __init__(self, inner):
                super().__init__()
                self._orig_mod = inner

        class Checkpointed(torch.nn.Module):
            def __init__(self, inner):
                super().__init__()
                self._checkpoint_wrapped_module = inner

        yield model
        yield torch.nn.DataParallel(model)
        yield OptimizedModule(model)
        yield OptimizedModule(torch.nn.DataParallel(model))
        yield torch.nn.DataParallel(OptimizedModule(model))
        yield torch.nn.Sequential(Checkpointed(model[0]), model[1], OptimizedModule(model[2]))

    def test_wrappers(self):
        """The base's names are plain, whatever wraps the model; it is loaded in place."""
        first = self.network()
        weft.save(first, self.base)
        self.assertEqual(set(safetensors.read_header(self.base)), set(first.state_dict()))
        want = {n for n, t in first.state_dict().items() if t.is_floating_point()}
        for wrapped in self.wrapped(self.network()):
            with self.subTest(type(wrapped).__name__):
                places = [p.data_ptr() for p in wrapped.parameters()]
                with torch.no_grad():
                    for p in wrapped.parameters():
                        p.zero_()
                task = self.receive()
                weft.load(wrapped, task)
                self.assertEqual([p.data_ptr() for p in wrapped.parameters()], places)
                for p, q in zip(wrapped.parameters(), first.parameters()):
                    self.assertTrue(torch.equal(p, q))
                with torch.no_grad():
                    for p in wrapped.parameters():
                        p += 1
                for given in (weft.state_dict(wrapped), wrapped.state_dict()):  # today's loop has prefixed names
                    got, metrics, said = self.sent(self.receive(), given)
                    self.assertEqual((set(got), metrics, said), (want, {}, []))
                    self.assertTrue(torch.equal(got["0.bias"], first[0].bias.data + 1))

    def test_dtype_and_counters_stay(self):
        """A model of another dtype is loaded; what is no weight is the site's own, if the run began without."""
        first = self.network()
        safetensors.save_file(weft.state_dict(first), self.base)
        model = self.network().double()
        model[1].num_batches_tracked += 7
        weft.load(model, self.receive())
        self.assertEqual({p.dtype for p in model.parameters()}, {torch.float64})
        self.assertEqual(int(model[1].num_batches_tracked), 7)
        self.assertTrue(torch.equal(model[0].weight.float(), safetensors.load_file(self.base)["0.weight"]))

    def test_constants(self):
        """What a run's model has beside its weights comes with every task, with all names of tied weights, and is in no update."""

        class Tied(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.norm = torch.nn.BatchNorm1d(2)
                self.register_buffer("mask", torch.tensor([True, False]))
                self.embed, self.head = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
                self.head.weight = self.embed.weight

        first = Tied()
        first.norm.num_batches_tracked += 5
        weft.save(first, self.path)
        self.assertEqual(safetensors.open_file(self.path).metadata["head.weight"], "embed.weight")
        self.base, beside = split(self.path, self.dir)
        task = self.receive(**beside)
        self.assertEqual(set(task.params), set(first.state_dict()))
        for framework in FRAMEWORKS:
            self.assertEqual(set(self.receive(framework, **beside).params), set(task.params))
        model = Tied()
        model.mask.zero_()
        model.load_state_dict(task.params)  # strictly
        self.assertEqual((int(model.norm.num_batches_tracked), model.mask.tolist()), (5, [True, False]))
        model = Tied()
        weft.load(model, task)
        self.assertEqual(int(model.norm.num_batches_tracked), 5)
        self.assertTrue(torch.equal(model.head.weight, first.embed.weight))
        weft.load(torch.nn.ModuleDict({"embed": model.embed, "head": model.head, "norm": model.norm}), task)  # a model without the mask

        sent = {n: t + 1 if t.is_floating_point() else t for n, t in task.params.items()}  # tied no more
        got, _, said = self.sent(self.receive(**beside), sent)
        self.assertEqual((set(got), said), (set(safetensors.read_header(self.base)), []))
        self.sent(self.receive(**beside), {n: t + 0.5 for n, t in task.params.items()})  # whatever becomes of the constants
        other = {n: t for n, t in sent.items() if n != "embed.weight"}  # under the other name alone
        got, _, _ = self.sent(self.receive(**beside), other)
        self.assertTrue(torch.equal(got["embed.weight"], sent["head.weight"]))

    def test_narrow_training_is_plain_training(self):
        """Also of a model in bfloat16 in a run whose models are float32: four rounds of five steps are twenty, bit for bit."""

        def made():
            torch.manual_seed(1)
            model = torch.nn.Linear(4, 3).bfloat16()
            return model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

        def steps(n, model, optimizer):
            for _ in range(n):
                optimizer.zero_grad()
                model(torch.ones(2, 4, dtype=torch.bfloat16)).float().pow(2).mean().backward()
                optimizer.step()

        plain, optimizer = made()
        safetensors.save_file({n: t.float() for n, t in plain.state_dict().items()}, self.base)
        steps(20, plain, optimizer)
        node = OneSite(self.base, 4)
        self.addCleanup(node.close)
        model, optimizer = made()
        for _ in _loop.run(weft.Client(node.path, "torch"), Work(model, optimizer, None, 1, None, None, "keep", "auto", True)):
            steps(5, model, optimizer)
        got = safetensors.load_file(node.base, "torch")
        self.assertEqual(len(node.updates), 4)
        for name, want in plain.state_dict().items():
            self.assertTrue(torch.equal(got[name], want.float()), name)

    def test_strict(self):
        weft.save(self.network(), self.base)
        bigger = torch.nn.Sequential(*self.network(), torch.nn.Linear(1, 1))
        with self.assertRaisesRegex(LayoutError, "'3.weight' of the model is not in the base"):
            weft.load(bigger, self.receive())
        weft.load(bigger, self.receive(), strict=False)
        with self.assertRaisesRegex(LayoutError, "'2.bias' of the base is not in the model"):
            weft.load(self.network()[:2], self.receive(), strict=False)
        with self.assertRaisesRegex(TypeError, "the model is a list"):
            weft.load([], self.receive())

    def tied(self):
        class Tied(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.embed = torch.nn.Embedding(5, 3)
                self.head = torch.nn.Linear(3, 5, bias=False)
                self.head.weight = self.embed.weight
                self.register_buffer("scale", torch.tensor(2.0))
                self.register_buffer("position", torch.arange(4))
                self.register_buffer("scratch", torch.zeros(2), persistent=False)

        return Tied()

    def test_tied_weights(self):
        """They travel once, under the first name, and the file says the other one as safetensors' tools do."""
        model = self.tied()
        self.assertEqual(list(weft.state_dict(model)), ["embed.weight", "scale"])
        weft.save(model, self.base)
        with open(self.base, "rb") as f:
            header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
        self.assertEqual(header["__metadata__"], {"format": "pt", "head.weight": "embed.weight"})
        again = self.tied()
        weft.load(again, self.receive())
        self.assertTrue(torch.equal(again.head.weight, model.embed.weight))
        with torch.no_grad():
            again.head.weight += 1
        for given in (again.state_dict(), weft.state_dict(again)):
            got, _, said = self.sent(self.receive(), given)
            self.assertEqual((set(got), said), ({"embed.weight", "scale"}, []))
            self.assertTrue(torch.equal(got["embed.weight"], model.embed.weight + 1))
        self.assertEqual(got["scale"].shape, ())
        # A base that has the other name, as Hugging Face's checkpoints may, or both.
        for names in (["head.weight"], ["head.weight", "embed.weight"]):
            safetensors.save_file({"scale": torch.tensor(2.0), **{n: torch.ones(5, 3) for n in names}}, self.base)
            task = self.receive()
            weft.load(again, task)
            self.assertEqual(float(again.embed.weight.sum()), 15)
            with torch.no_grad():
                again.embed.weight += 1
            got, _, _ = self.sent(task, again.state_dict())
            self.assertEqual({n: float(t.sum()) for n, t in got.items()}, {"scale": 2.0, **dict.fromkeys(names, 30.0)})

    def test_a_child_called_module(self):
        """Not every module. is a wrapper's."""
        for both in (False, True):
            model = torch.nn.Module()
            model.module = torch.nn.Linear(2, 1)
            if both:
                model.weight = torch.nn.Parameter(torch.ones(3))
            weft.save(model, self.base)
            self.assertEqual(len(safetensors.read_header(self.base)), 2 + both)
            with torch.no_grad():
                model.module.weight += 1
            got, _, said = self.sent(self.receive(), model.state_dict())
            self.assertEqual((len(got), said), (2 + both, []))
            weft.load(model, got)
            safetensors.save_file(model.state_dict(), self.base)
            weft.load(model, self.receive())
            self.assertEqual(set(safetensors.read_header(self.base)), set(self.sent(self.receive(), weft.state_dict(model))[0]))

    def test_adapters(self):
        """A PEFT model: the adapter alone, under the names of its files. (PEFT's own names, played by modules.)"""

        class Layer(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.base_layer = torch.nn.Linear(4, 4)
                self.lora_A = torch.nn.ModuleDict({"mine": torch.nn.Linear(4, 2, bias=False)})
                self.lora_B = torch.nn.ModuleDict({"mine": torch.nn.Linear(2, 4, bias=False)})

        class PeftModel(torch.nn.Module):
            peft_config = {"mine": None}
            active_adapter = "mine"

            def __init__(self):
                super().__init__()
                self.q = Layer()
                self.norm = torch.nn.LayerNorm(4)

        model, names = PeftModel(), {"q.lora_A.weight", "q.lora_B.weight"}
        with self.assertRaisesRegex(LayoutError, "(?s)'q.base_layer.weight' is trained and is not known to be of adapter mine.*modules_to_save"):
            weft.state_dict(model)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_("lora_" in name)
        self.assertEqual(set(weft.state_dict(model)), names)
        self.assertIn("norm.weight", weft.state_dict(model, "all"))
        with self.assertRaisesRegex(LayoutError, "has no adapter"):
            weft.state_dict(self.network(), "adapter")
        weft.save(model, self.base)
        again = PeftModel()
        weft.load(again, self.receive())
        self.assertTrue(torch.equal(again.q.lora_A["mine"].weight, model.q.lora_A["mine"].weight))
        self.assertFalse(torch.equal(again.q.base_layer.weight, model.q.base_layer.weight))
        tensors = safetensors.load_file(self.base)
        safetensors.save_file({n: t for n, t in tensors.items() if "lora_A" in n}, self.base)
        with self.assertRaisesRegex(LayoutError, "'q.lora_B.mine.weight' of the model is not in the base"):
            weft.load(again, self.receive())

    def test_without_memory_of_their_own(self):
        """Refused by name, with the call that helps: no hang, no crash."""

        class Quantized(torch.Tensor):
            @staticmethod
            def __new__(cls, shape):
                return torch.Tensor._make_wrapper_subclass(cls, shape, dtype=torch.float32)

            @classmethod
            def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
                raise NotImplementedError(func)

        class DTensor(torch.Tensor):
            device_mesh, placements = "mesh", ()

        odd = {
            "DTensor.*get_model_state_dict": torch.zeros(2, 2).as_subclass(DTensor),
            "Quantized.*dequantize": Quantized((2, 2)),
            "meta tensor.*values first": torch.zeros(2, 2, device="meta"),
            "sparse_coo.*to_dense": torch.zeros(2, 2).to_sparse(),
            "Uninitialized.*run a batch": torch.nn.parameter.UninitializedParameter(),
        }
        if hasattr(torch, "nested"):
            odd["nested tensor.*to_padded_tensor"] = torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])
        safetensors.save_file({"w": torch.zeros(2, 2)}, self.base)
        for words, value in odd.items():
            with self.subTest(words):
                with self.assertRaisesRegex(LayoutError, f"tensor 'w' is a .*{words}"):
                    safetensors.save_file({"w": value}, self.path)
                with self.assertRaisesRegex(LayoutError, f"tensor 'w' is a .*{words}"):
                    self.receive().send({"w": value}, samples=1)
        own = torch.ones(2, 2).as_subclass(type("Own", (torch.Tensor,), {}))
        self.assertEqual(float(self.sent(self.receive(), {"w": own})[0]["w"].sum()), 4)


class TestDTypes(Folder):
    def test_foreign_files_are_read(self):
        """A checkpoint of the field, which a run cannot have as it is, is read and saved so that it can."""
        values = {"F64": [1 / 3, 2.0], "I64": [-5, 6], "I32": [1, -2], "U8": [0, 255], "BOOL": [True, False], "I16": [-3, 4], "F32": [0.5, 1.5]}
        header, data = {}, b""
        for dtype, numbers in values.items():
            code = {"BOOL": "?"}.get(dtype, _arrays.DTYPES[dtype].code)
            raw = struct.pack(f"<2{code}", *numbers)
            header[dtype] = {"dtype": dtype, "shape": [2], "data_offsets": [len(data), len(data) + len(raw)]}
            data += raw
        text = json.dumps(header).encode()
        with open(self.base, "wb") as f:
            f.write(len(text).to_bytes(8, "little") + text + data)
        for framework in FRAMEWORKS:
            with self.subTest(framework):
                got = safetensors.load_file(self.base, framework)
                self.assertEqual({n: t.tolist() for n, t in got.items()}, values)
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    safetensors.save_file(got, self.path)
                said = [str(w.message) for w in caught]
                error = abs(1 / 3 - struct.unpack("f", struct.pack("f", 1 / 3))[0])
                self.assertEqual(said, [f"float64 becomes float32: F64; the largest error is {error:.3g}, in 'F64'"])
                self.assertEqual({n: i.dtype for n, i in safetensors.read_header(self.path).items()}, {n: n.replace("F64", "F32") for n in values})

    def test_eight_bit_floats(self):
        with open(self.path, "wb") as f:
            text = b'{"w":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}'
            f.write(len(text).to_bytes(8, "little") + text + b"\0")
        with self.assertRaisesRegex(LayoutError, "dtype 'F8_E4M3'.*floats of 8 bits and fewer cannot be averaged: convert the weights to bfloat16"):
            safetensors.load_file(self.path)
        if torch is not None and hasattr(torch, "float8_e4m3fn"):
            with self.assertRaisesRegex(LayoutError, "'w' is float8_e4m3fn; hint: floats of 8 bits"):
                safetensors.save_file({"w": torch.zeros(1).to(torch.float8_e4m3fn)}, self.path)

    def test_a_torch_save_file(self):
        with open(self.path, "wb") as f:
            f.write(b"PK\3\4" + b"\0" * 300)
        with self.assertRaisesRegex(LayoutError, r"is a zip archive, as torch.save writes; hint: convert it: weft.safetensors.save_file\(torch.load"):
            safetensors.load_file(self.path)

    def test_bfloat16_without_torch(self):
        """It stays what it is: to float32 exactly, and back to the same bytes."""
        bits = struct.pack("<4H", 0x3F80, 0x3F81, 0x0001, 0xFF7F)
        text = b'{"w":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]}}'
        with open(self.base, "wb") as f:
            f.write(len(text).to_bytes(8, "little") + text + bits)
        for framework in FRAMEWORKS:
            task = self.receive(framework)
            self.sent(task, task.params)
            with open(self.node.calls[-1][2]["update"], "rb") as f:
                self.assertTrue(f.read().endswith(bits), framework)


class TestChange(Folder):
    """Nobody trains for nothing in silence."""

    def write(self, dtype, values):
        size = 4 if dtype == "F32" else 2
        text = json.dumps({"w": {"dtype": dtype, "shape": [len(values)], "data_offsets": [0, size * len(values)]}}).encode()
        like = {"w": safetensors.TensorInfo(dtype, (len(values),), 0, 0)}
        self.assertTrue(text)
        safetensors.save_file({"w": array("f", values)}, self.base, like=like)

    def tensor(self, framework, values):
        return torch.tensor(values) if framework == "torch" else numpy.array(values, "f4") if framework == "numpy" else array("f", values)

    def test_rounded_away(self):
        for framework in FRAMEWORKS:
            for dtype, step, share in (("BF16", 0.002, 100), ("F16", 0.0001, 100), ("BF16", 0.02, 0), ("F16", 0.02, 0), ("F32", 0.0001, 0)):
                with self.subTest(dtype=dtype, step=step, framework=framework):
                    self.write(dtype, [1.0] * 8)
                    _, metrics, said = self.sent(self.receive(framework), {"w": self.tensor(framework, [1 + step] * 8)})
                    self.assertEqual(metrics, {"unchanged": 1.0} if share else {})
                    self.assertEqual(len(said), 1 if share else 0, said)
                    if share:
                        self.assertIn(f"round 3: {share}% of the changes were lost to rounding: 8 of 8 values that changed are", said[0])
                        self.assertIn(f"in the base, which is {dtype}; hint: open the run with dtype: f32, as it is", said[0])
            self.write("BF16", [1.0] * 8)  # most, and some
            for lost, words in ((5, "round 3: 62% of the changes"), (4, None)):
                _, metrics, said = self.sent(self.receive(framework), {"w": self.tensor(framework, [1.002] * lost + [1.5] * (8 - lost))})
                self.assertEqual((metrics, bool(said)), ({}, words is not None))
                self.assertTrue(not said or words in said[0], said)

    def test_a_narrow_model_of_a_wide_run(self):
        """What loading rounds away is no change of the site's: it comes back with the update, whatever was trained."""
        made = {}
        if torch is not None:
            made |= {"BF16": lambda: torch.zeros(3, dtype=torch.bfloat16), "F16 torch": lambda: torch.zeros(3, dtype=torch.float16)}
        if numpy is not None:
            made["F16"] = lambda: numpy.zeros(3, "f2")
        f4 = lambda x: struct.unpack("f", struct.pack("f", x))[0]
        small, step = f4(1.0001), 0.0625
        for kind, make in made.items():
            with self.subTest(kind):
                self.write("F32", [small, 1.0, -small])
                model = {"w": make()}
                weft.load(model, self.receive("numpy" if kind == "F16" else "torch"))
                self.assertEqual(model["w"].tolist(), [1.0, 1.0, -1.0])
                got, metrics, _ = self.sent(self.receive(), model)
                self.assertEqual((got["w"].tolist(), metrics), ([small, 1.0, -small], {"unchanged": 1.0}))
                model["w"][:2] += step
                got, metrics, said = self.sent(self.receive(), model)
                self.assertEqual((got["w"].tolist(), metrics, said), ([f4(small + step), 1 + step, -small], {}, []))
                model["w"][0] = float("inf")
                with self.assertRaisesRegex(LayoutError, "'w' has values that are NaN"):
                    self.receive().send(model, samples=1)

    def test_equal_to_its_base(self):
        for framework in FRAMEWORKS:
            for dtype in ("F32", "BF16"):
                with self.subTest(dtype=dtype, framework=framework):
                    self.write(dtype, [0.5, -1.5])
                    task = self.receive(framework)
                    _, metrics, said = self.sent(task, task.params, metrics={"loss": 1})
                    self.assertEqual(metrics, {"loss": 1.0, "unchanged": 1.0})
                    self.assertIn("round 3: the update equals its base: nothing was trained", said[0])
                    self.assertEqual("too small for BF16" in said[0], dtype == "BF16")
                    task = self.receive(framework)
                    task.params["w"][1] = 2.0  # trained in place: not the base that it is compared with
                    _, metrics, said = self.sent(task, task.params)
                    self.assertEqual((metrics, said), ({}, []))
        self.write("F32", [0.5])
        task = self.receive()
        _, metrics, _ = self.sent(task, task.params, metrics={f"m{i}": i for i in range(16)})
        self.assertNotIn("unchanged", metrics)  # no room for it
        self.assertTrue(math.isfinite(metrics["m15"]))


if __name__ == "__main__":
    unittest.main()
