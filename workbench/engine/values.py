"""The values that cross threads: frozen, plain, and named as the field names them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder of weights, config and tokenizer on this machine; loading is always by ``path``.

    Attributes:
        name: Hub id, starter name, run name or folder name, as shown to people.
        path: The folder (a Hub snapshot, a starter, a run's result or any local folder).
        source: ``hub``, ``starter``, ``run`` or ``folder``.
        revision: Commit hash when it came from the Hub.
        size: Bytes on disk, 0 when not measured.
        last_used: Seconds since the epoch, 0.0 when unknown.
        complete: Whether config and weights are all there.
    """

    name: str
    path: Path
    source: str = "folder"
    revision: str | None = None
    size: int = 0
    last_used: float = 0.0
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Facts:
    """What config.json and the folder say about a checkpoint, read without torch.

    Attributes:
        architectures: ``config.architectures``.
        model_type: ``config.model_type``.
        heads: Auto classes that fit, best first, such as ``AutoModelForCausalLM``; always ends in ``AutoModel``.
        trained_head: The Auto class the weights were saved with, or None.
        dtype: The dtype the weights are stored in, as torch spells it, or None.
        layers, hidden_size, attention_heads, kv_heads, vocab_size, context: Sizes, or None where the config is silent.
        labels: ``id2label`` in order of id, empty without one.
        weights: ``safetensors``, ``pickle``, ``gguf`` or ``none``.
        weight_bytes: Bytes of the weight files.
        remote_code: Whether the config asks for code of its own (``auto_map``).
        has_tokenizer: Whether tokenizer files are there.
        has_chat_template: Whether a chat template is there.
    """

    architectures: tuple[str, ...]
    model_type: str
    heads: tuple[str, ...]
    trained_head: str | None
    dtype: str | None
    layers: int | None
    hidden_size: int | None
    attention_heads: int | None
    kv_heads: int | None
    vocab_size: int | None
    context: int | None
    labels: tuple[str, ...]
    weights: str
    weight_bytes: int
    remote_code: bool
    has_tokenizer: bool
    has_chat_template: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """One row of a Hub search.

    Attributes:
        repo_id: ``author/name``.
        task: ``pipeline_tag``, empty when the repository names none.
        parameters: Number of weights from the safetensors header, or None.
        size: Bytes of the files, or None when the listing has none.
        downloads, likes: Counts of the last 30 days and of all time.
        updated: ISO date of the last change, empty when unknown.
        gated: Whether access has to be asked for.
        library: ``library_name``.
        licence: From the ``license:`` tag, empty when there is none.
    """

    repo_id: str
    task: str
    parameters: int | None
    size: int | None
    downloads: int
    likes: int
    updated: str
    gated: bool
    library: str
    licence: str


@dataclass(frozen=True, slots=True)
class Token:
    """One position as the model sees it.

    Attributes:
        position: Index in ``input_ids``.
        id: Vocabulary id.
        piece: The vocabulary's own spelling (``Ġquick``, ``##ing``, ``▁the``).
        text: The characters this token stands for, empty when they are only part of a character.
        bytes: The exact bytes where the vocabulary is byte-level or the offsets give them, else None.
        offsets: ``(start, end)`` in characters of the text, or None when the tokenizer can't say.
        word: Word index, or None.
        mask: attention_mask, 1 or 0.
        type_id: token_type_ids, or None when the tokenizer returns none.
        special: Whether it is a special token.
        sequence: 0 for the text, 1 for the second text of a pair, None for what was added or can't be told.
    """

    position: int
    id: int
    piece: str
    text: str
    bytes: bytes | None
    offsets: tuple[int, int] | None
    word: int | None
    mask: int
    type_id: int | None
    special: bool
    sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Encoding:
    """A text and what the tokenizer made of it.

    Attributes:
        text: What was encoded.
        tokens: One per position, padding included.
        truncated: Tokens that truncation cut off.
    """

    text: str
    tokens: tuple[Token, ...]
    truncated: int = 0

    @property
    def input_ids(self) -> tuple[int, ...]:
        """Ids of shape ``(seq,)``."""
        return tuple(token.id for token in self.tokens)

    @property
    def attention_mask(self) -> tuple[int, ...]:
        """Mask of shape ``(seq,)``, 1 for what is attended to."""
        return tuple(token.mask for token in self.tokens)


