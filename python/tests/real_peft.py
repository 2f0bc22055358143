"""The newest PEFT, transformers and safetensors themselves: make frameworks."""

import os
import pathlib
import re
import socket
import subprocess
import tempfile
import time
import unittest
import warnings
from importlib import metadata

import tomllib
import torch
from packaging.requirements import Requirement
from peft import (
    AdaLoraConfig,
    BOFTConfig,
    C3AConfig,
    FourierFTConfig,
    HiraConfig,
    HRAConfig,
    IA3Config,
    LNTuningConfig,
    LoHaConfig,
    LoKrConfig,
    LoraConfig,
    MissConfig,
    OFTConfig,
    PeftModel,
    PrefixTuningConfig,
    PromptEncoderConfig,
    PromptTuningConfig,
    RandLoraConfig,
    ShiraConfig,
    VBLoRAConfig,
    VeraConfig,
    get_peft_model,
    get_peft_model_state_dict,
)
from safetensors.torch import load_file, load_model
from support import ROOT, OneSite, environment, weft_program
from test_model import Folder
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

import weft
from weft import LayoutError, _session, safetensors

TARGETS = ["q_proj", "v_proj"]
ADAPTERS = {
    "LoRA": lambda: LoraConfig(r=2, target_modules=TARGETS),
    "LoRA and a whole module": lambda: LoraConfig(r=2, target_modules=TARGETS, modules_to_save=["lm_head"]),
    "LoRA of an embedding": lambda: LoraConfig(r=2, target_modules=["embed_tokens", "q_proj"]),
    "LoRA and tokens": lambda: LoraConfig(r=2, target_modules=TARGETS, trainable_token_indices=[1, 2]),
    "DoRA": lambda: LoraConfig(r=2, target_modules=TARGETS, use_dora=True),
    "AdaLoRA": lambda: AdaLoraConfig(init_r=2, target_r=2, total_step=10, target_modules=TARGETS),
    "IA3": lambda: IA3Config(target_modules=[*TARGETS, "down_proj"], feedforward_modules=["down_proj"]),
    "LoHa": lambda: LoHaConfig(r=2, target_modules=TARGETS),
    "LoKr": lambda: LoKrConfig(r=2, target_modules=TARGETS),
    "OFT": lambda: OFTConfig(r=2, oft_block_size=0, target_modules=TARGETS),
    "BOFT": lambda: BOFTConfig(boft_block_size=2, target_modules=TARGETS),
    "HRA": lambda: HRAConfig(r=2, target_modules=TARGETS),
    "norms": lambda: LNTuningConfig(target_modules=["norm"]),
    "FourierFT": lambda: FourierFTConfig(n_frequency=4, target_modules=TARGETS),
    "VeRA": lambda: VeraConfig(r=2, target_modules=TARGETS),
    "VB-LoRA": lambda: VBLoRAConfig(r=2, num_vectors=4, vector_length=16, topk=2, target_modules=TARGETS),
    "MiSS": lambda: MissConfig(r=2, target_modules=TARGETS),
    "C3A": lambda: C3AConfig(block_size=8, target_modules=TARGETS),
    "SHiRA": lambda: ShiraConfig(r=2, random_seed=1, target_modules=TARGETS),
    "RandLoRA": lambda: RandLoraConfig(r=2, target_modules=TARGETS),
    "prompt tuning": lambda: PromptTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"),
    "prefix tuning": lambda: PrefixTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"),
}

# The prompt in PEFT's file is computed of what is trained.
COMPUTED = {
    "prefix tuning with a projection": lambda: PrefixTuningConfig(num_virtual_tokens=3, prefix_projection=True, encoder_hidden_size=8, task_type="CAUSAL_LM"),
    "p-tuning": lambda: PromptEncoderConfig(num_virtual_tokens=3, encoder_hidden_size=8, task_type="CAUSAL_LM"),
    "p-tuning with an LSTM": lambda: PromptEncoderConfig(
        num_virtual_tokens=3, encoder_hidden_size=8, encoder_reparameterization_type="LSTM", encoder_dropout=0, task_type="CAUSAL_LM"
    ),
}
# Tied embeddings, as most language models have them.
TIED = {
    "LoRA, tied": ADAPTERS["LoRA"],
    "LoRA of a tied embedding": ADAPTERS["LoRA of an embedding"],
    "LoRA and a head that was tied": ADAPTERS["LoRA and a whole module"],
    "LoRA and embeddings that stay tied": lambda: LoraConfig(r=2, target_modules=TARGETS, modules_to_save=["embed_tokens"], ensure_weight_tying=True),
    "LoRA and tokens, tied": ADAPTERS["LoRA and tokens"],
    "prompt tuning, tied": ADAPTERS["prompt tuning"],
}
# PEFT's own ways of writing what weft leaves out: shared matrices again at each layer, places that follow from the seed.
LEFT_OUT = re.compile(r".*\.model\..*\.randlora_[AB]|.*\.shira_indices")


