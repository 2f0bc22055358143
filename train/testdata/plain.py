"""A trainer that trains nothing: what the Python package needs no other package for."""

import sys

import weft

weft.init("plain")
while weft.is_running():
    task = weft.receive()
    assert not {"numpy", "torch"} & set(sys.modules)
    if task.config.get("fail"):
        raise ValueError(task.config["fail"])
    try:
        while task.config.get("work") == "forever":
            weft.log(loss=1.0)
        weft.log({"eval/loss": 0.5}, step=1, steps=2)
        if task.kind == "evaluate":
            weft.send(weft.Update(samples=5, metrics={"tensors": len(task.params)}))
        else:
            weft.send(weft.Update(task.params, samples=5, metrics={"round": task.round}))
    except weft.Cancelled as e:
        print("cancelled:", e)