@dataclass(frozen=True, slots=True)
class TokenizerOptions:
    """The switches of a tokenizer call, under the names ``tokenizer(…)`` gives them.

    Attributes:
        add_special_tokens: Add ``[CLS]``, ``<s>`` and their like.
        padding: ``False``, ``"longest"`` or ``"max_length"``.
        truncation: Cut at ``max_length``.
        max_length: Tokens, special ones included; None means the tokenizer's own.
        padding_side: ``"right"``, ``"left"`` or None for the tokenizer's own.
    """

    add_special_tokens: bool = True
    padding: bool | str = False
    truncation: bool = False
    max_length: int | None = None
    padding_side: str | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """The knobs of ``generate()``.

    Attributes:
        do_sample: Draw from the distribution; False takes the most probable token (greedy).
        temperature: Divides the logits; above 0, usually 0.2 to 1.5; 1.0 is off.
        top_k: Keep the k most probable tokens; 0 is off.
        top_p: Keep the smallest set whose probability reaches p; 1.0 is off.
        min_p: Drop what is less probable than min_p times the most probable; 0.0 is off.
        repetition_penalty: Divides (or multiplies, below zero) the logits of tokens seen; 1.0 is off.
        max_new_tokens: Stop after as many.
        seed: Seeds torch's generator at the start of a generation.
    """

    do_sample: bool = True
    temperature: float = 0.7
    top_k: int = 50
    top_p: float = 0.95
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    max_new_tokens: int = 128
    seed: int = 0


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
    """

    index: int
    token_id: int
    text: str
    logits: Logits | None
    sampling: Sampling
    seconds: float
    probability: float
    rank: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row of the probability view.

    Attributes:
        id: Vocabulary id.
        text: Decoded, as it would read.
        logit: Raw.
        probability: Softmax of the raw logits over the full vocabulary, in float32.
        after: Probability after every active knob, over the full vocabulary; 0.0 when cut.
        cut_by: The knob that removed it (``top_k``, ``top_p``, ``min_p``), or None when it is kept.
        rank: 1 is the most probable before any knob.
    """

    id: int
    text: str
    logit: float
    probability: float
    after: float
    cut_by: str | None
    rank: int


@dataclass(frozen=True, slots=True)
class Message:
    """A turn of a chat: role ``system``, ``user`` or ``assistant``, and what was said."""

    role: str
    content: str


@dataclass(frozen=True, eq=False, slots=True)
class TensorView:
    """A tensor as the task's boxes show it: name, shape, dtype and its values on the CPU.

    Attributes:
        name: As the library calls it, such as ``input_ids`` or ``logits``.
        shape: Its shape.
        dtype: As torch spells it, without ``torch.``.
        values: All values (bfloat16 is widened to float32, exactly).
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    values: np.ndarray


@dataclass(frozen=True, eq=False, slots=True)
class Stage:
    """One of the three boxes: ``preprocess``, ``forward`` or ``postprocess``."""

    name: str
    tensors: tuple[TensorView, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Label:
    """A label and its score: in ``[0, 1]``, or the raw value of a regression head."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Entity:
    """A marked span of the text: characters ``[start, end)``."""

    label: str
    score: float
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Filled:
    """An alternative for one mask: the token, its probability and the text with it filled in."""

    mask_index: int
    token_id: int
    token: str
    score: float
    sequence: str


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """The settings of a task; each task reads those that apply to it.

    Attributes:
        top_k: Labels (text-classification) or alternatives for each mask (fill-mask) to give; None means all labels.
        threshold: Labels and entities that score below it are left out, in ``[0, 1]``; 0.0 keeps all.
        aggregation: How tokens become entities: ``none``, ``simple``, ``first``, ``average`` or ``max``.
        pooling: How the hidden states of a text become one vector: ``mean`` (over attended positions), ``cls`` (the
            first position) or ``last`` (the last attended position).
        normalize: Scale each vector to length 1.
        max_new_tokens: Tokens to generate at most.
        do_sample: Draw the next token; False takes the most probable one.
        temperature: Divides the logits when sampling; above 0, usually 0.2 to 1.5.
        seed: Seeds torch's generator before sampling.
        max_length: Tokens the text is cut at, special ones included; None means the checkpoint's context.
    """

    top_k: int | None = 5
    threshold: float = 0.0
    aggregation: str = "simple"
    pooling: str = "mean"
    normalize: bool = True
    max_new_tokens: int = 40
    do_sample: bool = False
    temperature: float = 0.7
    seed: int = 0
    max_length: int | None = None


@dataclass(frozen=True, eq=False, slots=True)
class TaskResult:
    """What a task gave, with its three steps.

    Attributes:
        task: As the library names it, such as ``text-classification``.
        text: The input.
        stages: preprocess, forward, postprocess.
        items: `Label`, `Entity` or `Filled` values; one str for text-generation; rows of floats for feature-extraction.
        truncated: Tokens that were cut off because the text is longer than the context.
    """

    task: str
    text: str
    stages: tuple[Stage, Stage, Stage]
    items: tuple[Any, ...]
    truncated: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """A data file, parsed: what the trainer pane previews.

    Attributes:
        path: The file.
        columns: Names, in order.
        rows: The first rows, as text.
        total: Rows in all.
        labels: Per column, how often each value occurs (only columns with at most 50 different values).
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    total: int
    labels: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrainSpec:
    """Everything that makes a run; equal specs on one machine give equal losses.

    Attributes:
        task: ``text-classification`` (AutoModelForSequenceClassification) or ``text-generation``
            (AutoModelForCausalLM).
        checkpoint: Where to start from.
        data: A CSV or JSONL file.
        text_column: The column with the text.
        label_column: The column with the label; None for text-generation.
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
    data: Path
    text_column: str
    label_column: str | None
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
        labels: Names of the labels, empty for text-generation.
    """

    checkpoint: Checkpoint
    points: tuple[TrainPoint, ...]
    stopped: bool
    train_rows: int
    eval_rows: int
    labels: tuple[str, ...]
