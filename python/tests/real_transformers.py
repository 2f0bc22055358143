"""The newest transformers and TRL themselves under weft.transformers.patch: make frameworks."""

import os
import tempfile
import unittest
import warnings

import torch
from peft import LoraConfig, get_peft_model
from support import OneSite, block_with, run_script
from torch.utils.data import Dataset
from transformers import EarlyStoppingCallback, LlamaConfig, LlamaForCausalLM, PrinterCallback, Trainer, TrainerCallback, TrainingArguments

import weft
import weft.transformers
from weft import _session, safetensors


class Words(Dataset):
    """Texts of a few tokens, each another."""

    def __init__(self, n):
        self.rows = torch.randint(0, 32, (n, 6), generator=torch.Generator().manual_seed(n))

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return {"input_ids": self.rows[i], "labels": self.rows[i]}


def llama(lora):
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=32, attention_dropout=0.1, **sizes))
    return get_peft_model(model, LoraConfig(r=2, lora_dropout=0.1, target_modules=["q_proj", "v_proj"])) if lora else model


class Recorded(Trainer):
    """Keeps what it trains on, at which rate."""

    def training_step(self, model, inputs, *args, **named):
        self.seen = [*getattr(self, "seen", []), (self.optimizer.param_groups[0]["lr"], inputs["input_ids"][:, 0].tolist())]
        return super().training_step(model, inputs, *args, **named)


class Site(unittest.TestCase):
    """A Trainer at a node that plays a mesh of one site."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weft-")
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        ignored = warnings.catch_warnings()
        ignored.__enter__()
        self.addCleanup(ignored.__exit__, None, None, None)
        warnings.simplefilter("ignore")  # of torch, of versions to come

    def trainer(self, lora=False, callbacks=(), data=40, **more):
        arguments = {
            "max_steps": 5, "per_device_train_batch_size": 4, "learning_rate": 1e-2, "warmup_steps": 3, "lr_scheduler_type": "cosine",
            "save_strategy": "no", "report_to": "none", "use_cpu": True, "disable_tqdm": True, "logging_steps": 2, "seed": 7, **more,
        }
        made = Recorded(
            llama(lora), TrainingArguments(self.dir + "/out", **arguments), train_dataset=Words(data), eval_dataset=Words(8), callbacks=list(callbacks)
        )
        made.remove_callback(PrinterCallback)
        return made

    def node(self, model, rounds, **more):
        base = self.dir + "/base.safetensors"
        weft.save(model, base)
        node = OneSite(base, rounds, **more)
        self.addCleanup(node.close)
        return node

    def train(self, trainer, node, **options):
        """A process of the site's."""
        os.environ["WEFT_SOCKET"] = node.path
        _session._client = None
        try:
            weft.transformers.patch(trainer, **options)
            return trainer.train()
        finally:
            del os.environ["WEFT_SOCKET"]
            _session._client = None


