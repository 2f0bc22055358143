"""Hugging Face's Trainer as a site's trainer, by one line::

    trainer = Trainer(model, args, train_dataset=train, eval_dataset=test)
    weft.transformers.patch(trainer)
    trainer.train()

TRL's SFTTrainer and others that are made of Trainer are patched alike.
"""

from __future__ import annotations

from typing import Any

from ._model import Params
from ._trainer import Bridge
from ._work import State

__all__ = ["patch"]


def patch(trainer: Any, *, params: Params = "auto", state: State = "keep", evaluate: bool = True) -> Any:
    """Lets ``trainer.train()`` do the whole run, and returns trainer.

    What the arguments say is for one round: ``max_steps`` optimizer steps, or ``num_train_epochs``
    passes. It is one training all the same: warm-up and decay of the learning rate span all rounds
    of the run, the passes over the data go on from round to round, and so do callbacks. After a
    round's last step the model is sent, with ``len(train_dataset)`` as samples and what the trainer
    logged last as metrics, and the next round's parameters take its place. A callback that stops
    the training ends the round at this site.

    The model that a round begins with is measured by ``trainer.evaluate()`` where the run asks for
    it and there is an ``eval_dataset``, unless evaluate is false; metrics are named without
    ``eval_``. params and state are those of ``weft.tasks``: "auto" sends a PEFT adapter alone if the
    model has one, and with "keep" the optimizer's moments go on from round to round.

    Call it on every rank, once, after the trainer is made. Raises ``weft.Error`` for what cannot
    work: DeepSpeed, FSDP, load_best_model_at_end, model_init, auto_find_batch_size.
    """
    Bridge(trainer, params, state, evaluate).hook()
    return trainer
