"""Data files and fine-tunes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
        total: Rows in all, or as many as were read so far.
        labels: Per column, how often each value occurs (only columns with at most 50 different values).
        kinds: Per column, how many values are ``text``, ``number``, ``truth value``, ``list``, ``object`` and
            ``nothing``, the most frequent first.
        splits: Names that ``source.split`` can have; empty where there is nothing to choose.
        complete: Whether all rows were read; the first rows are shown before that.
        index: Where each page begins, for `engine.data.page`.
    """

    source: DataSource
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    total: int
    labels: dict[str, dict[str, int]] = field(default_factory=dict)
    kinds: dict[str, dict[str, int]] = field(default_factory=dict)
    splits: tuple[str, ...] = ()
    complete: bool = True
    index: object = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Method:
    """What of a checkpoint is trained.

    Attributes:
        kind: ``full``; ``head``, which leaves the body as it is; ``own``, which trains the adapter further that the
            checkpoint is; or a new adapter by a name of ``engine.train.methods.ADAPTERS``, such as ``lora``.
        rank: Inner size of a new adapter's matrices, usually 4 to 64.
        alpha: The adapter counts ``alpha / rank``, usually one to two times the rank.
        dropout: In front of the adapter, in ``[0, 1)``, usually 0 to 0.1.
        targets: Names of the linear layers that get an adapter, such as ``q_proj``; empty means all but the head.
        bits: Of the frozen weights below an adapter: 8, 4, or 0 for float32.
    """

    kind: str = "full"
    rank: int = 8
    alpha: int = 16
    dropout: float = 0.0
    targets: tuple[str, ...] = ()
    bits: int = 0

    @property
    def is_adapter(self) -> bool:
        """Whether weights are added and the checkpoint's own stay as they are."""
        return self.kind not in ("full", "head")


@dataclass(frozen=True, slots=True)
class TrainSpec:
    """Everything that makes a run; equal specs on one machine give equal losses.

    Attributes:
        task: What is learned, by a name of ``engine.train.heads.HEADS``, such as ``text-classification``.
        checkpoint: Where to start from.
        data: The rows.
        columns: Which column has which role, as ``{"text": "review", "label": "stars"}``; the head names the roles.
        output_dir: The run's folder.
        evaluation: Rows to evaluate on, with the same columns; None holds some of ``data`` out.
        rows: Use as many rows, drawn with the seed; None means all.
        eval_fraction: Share of the rows held out for evaluation, in ``(0, 1)``; without effect with ``evaluation``.
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
        method: What is trained: everything, the head, or an adapter.
        bf16: Autocast to bfloat16.
        fp16: Autocast to float16, with a scaled loss; on a GPU.
        activation_checkpointing: Compute the activations again in the backward pass: less memory, a third slower.
        torch_compile: Compile the model first.
        label_smoothing_factor: Share of each label that is spread over the others, usually 0 to 0.1.
        neftune_noise_alpha: Noise on the embeddings (NEFTune), usually 5 to 15; 0 means none.
        early_stopping_patience: Stop after as many evaluations without a better metric; 0 means never.
        early_stopping_threshold: How much better counts as better.
        metric_for_best_model: What of an evaluation patience and the best checkpoint go by, a name of the head's
            ``measures``; empty takes the head's own.
        load_best_model_at_end: Let the result be the checkpoint of the best evaluation instead of the last step.
        arguments: Further fields of ``TrainingArguments`` and their values; see ``engine.train.arguments``.
        head_options: Settings that only this head has, by the names of its ``options``, such as
            ``{"mlm_probability": 0.3}``; what is not named keeps its default.
        group_by_length: Put rows of like length into a batch (less padding, faster); classification only.
        save_steps: Write a checkpoint to go on from every so many steps: 0 means after each epoch and after 5 minutes
            without one; -1 means never.
        probes: Texts that the model answers every ``probe_steps`` steps while it learns; see ``engine.train.probes``.
        probe_steps: Steps between two rounds of probes.
        probe_tokens: Tokens written for a probe at most, where text is generated.
        seed: Of the split, the order, the head and the dropout.
        threads: CPU threads of the run; 0 means one less than the physical cores.
    """

    task: str
    checkpoint: Checkpoint
    data: DataSource
    columns: dict[str, str]
    output_dir: Path
    evaluation: DataSource | None = None
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
    method: Method = Method()
    bf16: bool = False
    fp16: bool = False
    activation_checkpointing: bool = False
    torch_compile: bool = False
    label_smoothing_factor: float = 0.0
    neftune_noise_alpha: float = 0.0
    early_stopping_patience: int = 0
    early_stopping_threshold: float = 0.0
    metric_for_best_model: str = ""
    load_best_model_at_end: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)
    head_options: dict[str, Any] = field(default_factory=dict)
    group_by_length: bool = False
    save_steps: int = 0
    probes: tuple[str, ...] = ()
    probe_steps: int = 10
    probe_tokens: int = 32
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
        samples_per_second: Of the last steps (at most 50), or of an evaluation.
        tokens_per_second: Of the last steps (at most 50), without padding, where Trainer counts them.
        seconds: Time since the start without pauses and what was asked for in between.
        seconds_left: How long the steps, evaluations, saves and probes will still take, by those there have been.
        memory: Resident bytes of the process, looked up once a second.
        device_memory: Bytes that torch holds on the accelerator, where there is one.
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
    tokens_per_second: float | None = None
    seconds: float = 0.0
    seconds_left: float | None = None
    memory: int | None = None
    device_memory: int | None = None


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What the model made of a probe after a step; the fields that its head fills.

    Attributes:
        step: Optimizer steps done by then; 0 is before the first.
        probe: The probe, as it stands in ``TrainSpec.probes``.
        text: What was written, the answer that was found, or the number.
        labels: Labels (or words for the mask) and their probabilities, in ``[0, 1)``, the likeliest first.
        tags: Words and the tag of each.
        note: Why there is nothing, such as a probe without a mask.
    """

    step: int
    probe: str
    text: str = ""
    labels: tuple[tuple[str, float], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Best:
    """The evaluation whose weights became the result.

    Attributes:
        step: Optimizer steps done by then.
        metric: What it was best by, such as ``accuracy``.
        value: Of the metric.
    """

    step: int
    metric: str
    value: float


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A finished (or stopped and kept) run.

    Attributes:
        checkpoint: The checkpoint it made, loadable like any other.
        points: The whole curve.
        stopped: Whether the person stopped it early.
        train_rows, eval_rows: Rows used.
        labels: Names of the labels, empty where none are learned.
        best: Which evaluation the checkpoint is of; None for the weights after the last step.
    """

    checkpoint: Checkpoint
    points: tuple[TrainPoint, ...]
    stopped: bool
    train_rows: int
    eval_rows: int
    labels: tuple[str, ...]
    best: Best | None = None
