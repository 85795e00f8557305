"""Which script a checkpoint wants, where it is used in another way than others that do the task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from workbench.engine.codegen.script import config_of, model_type_of
from workbench.engine.codegen.task import (
    anything,
    audio,
    captions,
    documents,
    films,
    pages,
    points,
    rarer,
    raw,
    sequences,
    speech,
    text,
    vision,
)
from workbench.engine.codegen.task.parts import LABELS, Script, denoised, named, torch_when_sampling
from workbench.engine.facts import describe
from workbench.engine.generate.captions import TYPES
from workbench.engine.processors import PLACED
from workbench.engine.tasks import aligning, policies
from workbench.engine.tasks.any_to_any import ALSO, AMONG, HEARS, TALKERS
from workbench.engine.tasks.automatic_speech_recognition import TRANSDUCERS
from workbench.engine.tasks.feature_extraction import POOLED
from workbench.engine.tasks.image_classification import UNNAMED
from workbench.engine.tasks.image_feature_extraction import DRAWS
from workbench.engine.tasks.image_segmentation import TOLD as TOLD_IN_WORDS
from workbench.engine.tasks.image_to_image import FLATTENS
from workbench.engine.tasks.notes import ARCHITECTURE
from workbench.engine.tasks.painting import PAINTERS
from workbench.engine.tasks.processors import takes_films
from workbench.engine.tasks.raw_beside import ACTS
from workbench.engine.tasks.raw_inputs import part
from workbench.engine.tasks.sounds import FILLED
from workbench.engine.tasks.speaking import SEAMLESS, TURNS
from workbench.engine.tasks.table_question_answering import TABULAR
from workbench.engine.tasks.transcribing import GRANITE, LANGUAGES
from workbench.engine.tasks.video_classification import NESTED
from workbench.engine.tasks.writing import DENOISES
from workbench.engine.tasks.zero_shot_audio_classification import COMPARED
from workbench.engine.tasks.zero_shot_image_segmentation import MARKS
from workbench.engine.tasks.zero_shot_object_detection import TOLD, guided

if TYPE_CHECKING:
    from workbench.engine.values import Checkpoint, TaskInput, TaskOptions


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a script is asked for.

    Attributes:
        made: The usual script of the task.
        given: The input.
        checkpoint: Whose script it is.
        head: The Auto class; empty where the task's own is taken.
        kind: The ``model_type`` of its config.
    """

    made: Script
    given: TaskInput
    checkpoint: Checkpoint
    head: str
    kind: str


_When = Callable[[_Asked], bool]
_Then = Callable[[_Asked], Script]


def fitted(name: str, made: Script, given: TaskInput, checkpoint: Checkpoint, head: str) -> Script:
    """The script of a task for what was given, and for checkpoints that are used in another way than others.

    Args:
        name: Of the task.
        made: Its usual script.
        given: The input.
        checkpoint: Whose script it is.
        head: The Auto class; empty where the task's own is taken.
    """
    if (other := films.fitted(name, made, checkpoint)) is not None:
        return other
    if documents.reads_pages(checkpoint) and name != "image-text-to-text":
        return documents.fitted(name, made, given, checkpoint)
    asked = _Asked(made, given, checkpoint, head, model_type_of(checkpoint))
    fits = (then(asked) for when, then in _RULES.get(name, ()) if when(asked))
    return next(fits, made)


def _is(*kinds: str) -> _When:
    return lambda asked: asked.kind in kinds


def _with(**parts: Any) -> _Then:
    return lambda asked: replace(asked.made, **parts)


def _denoised(asked: _Asked) -> Script:
    made = asked.made
    return replace(
        made,
        blocks=lambda given, options: denoised(made.blocks(given, options), options),
        imports=lambda given, options: tuple(dict.fromkeys((*made.imports(given, options), "import torch"))),
    )


def _heard(asked: _Asked) -> Script:
    blocks = anything.said if asked.kind in GRANITE else asked.made.blocks
    return replace(asked.made, given=partial(anything.given_any, model_type=asked.kind), blocks=blocks)


def _among(asked: _Asked) -> Script:
    """Raw outputs of a sound among words, as its own task prepares them."""
    plain = anything.SCRIPTS["any-to-any"]
    return raw.among(fitted("any-to-any", plain, asked.given, asked.checkpoint, asked.head), asked.made)


def _turned(asked: _Asked) -> Script:
    """Raw outputs of a turn of a conversation, with the sound of it."""
    return raw.among(speech.converses(asked.kind), asked.made)


def _placed(asked: _Asked) -> Script:
    """Raw outputs of a picture among words, as its own task prepares them."""
    plain = vision.SCRIPTS["image-text-to-text"]
    whole = fitted("image-text-to-text", plain, asked.given, asked.checkpoint, asked.head)
    return raw.among(whole, asked.made, asked.kind)


def _is_placed(asked: _Asked) -> bool:
    placed = asked.head in PLACED and asked.kind not in ACTS
    return asked.given.image is not None and placed and describe(asked.checkpoint).takes_images


def _is_two_sided(asked: _Asked) -> bool:
    """Whether both sides of an encoder-decoder are loaded."""
    if not asked.kind or asked.head == "AutoModelForTextEncoding":
        return False
    return describe(asked.checkpoint).encoder_decoder


def _is_unnamed(asked: _Asked) -> bool:
    """Whether the config lacks the names of some labels, which the pipeline fails on."""
    names = config_of(asked.checkpoint).get("id2label")
    return isinstance(names, dict) and sorted(names) != sorted(map(str, range(len(names))))