def llama(tied=False, bias=False):
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=32, tie_word_embeddings=tied, attention_bias=bias, **sizes))


def gpt2():
    return GPT2LMHeadModel(GPT2Config(vocab_size=16, n_positions=8, n_embd=8, n_layer=1, n_head=2))


class Node:
    """A mesh of one site, whose trainer idles, so that the model that a run begins with is its model."""

    def __init__(self, test, folder):
        self._test, self._program, self._runs = test, weft_program(test), 0
        os.mkdir(folder)
        self._dir, self._env = folder, environment(WEFT_DIR=folder + "/site")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.weft("init", "--name", "a", "--listen", f"/ip4/127.0.0.1/tcp/{port}", "--exec", "sleep 600")
        self.weft("mesh", "create", "m", "--site", self.weft("id").strip(), "-o", "m.weft")
        log = open(folder + "/log", "w")
        test.addCleanup(log.close)
        node = subprocess.Popen([self._program, "up"], cwd=folder, env=self._env, stdout=log, stderr=log)
        test.addCleanup(node.wait, 60)
        test.addCleanup(node.terminate)
        end = time.monotonic() + 60
        while not self._is_up():
            test.assertLess(time.monotonic(), end, pathlib.Path(folder, "log").read_text())
            time.sleep(0.05)

    def _is_up(self):
        try:
            return weft.mesh(self._dir + "/site").status()
        except (weft.Error, OSError):
            return False

    def weft(self, *args):
        done = subprocess.run([self._program, *args], cwd=self._dir, env=self._env, capture_output=True, text=True, timeout=60)
        self._test.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def exported(self, tensors, said):
        self._runs += 1
        name = f"run-{self._runs}"
        safetensors._write_fresh(tensors, f"{self._dir}/{name}.safetensors", {k: v for k, v in said.items() if k != "format"})
        pathlib.Path(self._dir, "run.yaml").write_text(f"name: {name}\nrounds: 1\nmin_sites: 1\nmodel: {{file: {name}.safetensors}}\n")
        self.weft("run", "start", "run.yaml")
        self.weft("model", "export", "0", "--run", name, "--peft", name)
        self.weft("run", "stop", name)  # a node has 16 open runs at most
        return f"{self._dir}/{name}"


