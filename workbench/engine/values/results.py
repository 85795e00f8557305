"""What a task gives, with its three steps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False, slots=True)
class TensorView:
    """A tensor as the task's boxes show it: name, shape, dtype and its values on the CPU.

    Attributes:
        name: As the library calls it, such as ``input_ids`` or ``logits``.
        shape: Its shape.
        dtype: As torch spells it, without ``torch.``.
        values: All values (bfloat16 is widened to float32, exactly).
        axes: What each of its dimensions is, such as ``batch`` and ``sequence``; empty where that is not documented.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    values: np.ndarray
    axes: tuple[str, ...] = ()


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
class Answer:
    """A span of the context that may answer the question: characters ``[start, end)``; an empty text is no answer."""

    text: str
    score: float
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TableAnswer:
    """An answer out of a table.

    Attributes:
        text: In words.
        cells: ``(row, column)`` of the cells it is made of, rows counted below the header.
        aggregation: What is done with them, such as ``SUM``; empty for nothing.
        question: What it answers.
    """

    text: str
    cells: tuple[tuple[int, int], ...]
    aggregation: str
    question: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """An object in a picture: label, score, and its corners in pixels of the picture, from the top left."""

    label: str
    score: float
    xmin: int
    ymin: int
    xmax: int
    ymax: int


@dataclass(frozen=True, eq=False, slots=True)
class Segment:
    """A part of a picture.

    Attributes:
        label: What it shows.
        score: In ``[0, 1]``, or None where each pixel was simply given its best label.
        mask: Of shape ``(height, width)`` of the picture; True where the part is.
    """

    label: str
    score: float | None
    mask: np.ndarray


