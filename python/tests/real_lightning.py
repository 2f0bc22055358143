"""The newest Lightning itself under weft.lightning.patch: make frameworks."""

import logging
import os
import tempfile
import unittest
import warnings

import lightning
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from support import OneSite, block_with, run_script
from torch.utils.data import DataLoader, TensorDataset

import weft
import weft.lightning
from weft import _session, safetensors


class Net(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.1), torch.nn.Linear(8, 1))
        self.rates, self.seen = [], []

    def training_step(self, batch, i):
        x, y = batch
        self.seen.append(x[0, 0].item())
        self.rates.append(self.optimizers().param_groups[0]["lr"])
        loss = ((self.layers(x) - y) ** 2).mean()
        self.log("loss", loss)
        return loss

    def validation_step(self, batch, i):
        x, y = batch
        self.log("val_loss", ((self.layers(x) - y) ** 2).mean())

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), 1e-2)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def loader(shuffle):
    x = torch.randn(40, 4, generator=torch.Generator().manual_seed(1))
    return DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), 8, shuffle=shuffle)


class Site(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weft-")
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        ignored = warnings.catch_warnings()
        ignored.__enter__()
        self.addCleanup(ignored.__exit__, None, None, None)
        warnings.simplefilter("ignore")

    def trainer(self, **more):
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
        return lightning.Trainer(accelerator="cpu", default_root_dir=self.dir, **{**quiet, **more})

    def node(self, rounds, evaluate=True):
        weft.save(Net(), self.dir + "/base.safetensors")
        node = OneSite(self.dir + "/base.safetensors", rounds, evaluate=evaluate)
        self.addCleanup(node.close)
        return node

    def fit(self, trainer, node, model, **options):
        """A process of the site's."""
        os.environ["WEFT_SOCKET"] = node.path
        _session._client = None
        try:
            weft.lightning.patch(trainer, **options)
            torch.manual_seed(5)
            trainer.fit(model, loader(True), loader(False))
        finally:
            del os.environ["WEFT_SOCKET"]
            _session._client = None


class TestOneSite(Site):
    """A mesh of one site is plain training, to the bit."""

    def both(self, rounds, whole, **more):
        plain, model = Net(), Net()
        torch.manual_seed(5)
        alone = self.trainer(**{**more, **whole})
        alone.fit(plain, loader(True), loader(False))
        trainer, node = self.trainer(**more), self.node(rounds)
        self.fit(trainer, node, model)
        self.assertEqual(set(trainer.callback_metrics), set(alone.callback_metrics))
        got = safetensors.load_file(node.base)
        for name, want in weft.state_dict(plain).items():
            self.assertTrue(torch.equal(got[name], want), name)
        self.assertEqual((model.seen, model.rates), (plain.seen, plain.rates))
        trained = [u for u in node.updates if "update" in u]
        self.assertEqual([u["samples"] for u in trained], [40] * rounds)
        return node, trained, [u for u in node.updates if "update" not in u]

    def test_passes(self):
        more = {"num_sanity_val_steps": 0, "enable_checkpointing": True, "callbacks": [ModelCheckpoint(self.dir, monitor="val_loss")]}
        node, trained, measured = self.both(3, {"max_epochs": 6, "callbacks": []}, max_epochs=2, **more)
        self.assertEqual({*trained[0]["metrics"]}, {"loss", "val_loss"})
        self.assertEqual([(m["samples"], {*m["metrics"]}) for m in measured], [(40, {"loss"})] * 3)
        # In training mode a network has dropout and is another: the measured one is what the site has trained.
        for before, after in zip(trained, measured[1:]):
            self.assertAlmostEqual(before["metrics"]["val_loss"], after["metrics"]["loss"], places=6)
        self.assertEqual([(p["step"], p["steps"]) for p in node.progress][-1], (10, 10))

    def test_steps(self):
        """Rounds that end in the middle of a pass."""
        self.both(4, {"max_steps": 12}, max_steps=3, num_sanity_val_steps=0, accumulate_grad_batches=1)


class TestRounds(Site):
    def test_another_process(self):
        """It goes on with moments, schedule and epoch where the run is."""

        class Killed(lightning.Callback):
            def on_train_batch_start(self, trainer, module, batch, i):
                if trainer.global_step == 12:
                    raise KeyError("killed")

        node, first, second = self.node(4), Net(), Net()
        with self.assertRaises(KeyError):
            self.fit(self.trainer(max_epochs=1, callbacks=[Killed()]), node, first)
        trainer = self.trainer(max_epochs=1)
        self.fit(trainer, node, second)
        self.assertEqual(int(next(iter(trainer.optimizers[0].state.values()))["step"]), 20)
        self.assertEqual(trainer.current_epoch, 4)
        self.assertEqual(len(second.rates), 10)
        self.assertTrue(all(a > b for a, b in zip(second.rates, second.rates[1:])))

    def test_reset(self):
        node, trainer = self.node(3), self.trainer(max_epochs=1)
        self.fit(trainer, node, Net(), state="reset")
        self.assertEqual(int(next(iter(trainer.optimizers[0].state.values()))["step"]), 5)

    def test_cancelled(self):
        node = self.node(3, evaluate=False)
        self.addCleanup(setattr, weft._task, "LOG_SECONDS", weft._task.LOG_SECONDS)
        weft._task.LOG_SECONDS = 0  # each step is told

        class Late(lightning.Callback):
            def on_train_batch_start(self, trainer, module, batch, i):
                node.wanted = trainer.global_step != 7 or node.round != 2
                if not node.wanted:
                    node.round = 3  # the others have ended it

        model = Net()
        self.fit(self.trainer(max_epochs=1, callbacks=[Late()]), node, model)
        self.assertEqual([u["task"] for u in node.updates], [1, 3])
        self.assertEqual(len(model.seen), 5 + 3 + 5)

    def test_early_stop(self):
        """A callback that stops the training ends the round here, and the next goes on; it does not hear of measured models."""
        node, model = self.node(2), Net()
        stop = EarlyStopping("val_loss", patience=1, min_delta=1e9)
        trainer = self.trainer(max_epochs=5, callbacks=[stop], num_sanity_val_steps=0)
        self.fit(trainer, node, model)
        self.assertEqual(len([u for u in node.updates if "update" in u]), 2)
        self.assertEqual(len(model.seen), 10 + 5)

    def test_refused(self):
        trainer = self.trainer(max_epochs=1)
        weft.lightning.patch(trainer)
        with self.assertRaisesRegex(weft.Error, "(?s)ckpt_path.*leave it out"):
            trainer.fit(Net(), loader(True), ckpt_path="last")
        with self.assertRaisesRegex(weft.Error, "2 devices"):
            weft.lightning.patch(lightning.Trainer(accelerator="cpu", devices=2, strategy="ddp", logger=False))
        with self.assertRaisesRegex(weft.Error, "no fit_loop"):
            weft.lightning.patch(object())


class TestDocument(Site):
    def test_block(self):
        """The example in docs/frameworks.md does a whole run."""
        base = self.dir + "/base.safetensors"
        weft.save(torch.nn.ModuleDict({"layer": torch.nn.Linear(4, 1)}), base)
        node = OneSite(base, 2, evaluate=True)
        self.addCleanup(node.close)
        code = f"import os\nos.chdir({self.dir!r})\n" + block_with("weft.lightning", "frameworks.md")
        done = run_script(code, {"WEFT_SOCKET": node.path, "HF_HUB_OFFLINE": "1"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(["update" in u for u in node.updates], [False, True] * 2)
        self.assertEqual({*node.updates[0]["metrics"]}, {"loss"})