class TestAdapters(Folder):
    def setUp(self):
        super().setUp()
        self.node = None
        ignored = warnings.catch_warnings()
        ignored.__enter__()
        self.addCleanup(ignored.__exit__, None, None, None)
        warnings.simplefilter("ignore")  # PEFT's, of adapters that are odd to train

    def test_names(self):
        """Of each kind, and of an adapter with a name of its own, what PEFT's file has."""
        for kind, config in ADAPTERS.items():
            for adapter in ("default", "mine"):
                with self.subTest(kind, adapter=adapter):
                    model = get_peft_model(llama(), config(), adapter_name=adapter)
                    want = get_peft_model_state_dict(model, adapter_name=adapter, save_embedding_layers=False)
                    got = weft.state_dict(model)
                    want = {name: tensor for name, tensor in want.items() if not LEFT_OUT.fullmatch(name)}
                    self.assertEqual(set(got), set(want))
                    for name, tensor in want.items():
                        self.assertTrue(torch.equal(got[name], tensor), name)

    def test_a_round(self):
        """Site to site: trained as a DDP of a compiled model would hand it over, loaded by PEFT."""
        for kind in ("LoRA", "LoRA and a whole module", "DoRA", "IA3"):
            with self.subTest(kind):
                model = get_peft_model(llama(), ADAPTERS[kind]())
                weft.save(model, self.base)
                compiled = torch.compile(model, backend="eager")
                task = self.receive()
                weft.load(compiled, task)
                with torch.no_grad():
                    for parameter in compiled.parameters():
                        if parameter.requires_grad:
                            parameter += 0.5
                folder = os.path.join(self.dir, kind)
                model.save_pretrained(folder, save_embedding_layers=False)
                want = load_file(folder + "/adapter_model.safetensors")
                for given in (weft.state_dict(compiled), compiled.state_dict()):
                    got, _, said = self.sent(self.receive(), given)
                    self.assertEqual((set(got), said), (set(want), []))
                    self.assertTrue(all(torch.equal(got[name], want[name]) for name in want))
                safetensors.save_file(got, folder + "/adapter_model.safetensors")
                again = PeftModel.from_pretrained(llama(), folder)
                tokens = torch.arange(8)[None]
                self.assertTrue(torch.equal(again(tokens).logits, model.eval()(tokens).logits))

    def test_configuration(self):
        """It goes with the weights: a folder of PEFT's is made from the run's model, and an adapter of another meaning is refused."""
        model = get_peft_model(llama(), LoraConfig(r=2, lora_alpha=16, target_modules=TARGETS))
        weft.save(model, self.base)
        (config,) = [v for k, v in safetensors.open_file(self.base).metadata.items() if k == "adapter_config.json"]
        folder = os.path.join(self.dir, "peft")
        os.mkdir(folder)
        os.link(self.base, folder + "/adapter_model.safetensors")
        with open(folder + "/adapter_config.json", "w") as f:
            f.write(config)
        again, tokens = PeftModel.from_pretrained(llama(), folder), torch.arange(8)[None]
        self.assertTrue(torch.equal(again(tokens).logits, model.eval()(tokens).logits))
        other = get_peft_model(llama(), LoraConfig(r=2, lora_alpha=32, target_modules=TARGETS))
        with self.assertRaisesRegex(LayoutError, "(?s)lora_alpha 32, the run's 16.*with the run's configuration"):
            weft.load(other, self.receive(adapter=config))
        weft.load(get_peft_model(llama(), LoraConfig(r=2, lora_alpha=16, lora_dropout=0.5, target_modules=TARGETS)), self.receive(adapter=config))

    def trained(self, model):
        """The file of the model after two rounds of a site, and what it says beside its tensors; the trainer's model, as it then is."""
        weft.save(model, self.base)
        said = safetensors.open_file(self.base).metadata
        node = OneSite(self.base, 2, adapter=said["adapter_config.json"])
        self.addCleanup(node.close)
        os.environ["WEFT_SOCKET"] = node.path
        self.addCleanup(os.environ.pop, "WEFT_SOCKET", None)
        self.addCleanup(setattr, _session, "_client", None)
        _session._client = None
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1)
        for _ in weft.tasks(model, optimizer, samples=8):
            model.train()
            rows = torch.arange(8).reshape(2, 4)
            model(rows, labels=rows).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        self.assertEqual(len(node.updates), 2)
        first, last = safetensors.load_file(self.base), safetensors.load_file(node.base)
        self.assertTrue(any(not torch.equal(first[name], last[name]) for name in last), "nothing was learnt")
        return node.base, said

    def folder(self, file, said):
        """The folder of PEFT that a node's `weft model export --peft` makes of a run's model."""
        if self.node is None:
            self.node = Node(self, self.dir + "/node")
        return self.node.exported(safetensors.load_file(file), said)

    def assert_same(self, folder, model, tied=False):
        again, tokens = PeftModel.from_pretrained(llama(tied), folder), torch.arange(8)[None]
        want = model.eval()(tokens).logits  # with gradients: without them an LSTM's sums are others
        self.assertTrue(torch.equal(again(tokens).logits, want))
        self.assertFalse(torch.equal(llama(tied).eval()(tokens).logits, want))

    def test_export(self):
        """Of each kind: trained, averaged, exported, and PEFT's own loader makes the trainer's model of it, to the bit."""
        for kind, config in (ADAPTERS | TIED).items():
            for adapter in ("default", "mine") if kind in ("LoRA and a whole module", "prompt tuning") else ("default",):
                with self.subTest(kind, adapter=adapter):
                    model = get_peft_model(llama(kind in TIED), config(), adapter_name=adapter)
                    folder = self.folder(*self.trained(model))
                    self.assert_same(folder, model, kind in TIED)

    def test_several(self):
        """One of two adapters is trained and sent; the other, and another site's choice of names, are nobody's business."""
        model = get_peft_model(llama(), ADAPTERS["LoRA and a whole module"](), adapter_name="old")
        model.add_adapter("new", ADAPTERS["LoRA and a whole module"]())
        model.set_adapter("new")
        old = {name: tensor.clone() for name, tensor in get_peft_model_state_dict(model, adapter_name="old", save_embedding_layers=False).items()}
        self.assert_same(self.folder(*self.trained(model)), model)
        for name, tensor in get_peft_model_state_dict(model, adapter_name="old", save_embedding_layers=False).items():
            self.assertTrue(torch.equal(old[name], tensor), name)

    def test_computed_prompts(self):
        """What the prompt is computed of is trained in common, and the script itself writes PEFT's folder."""
        for kind, config in COMPUTED.items():
            with self.subTest(kind):
                model = get_peft_model(llama(), config())
                file, said = self.trained(model)
                with self.assertRaisesRegex(AssertionError, "computed of what the run trains(?s:.*)save_pretrained"):
                    self.folder(file, said)
                other = get_peft_model(llama(), config())
                weft.load(other, safetensors.load_file(file))
                folder = tempfile.mkdtemp(dir=self.dir)
                other.save_pretrained(folder, save_embedding_layers=False)
                self.assert_same(folder, model)

    def test_refused(self):
        """By name, what would stay at the site in silence."""
        several = get_peft_model(llama(), ADAPTERS["LoRA"](), adapter_name="old")
        several.add_adapter("new", ADAPTERS["LoRA"]())
        several.base_model.set_adapter(["old", "new"])
        for words, model in (
            ("(?s)adapter default .HIRA.*params=\"all\"", get_peft_model(llama(), HiraConfig(r=2, target_modules=TARGETS))),
            ("(?s)SHIRA.*random_seed=1", get_peft_model(llama(), ShiraConfig(r=2, target_modules=TARGETS))),
            ("lora_A.new.weight' is trained.*of adapter old .LORA.", several),
            ("q_proj.base_layer.bias' is trained", get_peft_model(llama(bias=True), LoraConfig(r=2, target_modules=TARGETS, bias="lora_only"))),
        ):
            with self.subTest(words), self.assertRaisesRegex(LayoutError, words):
                weft.state_dict(model)