@dataclass(frozen=True, slots=True)
class Point:
    """A point in a picture: what it is (empty where points have no names), its score, and its place in pixels."""

    label: str
    score: float
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Match:
    """The same thing seen in two pictures: its place ``(x, y)`` in pixels of each, and how sure that is."""

    score: float
    first: tuple[float, float]
    second: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a picture a text says that something is: its name, and its corners in pixels from the top left."""

    label: str
    xmin: float
    ymin: float
    xmax: float
    ymax: float


@dataclass(frozen=True, slots=True)
class Reading:
    """A line of writing.

    Attributes:
        text: What was read.
        score: How sure it is on the whole, in ``[0, 1]``.
        letters: Each of its letters with its probability.
        ways: What was read in each way, where there are several, with how sure that is; None where it can't be told.
    """

    text: str
    score: float
    letters: tuple[Label, ...]
    ways: tuple[tuple[str, Label | None], ...] = ()


@dataclass(frozen=True, slots=True)
class PageScore:
    """How well a page answers a question: the more the better, of any size; pages count from 1."""

    question: str
    page: int
    score: float


@dataclass(frozen=True, slots=True)
class LayoutCell:
    """A cell: the row and the column it begins at, from 0, how many of each it takes, and whether it is of the head."""

    row: int
    column: int
    rows: int
    columns: int
    header: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """The shape of a table.

    Attributes:
        html: As the model wrote it.
        score: The mean probability of its pieces.
        cells: In the order they were written.
    """

    html: str
    score: float
    cells: tuple[LayoutCell, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a transcript.

    Attributes:
        text: What was said.
        start: Second it begins at; None where that was not asked for.
        end: Second it ends at; None where the model did not say.
        language: In which language, as the tokenizer names it; empty where that was not asked for.
    """

    text: str
    start: float | None
    end: float | None
    language: str = ""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected of a moment to come.

    Attributes:
        step: Which one, from 1.
        value: What is expected, in the unit of the series.
        quantiles: Pairs of a probability and the value that is not exceeded with it.
    """

    step: int
    value: float
    quantiles: tuple[tuple[float, float], ...]


@dataclass(frozen=True, eq=False, slots=True)
class Sound:
    """Samples in ``[-1, 1]``, of shape ``(samples,)``, and how many make a second."""

    samples: np.ndarray
    rate: int


@dataclass(frozen=True, slots=True)
class TaskInput:
    """What a task is done on; each task reads what it needs.

    Attributes:
        text: A text, a question, a premise, a prompt.
        second: What goes with it: the context of a question, the other sentence of a pair.
        labels: Candidate labels, or the choices of a multiple choice.
        image: A picture's file.
        audio: A sound's file.
        other: The file of a second picture.
        video: A video's file, or a folder of pictures.
        beside: A file that goes with it: numbers of a speaker's voice or of regions of a picture, as NumPy saves
            them, or the mask of the second picture.
    """

    text: str = ""
    second: str = ""
    labels: tuple[str, ...] = ()
    image: Path | None = None
    audio: Path | None = None
    other: Path | None = None
    video: Path | None = None
    beside: Path | None = None


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """The settings of a task; each task reads those that apply to it.

    Attributes:
        top_k: Labels, answers or alternatives for each mask to give; None means all of them.
        threshold: What scores below it is left out, in ``[0, 1]``; 0.0 keeps all.
        function: How logits become scores: ``softmax``, ``sigmoid``, ``none`` (they stay) or ``auto``, as the
            checkpoint was trained.
        targets: What may stand in place of a mask; none means any token.
        aggregation: How tokens become entities: ``none``, ``simple``, ``first``, ``average`` or ``max``.
        ignore_labels: Labels that are no entity.
        stride: Tokens that two neighbouring windows over a long text share. None takes the task's own; where it has
            none, a long text is cut.
        split: Whether the text is given as words, between white space; the tokenizer then cuts each by itself.
        pooling: How the hidden states of an input become one vector: ``mean`` (over attended positions), ``cls`` (the
            first position), ``max`` (the largest value of each number) or ``last`` (the last attended position); or
            ``pooler``, the vector that the model's own layer makes of them.
        states: Whose hidden states an encoder-decoder is asked for: ``encoder``, ``decoder``, which reads the same text
            one place to the right, or ``auto``, those that the pipeline gives (the encoder's where it gives none).
        projection: How vectors become points of a map: ``pca``, ``t-sne`` or ``none``.
        normalize: Scale each vector to length 1.
        max_new_tokens: Tokens to generate at most.
        do_sample: Draw the next token; False takes the most probable one.
        temperature: Divides the logits when sampling; above 0, usually 0.2 to 1.5.
        seed: Seeds torch's generator before sampling.
        chunk_length: Seconds of a long sound that go through the model at once; None takes it whole.
        chunk_overlap: Seconds that a part shares with each neighbour; None takes a sixth of it.
        says_language: Whether it is said in which language each part was spoken.
        max_length: Tokens the text is cut at, special ones included; None means the checkpoint's context.
        draw_top_k: Tokens that one is drawn from, the most probable ones; None takes what the checkpoint's
            ``generation_config`` says.
        top_p: Probability that the tokens one is drawn from have together at least, in ``(0, 1]``; None as above.
        stops: Texts that end the writing; the one that is written is part of the result.
        num_beams: Texts that are followed at once while a sequence is written; 1 is none besides the best, and None
            takes what the checkpoint's ``generation_config`` says.
        source_language, target_language: Codes, or names, as the tokenizer or the model knows them; empty takes its
            own, or the one that is heard.
        speech_task: What a model for speech in many languages does: ``transcribe`` it, ``translate`` it into English,
            or ``auto``, as its ``generation_config`` says.
        max_answer_tokens: Tokens of the longest answer.
        sequential: Whether questions about a table are asked one after the other, each with the answer before.
        no_answer: Whether the context may hold no answer.
        template: How a candidate label becomes a sentence; ``{}`` is the label. Empty takes the task's own.
        multi_label: Whether several labels may be true; each is scored alone then.
        subtask: What parts of a picture are: ``auto``, ``semantic``, ``instance`` or ``panoptic``.
        mask_threshold: Probability above which a pixel belongs to a part, in ``[0, 1]``.
        overlap: Share of a part that must be left when surer parts have taken theirs, in ``[0, 1]``.
        timestamps: When something was said: ``none``, ``segment``, ``word`` or ``char``.
        num_frames: Frames of a video that are looked at; None takes what the checkpoint was made for.
        frame_step: Frames of a video from one that is looked at to the next; 1 or more.
        points_per_side: Points of a grid over a picture, each way, that masks are asked for at; 1 or more.
        stability: How little a mask may change with its threshold to be kept, in ``[0, 1]``.
        stability_shift: How far the logit that a mask begins at is moved up and down to see how it changes; above 0.
        mask_logit: Logit above which a pixel belongs to a mask.
        box_overlap: Intersection over union of the boxes of two masks above which the less sure goes, in ``[0, 1]``.
        crop_layers: How often a picture is cut into ever smaller parts, on which all is done besides: 4 parts, 16 more,
            64 more; 0 or more.
        crop_overlap: Share of the shorter side of a picture that its parts have in common, in ``[0, 1)``; None takes
            the library's 512/1500. Smaller parts have less in common.
        frequency: How far the moments of a series are apart: ``high`` (a day or less), ``medium`` (a week or a month)
            or ``low`` (more).
        speaks: Whether a model that can do so says its answer besides writing it.
        paints: Whether a model that can do so draws a picture instead of writing.
        cleaned: Whether what Nougat reads off a page is mended by its processor: repetitions, tables, references.
    """

    top_k: int | None = 5
    threshold: float = 0.0
    function: str = "auto"
    targets: tuple[str, ...] = ()
    aggregation: str = "simple"
    ignore_labels: tuple[str, ...] = ("O",)
    stride: int | None = None
    split: bool = False
    pooling: str = "mean"
    states: str = "auto"
    projection: str = "pca"
    normalize: bool = True
    max_new_tokens: int = 40
    do_sample: bool = False
    temperature: float = 0.7
    seed: int = 0
    chunk_length: int | None = None
    chunk_overlap: float | None = None
    says_language: bool = False
    max_length: int | None = None
    draw_top_k: int | None = None
    top_p: float | None = None
    stops: tuple[str, ...] = ()
    num_beams: int | None = None
    source_language: str = ""
    target_language: str = ""
    speech_task: str = "auto"
    max_answer_tokens: int = 15
    no_answer: bool = False
    sequential: bool = False
    template: str = ""
    multi_label: bool = False
    subtask: str = "auto"
    mask_threshold: float = 0.5
    overlap: float = 0.5
    timestamps: str = "none"
    num_frames: int | None = None
    frame_step: int = 1
    points_per_side: int = 32
    stability: float = 0.95
    stability_shift: float = 1.0
    mask_logit: float = 0.0
    box_overlap: float = 0.7
    crop_layers: int = 0
    crop_overlap: float | None = None
    frequency: str = "high"
    speaks: bool = False
    paints: bool = False
    cleaned: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class TaskResult:
    """What a task gave, with its three steps.

    Attributes:
        task: As the library names it, such as ``text-classification``.
        given: The input.
        stages: preprocess, forward, postprocess.
        items: Values of the kind the task gives, such as `Label`; one str where a text is written; rows of floats for
            vectors.
        truncated: Tokens that were cut off because the text is longer than the context.
        tokens: What the rows and columns of a score matrix stand for, where there is one.
        heard: Seconds of the sound that went to the model, where it is longer; 0.0 where all of it did.
        broken: Names of what the model gave that holds NaN; nothing that was made of it means anything.
        options: What the steps were told.
        kept: What the last step was given, for `tasks.finish` alone.
    """

    task: str
    given: TaskInput
    stages: tuple[Stage, Stage, Stage]
    items: tuple[Any, ...]
    truncated: int = 0
    tokens: tuple[str, ...] = ()
    heard: float = 0.0
    broken: tuple[str, ...] = ()
    options: TaskOptions = TaskOptions()
    kept: Any = None

    @property
    def text(self) -> str:
        """The text of the input."""
        return self.given.text
