"""The newest PEFT, transformers and safetensors themselves: make frameworks."""

import os
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
    HRAConfig,
    IA3Config,
    LNTuningConfig,
    LoHaConfig,
    LoKrConfig,
    LoraConfig,
    MissConfig,
    OFTConfig,
    PeftModel,
    PromptTuningConfig,
    RandLoraConfig,
    VBLoRAConfig,
    VeraConfig,
    get_peft_model,
    get_peft_model_state_dict,
)
from safetensors.torch import load_file, load_model
from support import ROOT
from test_model import Folder
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

import weft
from weft import LayoutError, safetensors

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
}


def llama():
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=32, tie_word_embeddings=False, **sizes))


def gpt2():
    return GPT2LMHeadModel(GPT2Config(vocab_size=16, n_positions=8, n_embd=8, n_layer=1, n_head=2))


class TestAdapters(Folder):
    def setUp(self):
        super().setUp()
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

    def test_unknown_kinds(self):
        """Refused: what PEFT's file has of a prompt is computed of what is trained, and RandLoRA's has shared tensors twice."""
        for config in (PromptTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"), RandLoraConfig(r=2, target_modules=TARGETS)):
            with self.assertRaisesRegex(LayoutError, "no adapter of a kind that is known"):
                weft.state_dict(get_peft_model(llama(), config))


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
