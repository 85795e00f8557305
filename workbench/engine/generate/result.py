"""What a generation gives."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.engine.values import BeamStep, Start, Step

#: What `Generation.reason` says, in words.
ENDS = {
    "eos": "ended by the model's end token",
    "length": "ended at max_new_tokens",
    "context": "ended because the model's context is full",
    "stop": "ended by a stop criterion",
    "stopped": "stopped",
}


@dataclass(frozen=True, eq=False, slots=True)
class Generation:
    """What a generation gave.

    Attributes:
        text: The new text: the texts of all steps, joined.
        steps: One per new token.
        reason: Why it ended: ``eos``, ``length`` (max_new_tokens), ``context`` (the model's longest input is full),
            ``stop`` (another criterion of the checkpoint, such as its stop strings) or ``stopped`` by the person.
        prompt_tokens: Tokens in front of the first step.
        seconds: From the start to the last token.
        start: What the run started from.
        sequences: All sequences that were asked for, the best (or first) one first; `steps` is the first of them.
        beams: What beam search did at each step, empty without it.
        guesses: Tokens that were guessed ahead (prompt lookup, assisted decoding) and checked.
        guessed: How many of them were right, and so among the new tokens.
    """

    text: str
    steps: tuple[Step, ...]
    reason: str
    prompt_tokens: int
    seconds: float
    start: Start | None = None
    sequences: tuple[tuple[Step, ...], ...] = ()
    beams: tuple[BeamStep, ...] = ()
    guesses: int = 0
    guessed: int = 0

    @property
    def stopped(self) -> bool:
        """Whether the person stopped it."""
        return self.reason == "stopped"

    @property
    def ids(self) -> tuple[int, ...]:
        """The new ids, of shape ``(new,)``."""
        return tuple(step.token_id for step in self.steps)
