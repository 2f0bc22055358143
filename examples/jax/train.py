"""JAX as a site's trainer: a small network for handwritten digits.

    python3 train.py --data FILE     a site's trainer, with arrays x and y (../numpy/train.py --make)

The model that travels is a dict of NumPy arrays; JAX computes with copies of them.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy

import weft


def initial(inputs, hidden=64, classes=10):
    """The first model: of one seed, hence the same at all sites."""
    drawn = numpy.random.default_rng(0)
    return {
        "hidden.weight": (drawn.standard_normal((inputs, hidden)) / inputs**0.5).astype("float32"),
        "hidden.bias": numpy.zeros(hidden, "float32"),
        "out.weight": (drawn.standard_normal((hidden, classes)) / hidden**0.5).astype("float32"),
        "out.bias": numpy.zeros(classes, "float32"),
    }


def logits(params, x):
    return jax.nn.relu(x @ params["hidden.weight"] + params["hidden.bias"]) @ params["out.weight"] + params["out.bias"]


def loss(params, x, y):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits(params, x)), y[:, None], 1).mean()


@jax.jit
def step(params, x, y, rate):
    value, grads = jax.value_and_grad(loss)(params, x, y)
    return jax.tree.map(lambda p, g: p - rate * g, params, grads), value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="this site's digits; a fifth of them is kept for measuring")
    parser.add_argument("--batch", type=int, default=32)
    args = parser.parse_args()
    digits = numpy.load(args.data)
    x, y = jnp.asarray(digits["x"]), jnp.asarray(digits["y"])
    test = numpy.arange(len(x)) % 5 == 0
    train = numpy.flatnonzero(~test)

    model = initial(x.shape[1])
    batches = [train[i : i + args.batch] for i in range(0, len(train), args.batch)]

    def accuracy():
        right = logits(model, x[test]).argmax(1) == y[test]
        return {"accuracy": float(right.mean()), "samples": int(test.sum())}

    for task in weft.tasks(model, samples=len(train), evaluate=accuracy):
        with task:
            params = {name: jnp.array(value) for name, value in model.items()}  # copies: model changes in place
            for rows in task.steps(batches, 2 * len(batches)):
                params, value = step(params, x[rows], y[rows], task.config.get("lr", 0.3))
                task.log(loss=float(value))
            for name, value in params.items():
                model[name][:] = value


if __name__ == "__main__":
    main()
