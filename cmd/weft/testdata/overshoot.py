"""Adds 1 to the model in each round: the model of round 2 comes nearest to 2.25. With LIE it claims an ever smaller gap."""

import os
from array import array

import weft

lie = os.environ.get("LIE")
weft.init("plain")
while weft.is_running():
    task = weft.receive()
    w = task.params["w"][0]
    if task.kind == "evaluate":
        gap = -1e300 * (1 + task.round) / 100 if lie else abs(2.25 - w)
        weft.send(weft.Update(samples=2**40 if lie else 10, metrics={"gap": gap}))
    else:
        weft.send(weft.Update({"w": array("f", [w + 1])}, samples=10, metrics={"loss": 1.0}))
