"""Every block of Python in the documents runs."""

import os
import re
import shutil
import tempfile
import unittest

from support import ROOT, OneSite, run_script, torch, weft_program

DOCUMENTS = [ROOT / "README.md", ROOT / "python" / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("examples/*/README.md"))]
BLOCK = re.compile(r"^```(?:python|py)\n(.*?)^```$", re.M | re.S)

# What the text around a block says to have been there before.
BEFORE = """
import os, torch, weft
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(60, 4)
y = x.sum(1, keepdim=True)
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=20, shuffle=True)

def evaluate(model):
    with torch.no_grad():
        return torch.nn.functional.mse_loss(model(x), y)

def train_step(model, batch):
    loss = torch.nn.functional.mse_loss(model(batch[0]), batch[1])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss

class Notebook:
    def __init__(self, dir): pass
    def run(self, name): return self
    def history(self): return []
    def model(self, which): return {}
"""

# Blocks that the real_*.py play, with what they need.
SHARDED = "get_model_state_dict"
REAL = (SHARDED, "weft.transformers", "weft.lightning")


@unittest.skipIf(torch is None, "no torch")
class TestDocuments(unittest.TestCase):
    def test_blocks(self):
        seen = 0
        for path in DOCUMENTS:
            text = path.read_text(encoding="utf-8")
            for found in BLOCK.finditer(text):
                if any(word in found[1] for word in REAL):
                    continue
                seen += 1
                line = text.count("\n", 0, found.start()) + 1
                with self.subTest(f"{path.relative_to(ROOT)}:{line}"):
                    self.run_block(found[1])
        self.assertGreater(seen, 7)

    def run_block(self, code):
        with tempfile.TemporaryDirectory(prefix="weft-") as folder:
            base = folder + "/base.safetensors"
            plain = "array(" in code
            made = "weft.safetensors.save_file({'w': __import__('array').array('f', [0, 0, 0])}, PATH)" if plain else "weft.save(model, PATH)"
            first = ("import weft\n" if plain else BEFORE) + made.replace("PATH", repr(base))
            done = run_script(first, {})
            self.assertEqual(done.returncode, 0, done.stderr)
            os.link(base, folder + "/checkpoint.safetensors")
            node = OneSite(base, 2, evaluate=True)
            self.addCleanup(node.close)
            own = code.startswith("import torch") or plain
            before = f"import os\nos.chdir({folder!r})\n" + ("" if own else BEFORE)
            code = code.replace('weft.init(node="/var/lib/weft")', "weft.init()")  # test_attach.py has a node that it comes to
            if "weft.mesh(" in code:
                before += "\nweft.mesh = Notebook\n"
            if "weft.local(" in code:
                shutil.copy(ROOT / "examples" / "plain" / "train.py", folder)
                before += f"import pathlib\nfrom weft import _binary\n_binary._folders = lambda: [pathlib.Path({str(weft_program(self).parent)!r})]\n"
            env = {"WEFT_SOCKET": node.path, "RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29578"}
            done = run_script(before + code, env)
            self.assertEqual(done.returncode, 0, done.stderr)
            if "weft.tasks(" in code or "weft.receive(" in code:
                kinds = ["update" in u for u in node.updates]
                self.assertEqual(kinds, [False, True] * 2, "the block does not do the whole run")
                self.assertFalse([u for u in node.updates if "unchanged" in u["metrics"]])


if __name__ == "__main__":
    unittest.main()
