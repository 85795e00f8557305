"""What a person has to know of a result besides itself: what was cut off, what means nothing."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.engine import tasks
from workbench.engine.models import LoadedModel
from workbench.engine.values import TaskResult


def remarks(result: TaskResult, model: LoadedModel | None) -> Iterator[tuple[str, str, str]]:
    """Each as what, why and what to do about it.

    Args:
        result: What a task gave.
        model: The loaded one, or None when it has gone by now.
    """
    if result.heard:
        yield (
            f"The sound was cut: {result.heard:,.1f} seconds of it were heard.",
            "This checkpoint hears no more at once, and its feature extractor leaves the rest out.",
            "Cut it into parts, and run them one by one.",
        )
    if result.broken:
        yield (
            f"What the model gave is no number: there is NaN in {', '.join(result.broken)}.",
            "Its weights are damaged, or it computes in a dtype too narrow for them; what is shown means nothing.",
            "Load it in float32 or bfloat16. If that does not help, download it again.",
        )
    if result.truncated:
        windows = "stride" in tasks.spec(result.task, model).options
        context = (tasks.context(model) if model is not None else None) or result.stages[0].tensors[0].shape[-1]
        yield (
            f"The text was cut: {result.truncated:,} tokens at its end were left out.",
            f"The context of this checkpoint is {context:,} tokens.",
            "Set a stride: windows that overlap then go over all of it."
            if windows
            else "Shorten the text, or run its parts one by one.",
        )
