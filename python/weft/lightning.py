"""Lightning's Trainer as a site's trainer, by one line::

trainer = lightning.Trainer(max_epochs=1)
weft.lightning.patch(trainer)
trainer.fit(model, train_loader, val_loader)
"""

from __future__ import annotations

from typing import Any

from ._fit import Bridge
from ._model import Params
from ._work import State

__all__ = ["patch"]


def patch(trainer: Any, *, params: Params = "auto", state: State = "keep") -> Any:
    """Lets ``trainer.fit(model, ...)`` do the whole run, and returns trainer.

    ``max_steps``, or else ``max_epochs``, is for one round. It is one training all the same:
    optimizers, schedulers, ``current_epoch`` and callbacks go on from round to round, and
    ``estimated_stepping_batches`` is of the whole run. After a round's last step or epoch the model
    is sent, with the length of the train loader's data set as samples and ``callback_metrics`` as
    metrics, and the next round's parameters take its place. A callback that stops the training ends
    the round at this site.

    The model that a round begins with is measured in a pass over the validation loaders where the
    run asks for it and there are some; loggers, checkpoints and early stopping take no notice of
    it, and metrics are named without ``val_``. params and state are those of ``weft.tasks``.

    Call it once, after the trainer is made. Raises ``weft.Error`` for several devices, and for a
    checkpoint to go on from.
    """
    Bridge(trainer, params, state).hook()
    return trainer
