"""Data files and fine-tunes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from workbench.engine.values.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class DataSource:
    """Where rows come from: a file or folder of this machine, or a data set of the Hub.

    Attributes:
        path: A data file, a folder of them, or a folder that ``Dataset.save_to_disk`` wrote; None for the Hub.
        repo, revision: Of a data set of the Hub.
        config, split: Which part of it; empty takes the one there is.
    """

    path: Path | None = None
    repo: str = ""
    revision: str = ""
    config: str = ""
    split: str = ""

    @property
    def name(self) -> str:
        """What it is called in a title: the file's name, or the repository."""
        return self.repo if self.path is None else self.path.name


@dataclass(frozen=True, slots=True)
class Table:
    """A data source, parsed: what the trainer pane previews.

    Attributes:
        source: Where it was read from.
        columns: Names, in order.
        rows: The first rows, as text.
        total: Rows in all.
        labels: Per column, how often each value occurs (only columns with at most 50 different values).
    """

    source: DataSource
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    total: int
    labels: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrainSpec:
    """Everything that makes a run; equal specs on one machine give equal losses.

    Attributes:
        task: What is learned, by a name of ``engine.train.heads.HEADS``, such as ``text-classification``.
        checkpoint: Where to start from.
        data: The rows.
        columns: Which column has which role, as ``{"text": "review", "label": "stars"}``; the head names the roles.
        output_dir: The run's folder.
        rows: Use as many rows, drawn with the seed; None means all.
        eval_fraction: Share of the rows held out for evaluation, in ``(0, 1)``.
        max_length: Tokens a row is cut at (classification) or a block is long (causal LM).
        epochs: ``num_train_epochs``.
        max_steps: Stop after as many optimizer steps; -1 means by epochs.
        batch_size: ``per_device_train_batch_size``.
        gradient_accumulation_steps: Batches per optimizer step.
        learning_rate: Peak of the schedule, usually 1e-5 to 5e-4.
        lr_scheduler_type: As transformers names it, such as ``linear`` or ``cosine``.
        warmup_steps: Steps, or a share of all when below 1.
        weight_decay: Usually 0 to 0.1.
        eval_steps: Evaluate every so many steps; 0 means once per epoch.
        freeze_layers: Freeze the embeddings and as many of the first layers; 0 trains everything.
        bf16: Autocast to bfloat16.
        group_by_length: Put rows of like length into a batch (less padding, faster); classification only.
        seed: Of the split, the order, the head and the dropout.
        threads: CPU threads of the run; 0 means one less than the physical cores.
    """

    task: str
    checkpoint: Checkpoint
    data: DataSource
    columns: dict[str, str]
    output_dir: Path
    rows: int | None = None
    eval_fraction: float = 0.1
    max_length: int = 128
    epochs: float = 1.0
    max_steps: int = -1
    batch_size: int = 16
    gradient_accumulation_steps: int = 1
    learning_rate: float = 5e-5
    lr_scheduler_type: str = "linear"
    warmup_steps: float = 0.1
    weight_decay: float = 0.0
    eval_steps: int = 0
    freeze_layers: int = 0
    bf16: bool = False
    group_by_length: bool = False
    seed: int = 0
    threads: int = 0


@dataclass(frozen=True, slots=True)
class TrainPoint:
    """What Trainer logged at one step; a value that was not logged is None, never zero.

    Attributes:
        step, total: Optimizer steps done and in all.
        epoch: Fraction of epochs done.
        loss: Training loss (mean over the step's batches).
        learning_rate: Used for that step.
        grad_norm: Before clipping.
        eval_loss: Of an evaluation.
        metrics: Evaluation metrics such as ``accuracy`` and ``f1``.
        samples_per_second, seconds: Speed, and time since the start without pauses.
    """

    step: int
    total: int
    epoch: float
    loss: float | None = None
    learning_rate: float | None = None
    grad_norm: float | None = None
    eval_loss: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    samples_per_second: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A finished (or stopped and kept) run.

    Attributes:
        checkpoint: The checkpoint it made, loadable like any other.
        points: The whole curve.
        stopped: Whether the person stopped it early.
        train_rows, eval_rows: Rows used.
        labels: Names of the labels, empty where none are learned.
    """

    checkpoint: Checkpoint
    points: tuple[TrainPoint, ...]
    stopped: bool
    train_rows: int
    eval_rows: int
    labels: tuple[str, ...]
