"""Adds 1 to the model in each round. With SPOILS it sends the largest number there is in round 3, once for each run of another name."""

import os
from array import array

import weft

weft.init("plain")
while weft.is_running():
    task = weft.receive()
    w = task.params["w"][0]
    done = f"spoilt-{task.name}"
    if os.environ.get("SPOILS") and task.round == 3 and not os.path.exists(done):
        open(done, "w").close()
        w = 3e38
    elif w > 1e30:
        raise ArithmeticError("the loss is not finite")
    else:
        w += 1
    weft.send(weft.Update({"w": array("f", [w])}, samples=10, metrics={"loss": 1.0}))