def _numbered(asked: _Asked) -> Script:
    """The script where labels without a name have their number for one."""

    def blocks(given: TaskInput, options: TaskOptions) -> list[list[str]]:
        first, *rest = asked.made.blocks(given, options)
        pairs = f"{{number: {named('number')} for number in range(model.config.num_labels)}}"
        return [[LABELS, f"model.config.id2label = {pairs}", *first], *rest]

    return replace(asked.made, blocks=blocks)


def _speaks(asked: _Asked) -> Script:
    spoken = speech.BY_TYPE.get(asked.kind, asked.made)
    spoken = anything.SPOKEN if spoken is asked.made and asked.given.beside is not None else spoken
    # Of some, the class is the same where it was loaded without a head.
    return replace(spoken, heads=(*spoken.heads, "AutoModel"))


#: By the name of the task: when, and the script then; the first that holds is taken.
_RULES: dict[str, tuple[tuple[_When, _Then], ...]] = {
    "any-to-any": (
        (_is(DENOISES), _denoised),
        (_is("hunyuan_vl"), _with(blocks=partial(anything.answered, framed=True))),
        (_is(*TYPES), _with(blocks=partial(anything.answered, marked=False))),
        (_is(*TALKERS), _with(blocks=anything.thought, imports=anything.thought_imports)),
        (_is(*PAINTERS), _with(blocks=anything.painted, imports=anything.painted_imports)),
        (_is(*audio.BY_OTHER_NAME), _heard),
        (_is(*HEARS), _with(heads=ALSO)),
        (_is("voxtral"), _with(given=anything.given_voxtral, blocks=anything.voxtral, imports=torch_when_sampling)),
    ),
    "automatic-speech-recognition": (
        (lambda asked: asked.head == aligning.HEAD, lambda _: audio.ALIGNED),
        (lambda asked: asked.head in TRANSDUCERS, _with(blocks=audio.transduced)),
        (_is(ARCHITECTURE), lambda _: audio.PIANO),
        (_is(*LANGUAGES, *FILLED), lambda asked: audio.asked(asked.kind)),
    ),
    "feature-extraction": (
        (_is(*POOLED), _with(blocks=text.self_pooled)),
        (
            _is_two_sided,
            lambda asked: replace(asked.made, blocks=partial(text.two_sided, kind=asked.kind)),
        ),
    ),
    "fill-mask": ((_is(*TABULAR), lambda asked: rarer.beside_table(asked.made)),),
    "image-classification": (
        (_is(policies.ARCHITECTURE), _with(blocks=vision.policies, loads=("processor",))),
        (_is(*UNNAMED), _with(blocks=vision.unnamed_classification)),
    ),
    "image-feature-extraction": (
        (_is(*DRAWS), _with(blocks=vision.drawn_features)),
        (lambda asked: part(asked.kind), _with(blocks=raw.features, imports=vision.segmentation_imports)),
    ),
    "image-matting": (
        (
            lambda asked: asked.kind != "vitmatte",
            _with(given=vision.given_picture, blocks=points.untold_matting),
        ),
    ),
    "image-segmentation": (
        (
            _is(TOLD_IN_WORDS),
            _with(blocks=vision.told_in_words, imports=vision.told_imports, loads=("tokenizer", "image_processor")),
        ),
    ),
    "image-text-to-text": (
        (_is(DENOISES), _denoised),
        (_is("hunyuan_vl"), _with(blocks=partial(vision.image_text, framed=True))),
        (_is("idefics"), _with(blocks=vision.between)),
        (_is(*TYPES), lambda asked: captions.script(asked.kind, asked.checkpoint.path)),
    ),
    "image-to-image": ((_is(*FLATTENS), _with(blocks=pages.flattened)),),
    "raw-outputs": (
        (lambda asked: asked.given.audio is not None and asked.kind in AMONG, _among),
        (lambda asked: asked.given.audio is not None and asked.kind in TURNS, _turned),
        (
            lambda asked: (
                captions.filmed(asked.given, asked.kind) or (asked.given.image is not None and asked.kind in TYPES)
            ),
            lambda asked: captions.raw(asked.kind),
        ),
        (_is_placed, _placed),
        (lambda _: True, lambda asked: raw.fitted(asked.made, asked.given, asked.checkpoint, asked.head)),
    ),
    "text-to-audio": ((lambda _: True, _speaks),),
    "token-classification": ((_is_unnamed, _numbered),),
    "translation": ((_is(*SEAMLESS), _with(blocks=sequences.told)),),
    "video-classification": (
        (_is(*NESTED), _with(blocks=points.nested_video, loads=("video_processor",))),
        (lambda asked: takes_films(asked.checkpoint), _with(blocks=points.whole_video, loads=("video_processor",))),
    ),
    "visual-question-answering": ((_is("blip"), _with(blocks=rarer.written_answer)),),
    "zero-shot-image-segmentation": ((_is(MARKS), _with(blocks=films.marked, imports=vision.imports)),),
    "zero-shot-audio-classification": (
        (_is(*COMPARED), lambda asked: replace(asked.made, blocks=partial(rarer.sound, kind=asked.kind))),
    ),
    "zero-shot-object-detection": (
        (
            lambda asked: guided(asked.given),
            _with(given=pages.given_shown, blocks=pages.shown_objects, loads=("image_processor",)),
        ),
        (_is(*TOLD), _with(given=vision.given_labels, blocks=pages.told_objects, loads=("processor",))),
    ),
}  # fmt: skip
