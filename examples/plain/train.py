"""A trainer in plain Python, without NumPy or PyTorch: logistic regression on two measurements.

    python3 train.py [--data FILE.csv]              a site's trainer; its node starts it
    python3 train.py --init initial.safetensors     writes the model that a run starts from

A row of the data is x, y, label (0 or 1), below a header if there is one. Without --data the site makes up 200 points of its own.
"""

import argparse
import csv
import math
import os
import random
from array import array

import weft


def read(path):
    if path:
        with open(path, newline="") as f:
            return [(float(x), float(y), int(label)) for x, y, label in csv.reader(f) if x != "x"]  # a header
    drawn = random.Random(os.environ.get("WEFT_SITE", os.getcwd()))  # each site has other points
    points = [(drawn.gauss(0, 1), drawn.gauss(0, 1)) for _ in range(200)]
    return [(x, y, int(2 * x - y + drawn.gauss(0, 0.3) > 0.5)) for x, y in points]


def predict(model, x, y):
    return 1 / (1 + math.exp(-(model["w"][0] * x + model["w"][1] * y + model["b"][0])))


def evaluate(model, data):
    right = sum((predict(model, x, y) > 0.5) == label for x, y, label in data)
    return {"accuracy": right / len(data), "samples": len(data)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="this site's data")
    parser.add_argument("--init", metavar="FILE", help="write the initial model and stop")
    args = parser.parse_args()
    model = {"w": array("f", [0, 0]), "b": array("f", [0])}
    if args.init:
        weft.save(model, args.init)
        return
    data = read(args.data)
    train, test = data[: len(data) * 4 // 5], data[len(data) * 4 // 5 :]
    for task in weft.tasks(model, samples=len(train), evaluate=lambda: evaluate(model, test)):
        rate = task.config.get("lr", 0.1)
        for x, y, label in task.steps(train):
            error = label - predict(model, x, y)
            model["w"][0] += rate * error * x
            model["w"][1] += rate * error * y
            model["b"][0] += rate * error
            task.log(error=abs(error))


if __name__ == "__main__":
    main()
