"""The loop over a run's tasks."""

from __future__ import annotations

from collections.abc import Iterator

from ._client import Client
from ._task import Task
from ._types import Error, Update
from ._warn import warn
from ._work import Work


def run(client: Client, work: Work) -> Iterator[Task]:
    """Yields the training tasks, and answers the others."""
    while (task := client.receive(makes=True)) is not None:
        if task.kind == "evaluate":
            _evaluate(client, work, task)
            continue
        if task.kind == "generate":
            _generate(client, work, task)
            continue
        if task.kind == "init":  # the run is to begin with the model as the script has made it
            task._work = work
            task.send(samples=work.samples or 0)
            continue
        if task.kind != "train":
            raise Error(f"task kind {task.kind!r} is not one this package knows", "use a package of the node's version")
        work.begin(task)
        yield task
        task.send()  # unless the body did it, or the task is over


def _evaluate(client: Client, work: Work, task: Task) -> None:
    """Measures the task's model. A site without a measure has no metrics to send: nobody waits for them."""
    task._work = work
    if work.evaluate is None:
        task.send(samples=0, metrics={})
        return
    metrics = work.measure(task)
    samples = metrics.pop("samples", work.samples)
    if samples is None:
        warn("the evaluation counts for 0 examples: say how many, tasks(..., samples=len(data))")
    task.send(samples=samples or 0, metrics=metrics)


def _generate(client: Client, work: Work, task: Task) -> None:
    """Has the task's model go on from a prompt, where the script says how."""
    if work.generate is None:
        task.skip("the script cannot generate: weft.tasks(...) has no generate=")
        return
    client.answer(task, Update(text=work.generated(task)))