class TestOneSite(Site):
    """A mesh of one site is plain training, to the bit."""

    def both(self, rounds, whole, **more):
        """A training that the arguments whole say, and the same in rounds."""
        plain = self.trainer(**{**more, **whole})
        plain.train()
        trainer = self.trainer(**more)
        node = self.node(trainer.model, rounds, evaluate=True)
        self.train(trainer, node)
        want, got = weft.state_dict(plain.model), safetensors.load_file(node.base)
        self.assertEqual(set(got), set(want))
        for name, tensor in want.items():
            self.assertTrue(torch.equal(got[name], tensor), name)
        self.assertEqual(trainer.seen, plain.seen)
        self.assertEqual([u["samples"] for u in node.updates if "update" in u], [40] * rounds)
        return node, trainer

    def test_steps(self):
        node, trainer = self.both(4, {"max_steps": 20}, gradient_accumulation_steps=2, lora=True)
        trained = [u for u in node.updates if "update" in u]
        self.assertEqual({*trained[0]["metrics"]}, {"loss", "grad_norm", "learning_rate"})
        measured = [u for u in node.updates if "update" not in u]
        self.assertEqual(({*measured[0]["metrics"]}, measured[0]["samples"], len(measured)), ({"loss"}, 8, 4))
        self.assertEqual(len({u["metrics"]["loss"] for u in measured}), 4)
        self.assertEqual([(p["step"], p["steps"]) for p in node.progress][-1], (5, 5))
        self.assertEqual(trainer.state.global_step, 20)

    def test_passes(self):
        """Rounds of whole epochs, in which the Trainer evaluates and saves at the end of each."""
        more = {"max_steps": -1, "num_train_epochs": 1, "eval_strategy": "epoch", "save_strategy": "epoch", "save_total_limit": 1}
        node, trainer = self.both(3, {"num_train_epochs": 3}, **more)
        self.assertIn("local_loss", [u for u in node.updates if "update" in u][0]["metrics"])
        # What was evaluated and saved at a round's end is this site's training, not the model of the next round.
        logged = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
        self.assertEqual(len(logged), 5)
        self.assertEqual(logged[0], logged[1])  # of one site they are one

    def test_half_passes(self):
        self.both(4, {"num_train_epochs": 2}, max_steps=-1, num_train_epochs=0.5)


class TestRounds(Site):
    def test_moments(self):
        for state, want in (("keep", 15), ("reset", 5)):
            with self.subTest(state):
                trainer = self.trainer()
                self.train(trainer, self.node(trainer.model, 3), state=state)
                moments = next(iter(trainer.optimizer.state.values()))
                self.assertEqual(int(moments["step"]), want)

    def test_another_process(self):
        """It goes on with schedule and moments where the run is, and with other batches."""
        first = self.trainer()
        node = self.node(first.model, 2)
        self.train(first, node)
        node.rounds = 4
        node.more["rounds"] = 4
        second = self.trainer()
        self.train(second, node)
        whole = self.trainer(max_steps=20)
        whole.train()
        self.assertEqual([rate for rate, _ in second.seen], [rate for rate, _ in whole.seen][10:])
        self.assertEqual(int(next(iter(second.optimizer.state.values()))["step"]), 20)
        self.assertNotEqual([rows for _, rows in second.seen][:5], [rows for _, rows in first.seen][:5])

    def test_cancelled(self):
        """A round that is over without this site is left, and the next begins from its model."""
        node = None

        class Late(TrainerCallback):
            def on_step_begin(self, args, state, control, **_):
                node.wanted = state.global_step != 7 or node.round != 2
                if not node.wanted:
                    node.round = 3  # the others have ended it

        trainer = self.trainer(callbacks=[Late()])
        node = self.node(trainer.model, 3)
        self.addCleanup(setattr, weft._task, "LOG_SECONDS", weft._task.LOG_SECONDS)
        weft._task.LOG_SECONDS = 0  # each step is told
        self.train(trainer, node)
        self.assertEqual([u["task"] for u in node.updates], [1, 3])
        self.assertEqual(len(trainer.seen), 5 + 3 + 5)
        whole = self.trainer(max_steps=15)
        whole.train()
        self.assertEqual([rate for rate, _ in trainer.seen][8:], [rate for rate, _ in whole.seen][10:])

    def test_once_more(self):
        """A round that is asked for again goes back in the schedule, also the last one."""
        trainer = self.trainer()
        node = self.node(trainer.model, 2)
        answer, again = node.answer, []

        def twice(method, path, body):
            reply = answer(method, path, body)
            if path == "/v1/update" and not again:
                again.append(node.round)
                node.round -= 1
                os.rename(f"{node.dir}/base-{node.round + 1}.safetensors", f"{node.dir}/again.safetensors")
                node.base = f"{node.dir}/again.safetensors"
            return reply

        node.answer = twice
        self.train(trainer, node)
        rates = [rate for rate, _ in trainer.seen]
        self.assertEqual((len(rates), rates[:5]), (15, rates[5:10]))

    def test_early_stop(self):
        """A callback that stops the training ends the round here, and the next goes on."""

        class Enough(TrainerCallback):
            def on_step_end(self, args, state, control, **_):
                control.should_training_stop |= state.global_step in (2, 7)

        trainer = self.trainer(callbacks=[Enough()])
        node = self.node(trainer.model, 3)
        self.train(trainer, node)
        self.assertEqual((len(node.updates), len(trainer.seen)), (3, 2 + 2 + 5))
        patient = EarlyStoppingCallback(early_stopping_patience=1)
        trainer = self.trainer(callbacks=[patient], eval_strategy="steps", eval_steps=2, metric_for_best_model="loss", learning_rate=0.0)
        node = self.node(trainer.model, 2)
        self.train(trainer, node)
        self.assertEqual(len(node.updates), 2)
        self.assertLess(len(trainer.seen), 10)

    def test_refused(self):
        for words, arguments in (
            ("load_best_model_at_end.*best: METRIC:max", {"load_best_model_at_end": True, "eval_strategy": "steps", "save_strategy": "steps"}),
            ("auto_find_batch_size.*per_device_train_batch_size", {"auto_find_batch_size": True}),
        ):
            with self.subTest(words), self.assertRaisesRegex(weft.Error, "(?s)" + words):
                weft.transformers.patch(self.trainer(**arguments))
        trainer = self.trainer()
        trainer.model_init = lambda: llama(False)
        with self.assertRaisesRegex(weft.Error, "model_init"):
            weft.transformers.patch(trainer)
        with self.assertRaisesRegex(weft.Error, "(?s)resume_from_checkpoint.*leave it out"):
            weft.transformers.patch(self.trainer()).train(resume_from_checkpoint=True)
        with self.assertRaisesRegex(weft.Error, "object has no train"):
            weft.transformers.patch(object())

    def test_alone(self):
        """Without a node: one round, plain training."""
        plain = self.trainer()
        plain.train()
        trainer = self.trainer()
        _session._client = None
        self.addCleanup(setattr, _session, "_client", None)
        weft.transformers.patch(trainer)
        trainer.train()
        for (name, want), got in zip(plain.model.state_dict().items(), trainer.model.state_dict().values()):
            self.assertTrue(torch.equal(got, want), name)


