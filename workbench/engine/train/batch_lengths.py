"""How long the batches of a run are, and from a few that were timed how long all of them will take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.engine.train.seeds import seed_epoch

if TYPE_CHECKING:
    from transformers import Trainer

#: What holds the length of a row.
_IDS = "input_ids"


def steps_of_an_epoch(trainer: Trainer) -> list[list[list[int]]]:
    """The rows of every batch of every optimizer step, in the order that the run's loader gives them."""
    import torch

    loader = trainer.get_train_dataloader()
    seed_epoch(trainer.args, trainer.state)
    # A loader draws a seed for its workers before the first batch.
    torch.empty((), dtype=torch.int64).random_()
    batches = [list(map(int, batch)) for batch in loader.batch_sampler]
    each = trainer.args.gradient_accumulation_steps
    return [batches[at : at + each] for at in range(0, len(batches), each)]


def positions(trainer: Trainer, steps: Sequence[Sequence[Sequence[int]]]) -> list[int]:
    """Positions that each step computes, padding included; its rows where they have no tokens."""
    if _IDS not in trainer.train_dataset.column_names:
        return [sum(len(batch) for batch in step) for step in steps]
    lengths = [len(ids) for ids in trainer.train_dataset[_IDS]]
    return [sum(len(batch) * max(lengths[row] for row in batch) for batch in step) for step in steps]


def usual(sizes: Sequence[int], count: int) -> list[int]:
    """Steps of usual size: numbers of those that stand evenly between the smallest and the largest.

    Args:
        sizes: Positions of each step.
        count: How many are wanted; there may be fewer steps.
    """
    order = sorted(range(len(sizes)), key=lambda step: sizes[step])
    return [order[len(order) * (2 * place + 1) // (2 * count)] for place in range(min(count, len(order)))]


def seconds_of(sizes: Sequence[int], timed: Sequence[tuple[int, float]]) -> list[float]:
    """What steps of these sizes will take: a part that is always the same, and a part that grows with the size.

    Args:
        sizes: Positions of each step.
        timed: Positions and seconds of the steps that were timed; at least one.

    Returns:
        Seconds of each step, by least squares; neither part is taken for less than nothing.
    """
    mean_size = sum(size for size, _ in timed) / len(timed)
    mean = sum(seconds for _, seconds in timed) / len(timed)
    spread = sum((size - mean_size) ** 2 for size, _ in timed)
    slope = sum((size - mean_size) * (seconds - mean) for size, seconds in timed) / spread if spread else 0.0
    # Through nothing at most: a step of no tokens takes no time, or some.
    slope = min(max(slope, 0.0), mean / mean_size if mean_size else 0.0)
    return [mean + slope * (size - mean_size) for size in sizes]