class TestExtras(unittest.TestCase):
    def test_bounds(self):
        """The extras' bounds hold the versions that are tested here."""
        project = tomllib.loads((ROOT / "python" / "pyproject.toml").read_text())["project"]
        extras = project["optional-dependencies"]
        self.assertEqual((project["dependencies"], set(extras)), ([], {"lightning", "torch", "transformers"}))
        for wanted in {line for extra in extras.values() for line in extra}:
            wanted = Requirement(wanted)
            self.assertIn(metadata.version(wanted.name), wanted.specifier, wanted)


class TestTied(Folder):
    def test_round_trip(self):
        """safetensors loads strictly what the package saves, also of a model that was trained and sent."""
        model = gpt2()
        self.assertIs(model.lm_head.weight, model.transformer.wte.weight)
        weft.save(model, self.base)
        again = gpt2()
        self.assertEqual(load_model(again, self.base, strict=True), (set(), []))
        self.assertTrue(all(torch.equal(p, q) for p, q in zip(again.parameters(), model.parameters())))
        task = self.receive()
        weft.load(again, task)
        with torch.no_grad():
            again.lm_head.weight += 1
        got, _, said = self.sent(task, again.state_dict())
        self.assertEqual((set(got), said), (set(task.params), []))
        weft.load(model, got)
        self.assertTrue(torch.equal(model.transformer.wte.weight, again.lm_head.weight))
        weft.save(model, self.path)
        self.assertEqual(load_model(gpt2(), self.path, strict=True), (set(), []))


if __name__ == "__main__":
    unittest.main()
