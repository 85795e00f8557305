"""What an evaluation of a fine-tuned checkpoint shows."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How well one label is told.

    Attributes:
        label: Its name.
        precision, recall, f1: In ``[0, 1]``; 0 where nothing was there to be right about.
        support: Rows that have the label.
    """

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Example:
    """A held-out row as the model sees it.

    Attributes:
        place: Where it is written; empty where several rows were joined.
        text: What went in.
        right, guessed: What should have come out and what did; empty where no label is learned.
        loss: Of this row alone (nats; mean over its tokens for a language model).
        probability: Of what was guessed, in ``[0, 1]``; None where there is no such thing.
    """

    place: str
    text: str
    right: str
    guessed: str
    loss: float
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows whose guess was about equally sure.

    Attributes:
        low, high: Bounds of the probability of the guess.
        rows: How many rows lie between them.
        confidence: Their mean probability.
        accuracy: The share of them that was right.
    """

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A checkpoint on the held-out rows of a run.

    Attributes:
        name: The checkpoint's.
        rows: Rows evaluated; blocks for a causal language model.
        metrics: By name, ``loss`` among them.
        labels: Names by id; empty where no single label is learned.
        confusion: Rows by right label (first index) and guessed label.
        classes: A score for each label.
        examples: Every row, the worst first.
        calibration: Ten equal steps of probability, those without rows left out.
        calibration_error: Mean distance of confidence and accuracy over the rows, in ``[0, 1]``; None without labels.
    """

    name: str
    rows: int
    metrics: dict[str, float]
    labels: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    classes: tuple[ClassScore, ...] = ()
    examples: tuple[Example, ...] = field(default=(), repr=False)
    calibration: tuple[Bin, ...] = ()
    calibration_error: float | None = None
