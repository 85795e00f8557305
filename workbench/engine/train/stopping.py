"""Ending a run when its evaluations get no better."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import Trainer, TrainerCallback

    from workbench.engine.values import TrainSpec


def early_stopping(spec: TrainSpec) -> list[TrainerCallback]:
    """The library's own callback, where the run has patience; the metric it looks at stands in TrainingArguments.

    References:
        transformers, Callbacks: EarlyStoppingCallback
    """
    if not spec.early_stopping_patience:
        return []
    from transformers import EarlyStoppingCallback

    class Stopping(EarlyStoppingCallback):
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            """Say nothing: that the last weights are kept, not the best, is what the run says of itself."""

    # Checkpoints know the state of a callback by the name of its class.
    Stopping.__name__ = EarlyStoppingCallback.__name__
    return [Stopping(spec.early_stopping_patience, spec.early_stopping_threshold)]


@contextlib.contextmanager
def not_counted(trainer: Trainer) -> Iterator[None]:
    """Evaluate meanwhile without being heard by the early stopping: a look that a person takes changes no run."""
    from transformers import EarlyStoppingCallback

    heard = trainer.callback_handler.callbacks
    trainer.callback_handler.callbacks = [one for one in heard if not isinstance(one, EarlyStoppingCallback)]
    try:
        yield
    finally:
        trainer.callback_handler.callbacks = heard
