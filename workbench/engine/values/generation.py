"""Generation: its knobs, its steps, and the branches they grow into."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.engine.values.knobs import Sampling, Strategy
from workbench.engine.values.text import Encoding, Message

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False, slots=True)
class Logits:
    """Logits of shape ``(vocab,)`` kept as compactly as they were computed.

    Attributes:
        bits: uint16 (bfloat16 or float16 bit patterns) or float32.
        dtype: ``bfloat16``, ``float16`` or ``float32``, the dtype the model computed in.
    """

    bits: np.ndarray
    dtype: str

    def float32(self) -> np.ndarray:
        """The exact values as float32, a new array of shape ``(vocab,)``."""
        import numpy

        if self.dtype == "bfloat16":
            return (self.bits.astype(numpy.uint32) << 16).view(numpy.float32)
        if self.dtype == "float16":
            return self.bits.view(numpy.float16).astype(numpy.float32)
        return self.bits.copy()

    @property
    def nbytes(self) -> int:
        """Bytes this takes."""
        return int(self.bits.nbytes)


@dataclass(frozen=True, eq=False, slots=True)
class Step:
    """One generated token and everything it was chosen from.

    Attributes:
        index: 0 for the first new token.
        token_id: The chosen id.
        text: What it adds to the decoded text ("" while a character is still incomplete).
        logits: Raw logits it was chosen from, or None once dropped to keep memory bounded.
        sampling: The knobs that held at this step.
        seconds: Since the previous step (the first one includes the prompt).
        probability: Of the chosen token before any knob acted (softmax of the raw logits, float32).
        rank: Of the chosen token among the raw logits, 1 is the most probable.
        entropy: Of the raw distribution, in bits.
        after: Probability of the chosen token after every knob: what it was drawn with.
        guided: The scores after classifier-free guidance, which the other knobs acted on; None without guidance.
        prompt_length: Ids the run was handed in front of the first token of its own; 0 means the branch's start.
        forced: Whether the person chose this token.
    """

    index: int
    token_id: int
    text: str
    logits: Logits | None
    sampling: Sampling
    seconds: float
    probability: float
    rank: int
    entropy: float = math.nan
    after: float = math.nan
    guided: Logits | None = None
    prompt_length: int = 0
    forced: bool = False

    @property
    def surprise(self) -> float:
        """Bits by which the model was surprised by the chosen token, before any knob."""
        return -math.log2(self.probability) if self.probability > 0 else math.inf


@dataclass(frozen=True, eq=False, slots=True)
class Sequenced:
    """A step of one of several sequences that are written side by side.

    Attributes:
        index: Which sequence, 0 for the first.
        step: Its step.
    """

    index: int
    step: Step


@dataclass(frozen=True, slots=True)
class Situation:
    """What the processors look at besides the scores of a step.

    Attributes:
        before: All ids of the sequence that is written, up to this step: prompt and new ones, or the decoder's.
        prompt_length: How many of them were there before the first new token.
        eos: Ids that end a text.
        encoder_ids: The encoder's input, empty without an encoder.
        beams: How many sequences beam search keeps; with more than 1 no step takes the most probable token by itself.
    """

    before: tuple[int, ...]
    prompt_length: int
    eos: tuple[int, ...] = ()
    encoder_ids: tuple[int, ...] = ()
    beams: int = 1


@dataclass(frozen=True, slots=True)
class Start:
    """What a run starts from; sent before its first step.

    Attributes:
        encoding: The prompt, or the encoder's input.
        decoder_start: The ids a decoder starts with; empty for a decoder-only model, which starts with the prompt.
        eos: Ids that end the run.
        kept: Steps taken over from the branch this one grows out of, the one the person forced included.
        dropped: Tokens that were cut off the left end of the prompt so that it fits the context.
        images: Pictures the prompt shows, in its order; their tokens are among those of the encoding, whose text has
            one mark for each.
        sounds: Sounds that are heard in it, likewise.
        unhealed: The prompt as it was written, where its last token was healed; else empty.
    """

    encoding: Encoding
    decoder_start: tuple[int, ...] = ()
    eos: tuple[int, ...] = ()
    kept: int = 0
    dropped: int = 0
    images: tuple[Path, ...] = ()
    unhealed: str = ""
    sounds: tuple[Path, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """All that goes in beside the text: pictures, then sounds."""
        return (*self.images, *self.sounds)

    @property
    def prompt(self) -> str:
        """The prompt as it was written."""
        return self.unhealed or self.encoding.text

    @property
    def context_ids(self) -> tuple[int, ...]:
        """The ids in front of the first new token, in the sequence that is written."""
        return self.decoder_start or self.encoding.input_ids

    def situation(self, steps: Sequence[Step], index: int, beams: int = 1) -> Situation:
        """What the processors looked at when step ``index`` was chosen, or the one behind the last.

        Args:
            steps: From the first new token on.
            index: Of the step.
            beams: As `Situation` has it.
        """
        context = self.context_ids
        before = (*context, *(step.token_id for step in steps[:index]))
        handed = (steps[index].prompt_length if index < len(steps) else 0) or len(context)
        encoder = self.encoding.input_ids if self.decoder_start else ()
        return Situation(before, handed, self.eos, encoder, beams)


@dataclass(frozen=True, eq=False, slots=True)
class Branch:
    """One way a text was continued.

    Attributes:
        key: Its number in the session, never used twice.
        name: As people see it.
        parent: Key of the branch it grows out of, or None for a prompt's first one.
        start: What it started from.
        steps: From the first new token on, those shared with its parent included.
        strategy: How it was made.
        checkpoint: Name of the checkpoint that wrote it.
        reason: Why it ended, as `Generation.reason`; empty while it is being written.
        messages: The chat that the prompt was made from, empty for plain text.
        beams: What beam search did at each step, empty without it.
    """

    key: int
    name: str
    parent: int | None
    start: Start
    steps: tuple[Step, ...]
    strategy: Strategy
    checkpoint: str
    reason: str = ""
    messages: tuple[Message, ...] = ()
    beams: tuple[BeamStep, ...] = ()

    @property
    def text(self) -> str:
        """The new text."""
        return "".join(step.text for step in self.steps)

    def situation(self, index: int) -> Situation:
        """What the processors looked at when step ``index`` was chosen."""
        return self.start.situation(self.steps, index, self.strategy.num_beams)


@dataclass(frozen=True, slots=True)
class Beam:
    """One hypothesis of beam search after a step.

    Attributes:
        ids: Its new ids.
        text: Their text.
        score: Sum of log-probabilities (nats), divided by the length penalty once it is finished.
        parent: Index in the step before of the beam it grew out of.
        finished: Whether it is complete.
    """

    ids: tuple[int, ...]
    text: str
    score: float
    parent: int
    finished: bool


@dataclass(frozen=True, slots=True)
class BeamStep:
    """The beams after one step, best first; what is in the step before and has no child here died.

    Attributes:
        index: 0 for the first.
        running: Hypotheses that go on.
        finished: The complete ones kept so far.
    """

    index: int
    running: tuple[Beam, ...]
    finished: tuple[Beam, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row of the probability view.

    Attributes:
        id: Vocabulary id.
        text: Decoded, as it would read.
        logit: Raw.
        probability: Softmax of the raw logits over the full vocabulary, in float32.
        after: Probability after every active knob, over the full vocabulary; 0.0 when cut.
        cut_by: The knob that removed it, such as ``top_k``, or None when it is kept.
        rank: 1 is the most probable before any knob.
        scores: After each act of the trace, in its order; ``-inf`` from where it was cut.
        why: Why it was cut, in words with numbers; empty when it is kept.
    """

    id: int
    text: str
    logit: float
    probability: float
    after: float
    cut_by: str | None
    rank: int
    scores: tuple[float, ...] = ()
    why: str = ""