class TestSFT(Site):
    def test_one_site_is_plain_training(self):
        from datasets import Dataset as Table
        from trl import SFTConfig, SFTTrainer

        rows = Table.from_dict({"input_ids": Words(16).rows.tolist()})

        def make(steps):
            config = SFTConfig(
                self.dir + "/sft", max_steps=steps, per_device_train_batch_size=2, gradient_accumulation_steps=2, learning_rate=1e-2, lr_scheduler_type="cosine",
                save_strategy="no", report_to="none", use_cpu=True, bf16=False, disable_tqdm=True, logging_steps=1, max_length=8,
            )
            return SFTTrainer(llama(True), config, train_dataset=rows, eval_dataset=rows, processing_class=tokenizer())

        plain = make(6)
        plain.train()
        trainer = make(3)
        node = self.node(trainer.model, 2, evaluate=True)
        self.train(trainer, node)
        got = safetensors.load_file(node.base)
        for name, want in weft.state_dict(plain.model).items():
            self.assertTrue(torch.equal(got[name], want), name)
        self.assertIn("loss", [u for u in node.updates if "update" in u][0]["metrics"])


def tokenizer():
    """Of 32 words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(32)}, unk_token="w0"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="w0", eos_token="w1")


class TestDocument(Site):
    def test_block(self):
        """The example in docs/frameworks.md does a whole run."""
        base = self.dir + "/base.safetensors"
        weft.save(llama(False), base)
        node = OneSite(base, 2, evaluate=True)
        self.addCleanup(node.close)
        code = f"import os\nos.chdir({self.dir!r})\n" + block_with("weft.transformers", "frameworks.md")
        done = run_script(code, {"WEFT_SOCKET": node.path, "HF_HUB_OFFLINE": "1"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(["update" in u for u in node.updates], [False, True] * 2)
        self.assertEqual({*node.updates[0]["metrics"]}, {"loss"})
