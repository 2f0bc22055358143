"""A trainer that trains for as long as it may, and skips the rounds that it is told to."""

import time

import weft

for task in weft.tasks({"w": memoryview(bytearray(4)).cast("f")}, samples=5):
    if task.config.get("skip"):
        task.skip(task.config["skip"])
        continue
    for _ in task.steps([0], 10**9):
        time.sleep(0.01)
    task.log(left=task.time_left)
