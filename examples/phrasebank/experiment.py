"""LoRA on Financial PhraseBank at three sites against each alone and all pooled, in one command.

    python3 experiment.py --data DIR     the published partitions; --out DIR has results.csv and curves.svg
    python3 experiment.py --quick        made-up sentences, a minute or two: does all of it run?

A cell is a row of results.csv: alpha x seed x (federated | alone | pooled). Those that are there are
not run again, so that the command goes on where it was stopped.
"""

import argparse
import csv
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

import data
import report

HERE = pathlib.Path(__file__).resolve().parent
FIELDS = ["alpha", "seed", "cell", "settings", "curve", "last", "best", "sites", "wall_s", "cpu_s"]
SETTINGS = "--freeze-a --rate 2e-3 --head-rate 2e-4 --calibrate 1"
KINDS = ("federated", "alone", "pooled")


class Cell(NamedTuple):
    alpha: str  # "all" of what is pooled, whose data are the same for each
    seed: str
    kind: str


def plan(args):
    """The cells, those that say most first."""
    wanted = [(alpha, seed) for alpha in args.alpha for seed in (args.seeds if alpha == args.alpha[0] else args.seeds[:1])]
    cells = [Cell("all" if kind == "pooled" else f"{alpha:g}", str(seed), kind) for alpha, seed in wanted for kind in args.cells]
    return list(dict.fromkeys(cells))


class Lab:
    """Runs cells with the arguments' settings."""

    def __init__(self, args):
        self.args = args
        quiet = {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        self.env = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", **quiet, **os.environ}

    def run(self, cell):
        """The row of a cell."""
        begun, before = time.time(), _cpu()
        with tempfile.TemporaryDirectory(prefix="phrasebank-") as folder:
            self.folder = pathlib.Path(folder)
            data.cell(self.folder, self.args.data, self.args.alpha[0] if cell.alpha == "all" else float(cell.alpha), self.args.choose)
            curves = self._federated(cell) if cell.kind == "federated" else self._plain(cell)
        mean = [sum(found) / len(found) for found in zip(*curves, strict=True)]
        numbers = {"curve": _text(mean), "last": f"{mean[-1]:.4f}", "best": f"{max(mean):.4f}", "sites": _text(c[-1] for c in curves)}
        spent = {"wall_s": round(time.time() - begun), "cpu_s": round(_cpu() - before)}
        return {**cell._asdict(), "cell": cell.kind, "settings": self.settings, **numbers, **spent}

    @property
    def settings(self):
        """All that makes two cells' figures comparable."""
        model = f" --model {self.args.model}" if self.args.model else ""
        return f"{self.args.rounds} x {self.args.steps} {self.args.settings}{model}{' --choose' if self.args.choose else ''}"

    def _script(self, cell, name, steps):
        files = ["--data", self.folder / f"{name}.jsonl", "--validation", self.folder / "validation.jsonl"]
        model = ["--model", pathlib.Path(self.args.model).resolve()] if self.args.model else []
        words = [sys.executable, HERE / "train.py", *files, "--steps", steps, "--seed", cell.seed, *model, *self.args.settings.split()]
        return [str(word) for word in words]

    def _federated(self, cell):
        """What each site measured of the common model of each round."""
        command = [self.args.weft, "try", "--sites", str(data.SITES), "--rounds", str(self.args.rounds), "--evaluate", "--json", "--"]
        command += self._script(cell, "site-{i}", self.args.steps)
        done = subprocess.run(command, cwd=self.folder, env=self.env, stdout=subprocess.PIPE, check=True)
        models = json.loads(done.stdout)["measured"][1:]  # but the first, which is untrained
        return [[models[n][site]["metrics"]["accuracy"] for n in range(self.args.rounds)] for site in sorted(models[0])]

    def _plain(self, cell):
        """What Trainer measures without a node: of each site's training, or of one with all sentences."""
        names = ["pooled"] if cell.kind == "pooled" else [f"site-{i + 1}" for i in range(data.SITES)]
        logs = [self.folder / f"{name}.log" for name in names]
        more = ["--every", str(self.args.steps), "--log"]
        commands = [[*self._script(cell, name, self.args.steps * self.args.rounds), *more, str(log)] for name, log in zip(names, logs)]
        processes = [subprocess.Popen(command, cwd=self.folder, env=self.env, stdout=subprocess.DEVNULL) for command in commands]
        if failed := [p.args for p in processes if p.wait() != 0]:
            raise SystemExit(f"failed: {' '.join(failed[0])}")
        found = [[entry["eval_accuracy"] for entry in json.loads(log.read_text()) if "eval_accuracy" in entry] for log in logs]
        return [curve[: self.args.rounds] for curve in found]


def _cpu():
    """CPU seconds of all processes that have ended below this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _text(numbers):
    return " ".join(f"{n:.4f}" for n in numbers)


def _rows(path):
    if not path.exists():
        return []
    with open(path, newline="") as f:
        return list(csv.DictReader(f))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with allagree_train.jsonl.gz, allagree_val.jsonl.gz and partitions.json")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("phrasebank-out"), help="default: %(default)s")
    parser.add_argument("--model", help="folder of another pretrained model, such as GPT-2's")
    parser.add_argument("--alpha", type=float, nargs="+", default=[1, 5, 10], help="default: 1 with all seeds, 5 and 10 with the first")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--cells", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200, help="of a round, at each site")
    parser.add_argument("--settings", default=SETTINGS, help="further arguments of train.py; default: %(default)s")
    parser.add_argument("--choose", action="store_true", help="measure with a tenth of the training sentences, left out of training")
    parser.add_argument("--quick", action="store_true", help="made-up sentences, few steps")
    parser.add_argument("--weft", default="weft", help="the program")
    args = parser.parse_args()
    begun = time.time()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.quick:
        args.data, args.alpha, args.seeds, args.rounds, args.steps = args.out, [1], [0], 3, 10
        data.make(args.out)
    elif not args.data:
        parser.error("--data or --quick is needed")
    path, lab = args.out / "results.csv", Lab(args)
    for cell in plan(args):
        if any((r["alpha"], r["seed"], r["cell"], r["settings"]) == (*cell, lab.settings) for r in _rows(path)):
            continue
        row = lab.run(cell)
        with open(path, "a", newline="") as f:
            table = csv.DictWriter(f, FIELDS, extrasaction="ignore")
            if f.tell() == 0:
                table.writeheader()
            table.writerow(row)
        print(f"alpha {cell.alpha}, seed {cell.seed}, {cell.kind}: {row['curve']}  in {row['wall_s']} s", flush=True)
    rows = [r for r in _rows(path) if r["settings"] == lab.settings]
    published = {} if args.quick else report.PUBLISHED
    print(report.table(rows, published))
    (args.out / "curves.svg").write_text(report.picture(rows, args.steps, published))
    whole = sum(int(r["wall_s"]) for r in rows)
    print(f"{len(rows)} cells, {whole} s in all, {time.time() - begun:.0f} s now; {args.out / 'curves.svg'}")


if __name__ == "__main__":
    main()
