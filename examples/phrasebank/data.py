"""The sentences of a cell, a file for each site: of the published partitions, or made up."""

import gzip
import itertools
import json
import pathlib
import random

SITES = 3
HELD_BACK = 10  # of so many training sentences one measures settings, with --choose

# Sentences as financial news has them, for a quick look: what has happened says the label.
SUBJECTS = ["Operating profit", "Net sales", "The order book", "Pretax profit", "Turnover", "The operating margin", "Cash flow"]
PLACES = ["in the first quarter", "in the third quarter", "in Finland", "in the Baltic countries", "this year", "from the year before"]
TOLD = {
    "negative": ["fell", "dropped sharply", "decreased", "declined", "turned to a loss", "weakened"],
    "neutral": ["is reported", "will be published", "was not disclosed", "is stated in euros", "covers the group"],
    "positive": ["rose", "grew strongly", "increased", "improved", "doubled", "reached a record"],
}
MADE = [{"negative": 15, "neutral": 15}, {"neutral": 15, "positive": 15}, {"negative": 15, "positive": 15}]  # of a site


def read(path):
    with gzip.open(path, "rt", encoding="utf-8") as f:
        return f.readlines()


def cell(folder, source, alpha, choose):
    """Writes the files of a cell, site-1.jsonl and so on, pooled.jsonl and validation.jsonl."""
    source = pathlib.Path(source)
    train = read(source / "allagree_train.jsonl.gz")
    sites = json.loads((source / "partitions.json").read_text())["partitions"][f"{alpha:.1f}"]["sites"]
    if choose:
        validation = train[::HELD_BACK]
        sites = [[row for row in rows if row % HELD_BACK] for rows in sites]
    else:
        validation = read(source / "allagree_val.jsonl.gz")
    parts = {f"site-{i + 1}": rows for i, rows in enumerate(sites)}
    for name, rows in {**parts, "pooled": sorted(itertools.chain.from_iterable(sites))}.items():
        (folder / f"{name}.jsonl").write_text("".join(train[row] for row in rows), encoding="utf-8")
    (folder / "validation.jsonl").write_text("".join(validation), encoding="utf-8")


def make(folder):
    """Writes made-up sentences as the real ones lie: a label is missing at each site."""
    drawn = random.Random(1)

    def sentence(label):
        text = f"{drawn.choice(SUBJECTS)} {drawn.choice(TOLD[label])} {drawn.choice(PLACES)} ."
        return json.dumps({"sentence": text, "label": label}) + "\n"

    rows, sites = [], []
    for counts in MADE:
        labels = [label for label, n in counts.items() for _ in range(n)]
        sites.append(list(range(len(rows), len(rows) + len(labels))))
        rows += map(sentence, labels)
    for name, lines in (("train", rows), ("val", [sentence(label) for label in TOLD for _ in range(20)])):
        with gzip.open(folder / f"allagree_{name}.jsonl.gz", "wt", encoding="utf-8") as f:
            f.writelines(lines)
    (folder / "partitions.json").write_text(json.dumps({"partitions": {"1.0": {"sites": sites}}}))
