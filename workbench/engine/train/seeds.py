"""Chance that depends on the seed and the step alone, so that a run that was stopped goes on as if it had not been."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments


class StepSeed:
    """Seeds torch before every epoch, whose order it may draw, and before every step, whose dropout it draws.

    Neither an evaluation in between nor a stop changes the losses that follow. Attach it after the lock of the steps:
    nobody else draws while that is held.
    """

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, _: TrainerControl, **__: object) -> None:
        """Seed for the order of the rows."""
        seed_epoch(args, state)

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, _: TrainerControl, **__: object) -> None:
        """Seed for the step."""
        import torch

        torch.manual_seed(args.seed * 1_000_003 + 7919 * (state.global_step + 1))


def seed_epoch(args: TrainingArguments, state: TrainerState) -> None:
    """Seed torch for the epoch that ``state`` stands in or before."""
    import torch

    torch.manual_seed(args.seed * 1_000_003 + int(state.epoch or 0))
