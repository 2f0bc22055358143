"""Plain PyTorch as a site's trainer: a small network learns to guess the next byte of a text.

    python3 train.py --data TEXT [--heldout TEXT]     a site's trainer; its node starts it
    python3 train.py --init initial.safetensors       writes the model that a run starts from

Hyperparameters come with the run: steps (100), lr (0.005). Data and batch size stay in the
command line of each site: they differ from site to site, and no other site learns of them.
"""

import argparse
import gzip

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

import weft

CONTEXT = 16  # bytes that the network sees


class NextByte(nn.Module):
    """A feed-forward language model on bytes (Bengio et al., JMLR 3, 2003)."""

    def __init__(self, width=16, hidden=128):
        super().__init__()
        self.embed = nn.Embedding(256, width)
        self.mix = nn.Linear(CONTEXT * width, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.out = nn.Linear(hidden, 256)

    def forward(self, context):
        x = self.embed(context).flatten(1)
        return self.out(self.norm(torch.relu(self.mix(x))))


def read(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as f:
        text = f.read()
    if len(text) <= CONTEXT:
        raise SystemExit(f"{path}: {len(text)} bytes are too few to learn from")
    return torch.frombuffer(bytearray(text), dtype=torch.uint8).long()


def windows(text, starts):
    """The contexts that begin at starts, and the byte that follows each."""
    span = text[starts[:, None] + torch.arange(CONTEXT + 1)]
    return span[:, :-1], span[:, -1]


def evaluate(model, text, most=1024):
    """Mean loss in nats per byte, over windows spread evenly through text, and their number."""
    starts = torch.linspace(0, len(text) - CONTEXT - 1, min(most, len(text) - CONTEXT)).long()
    context, target = windows(text, starts)
    return {"val_loss": F.cross_entropy(model(context), target).item(), "samples": len(starts)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="this site's text, perhaps with .gz")
    parser.add_argument("--heldout", help="text to measure with; default: the last tenth of --data")
    parser.add_argument("--batch", type=int, default=128, help="windows in a step; default %(default)s")
    parser.add_argument("--init", metavar="FILE", help="write the initial model and stop")
    args = parser.parse_args()
    if args.init:
        torch.manual_seed(0)
        weft.save(NextByte(), args.init)
        return
    if not args.data:
        parser.error("--data or --init is needed")
    text = read(args.data)
    if args.heldout:
        heldout = read(args.heldout)
    else:
        text, heldout = text.split([len(text) - len(text) // 10, len(text) // 10])

    model = NextByte()
    optimizer = torch.optim.AdamW(model.parameters())
    loader = DataLoader(range(len(text) - CONTEXT), args.batch, shuffle=True)
    for task in weft.tasks(model, optimizer, samples=len(text), evaluate=lambda: evaluate(model, heldout)):
        with task:  # when the mesh goes on without this round, wait for the next
            for group in optimizer.param_groups:
                group["lr"] = task.config.get("lr", 0.005)
            for starts in task.steps(loader, task.config.get("steps", 100)):
                context, target = windows(text, starts)
                loss = F.cross_entropy(model(context), target)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                task.log(loss=loss)


if __name__ == "__main__":
    main()
