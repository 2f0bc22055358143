"""scikit-learn as a site's trainer: a linear classifier of handwritten digits, by SGD.

    python3 train.py --make digits.npz     writes scikit-learn's 1,797 digits
    python3 train.py --data FILE           a site's trainer, with its part of them: arrays x and y

The model is a dict of NumPy arrays, whatever is trained with them.
"""

import argparse

import numpy
from sklearn.linear_model import SGDClassifier

import weft

CLASSES = numpy.arange(10)


def make(path):
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    numpy.savez(path, x=(x / 16).astype("float32"), y=y)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="this site's digits; a fifth of them is kept for measuring")
    parser.add_argument("--make", metavar="FILE", help="write all digits and stop")
    args = parser.parse_args()
    if args.make:
        make(args.make)
        return
    if not args.data:
        parser.error("--data or --make is needed")
    digits = numpy.load(args.data)
    x, y = digits["x"], digits["y"]
    test = numpy.arange(len(x)) % 5 == 0

    model = {"coef": numpy.zeros((10, x.shape[1]), "float32"), "intercept": numpy.zeros(10, "float32")}
    classifier = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.05, random_state=0)
    classifier.partial_fit(x[:1], y[:1], CLASSES)  # which makes its arrays

    def take():
        """The common model into the classifier, which computes in float64."""
        classifier.coef_[:], classifier.intercept_[:] = model["coef"], model["intercept"]

    def accuracy():
        take()
        return {"accuracy": classifier.score(x[test], y[test]), "samples": int(test.sum())}

    for task in weft.tasks(model, samples=int((~test).sum()), evaluate=accuracy):
        with task:
            take()
            for _ in task.steps(range(5)):  # passes over the site's digits
                classifier.partial_fit(x[~test], y[~test])
                task.log(local_accuracy=classifier.score(x[test], y[test]))
            model["coef"][:], model["intercept"][:] = classifier.coef_, classifier.intercept_


if __name__ == "__main__":
    main()
