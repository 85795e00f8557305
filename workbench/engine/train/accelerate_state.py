"""Keeps the Trainers of different threads apart."""

from __future__ import annotations


def keep_apart() -> None:
    """Give each thread a state of accelerate of its own, as accelerate itself does where threads are processes.

    Otherwise the state is the process's, and making ``TrainingArguments`` resets it: a look at the batches or an
    evaluation beside a run would end the run. Call it before ``TrainingArguments`` are made.

    References:
        accelerate, Stateful Classes: PartialState, AcceleratorState, GradientState
    """
    from accelerate import state

    for kind in (state.PartialState, state.AcceleratorState, state.GradientState):
        if not isinstance(vars(kind)["_shared_state"], state.ThreadLocalSharedDict):
            kind._shared_state = state.ThreadLocalSharedDict()
