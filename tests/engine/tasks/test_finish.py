"""A setting that the last step alone reads costs no pass through the model, and gives what a whole run would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from torch.nn.modules.module import register_module_forward_hook

from tests import tiny_kinds, tiny_seq2seq, tiny_tasks
from workbench.engine import tasks
from workbench.engine.errors import InputError
from workbench.engine.models import LoadedModel, load
from workbench.engine.values import Checkpoint, TaskInput, TaskOptions

TEXT = TaskInput("Angela Merkel met Barack Obama in [MASK], Germany.")
LAST: list[tuple[str, dict[str, Any]]] = [
    ("text-classification", {"top_k": 1}),
    ("text-classification", {"threshold": 0.4, "function": "sigmoid"}),
    ("token-classification", {"aggregation": "none", "ignore_labels": ()}),
    ("token-classification", {"aggregation": "max"}),
    ("fill-mask", {"top_k": 2, "targets": ("berlin", "paris", "film")}),
    ("question-answering", {"top_k": 3, "max_answer_tokens": 2, "no_answer": True}),
    ("image-classification", {"top_k": 2, "function": "none"}),
    ("object-detection", {"threshold": 0.3, "top_k": None}),
    ("image-segmentation", {"threshold": 0.1, "mask_threshold": 0.2, "overlap": 0.1}),
    ("feature-extraction", {"pooling": "max", "normalize": False}),
    ("mask-generation", {"box_overlap": 0.1}),
]
FIRST: list[tuple[str, dict[str, Any]]] = [
    ("token-classification", {"stride": 4}),
    ("token-classification", {"split": True, "aggregation": "max"}),
    ("text-classification", {"max_length": 8}),
    ("automatic-speech-recognition", {"chunk_length": 1}),
    ("mask-generation", {"threshold": 0.1}),
]


@pytest.fixture(scope="module")
def models(
    tmp_path_factory: pytest.TempPathFactory, tiny_bert: Checkpoint, tiny_bert_classifier: Checkpoint,
    tiny_bert_tagger: Checkpoint,
) -> dict[str, LoadedModel]:  # fmt: skip
    folder = tmp_path_factory.mktemp("finish")
    built = {
        "text-classification": tiny_bert_classifier,
        "token-classification": tiny_bert_tagger,
        "fill-mask": tiny_bert,
        "feature-extraction": tiny_bert,
        "question-answering": tiny_tasks.build_tiny_head(folder / "qa", "AutoModelForQuestionAnswering"),
        "image-classification": tiny_tasks.build_tiny_vision(folder / "vit", "image-classification"),
        "object-detection": tiny_tasks.build_tiny_vision(folder / "detr", "object-detection"),
        "image-segmentation": tiny_tasks.build_tiny_vision(folder / "panoptic", "panoptic"),
        "automatic-speech-recognition": tiny_tasks.build_tiny_audio(folder / "ctc", "automatic-speech-recognition"),
        "mask-generation": tiny_kinds.build(folder / "sam", "mask-generation"),
    }
    return {name: load(checkpoint, device="cpu") for name, checkpoint in built.items()}


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> TaskInput:
    folder = tmp_path_factory.mktemp("given")
    return replace(
        TEXT, second="They met in Berlin, in the film.", image=tiny_seq2seq.picture(folder, size=(97, 61)),
        audio=tiny_tasks.sound(folder, 2.0),
    )  # fmt: skip


@contextmanager
def passes() -> Iterator[list[None]]:
    """One for each time that any part of any model is called."""
    seen: list[None] = []
    handle = register_module_forward_hook(lambda *_: seen.append(None))
    try:
        yield seen
    finally:
        handle.remove()


def plain(value: Any) -> Any:
    """A result as lists, which are equal where it is."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (tuple, list)):
        return [plain(each) for each in value]
    slots = getattr(value, "__slots__", ())
    return {name: plain(getattr(value, name)) for name in slots} if slots else value


@pytest.mark.parametrize(("name", "change"), LAST)
def test_what_the_last_step_alone_reads_takes_no_pass(models, given, name, change) -> None:
    model = models[name]
    options = TaskOptions(points_per_side=3, stability=0.0)
    first = tasks.run(model, name, given, options)
    changed = replace(options, **change)
    assert tasks.can_finish(first, changed)
    with passes() as seen:
        again = tasks.finish(model, first, changed)
        assert not seen
        whole = tasks.run(model, name, given, changed)
        assert seen
    assert plain(again.items) == plain(whole.items)
    assert again.stages[:2] == first.stages[:2] and again.options == changed
    back = tasks.finish(model, again, options)
    assert plain(back.items) == plain(first.items)
    assert [view.name for view in back.stages[2].tensors] == [view.name for view in first.stages[2].tensors]


@pytest.mark.parametrize(("name", "change"), FIRST)
def test_what_an_earlier_step_reads_needs_them_all(models, given, name, change) -> None:
    options = TaskOptions(points_per_side=3, stability=0.0)
    assert not tasks.can_finish(tasks.run(models[name], name, given, options), replace(options, **change))


def test_a_setting_that_can_not_be_used_is_refused_as_in_a_whole_run(models, given) -> None:
    result = tasks.run(models["text-classification"], "text-classification", given)
    with pytest.raises(InputError, match="no function called"):
        tasks.finish(models["text-classification"], result, TaskOptions(function="cosine"))


def test_writing_is_done_anew_where_it_would_be_another_text(tiny_llama: Checkpoint) -> None:
    model = load(tiny_llama, device="cpu")
    greedy = TaskOptions(max_new_tokens=2)
    result = tasks.run(model, "text-generation", "The quick", greedy)
    assert not tasks.can_finish(result, replace(greedy, max_new_tokens=3))
    assert not tasks.can_finish(result, replace(greedy, do_sample=True))
    assert tasks.can_finish(result, replace(greedy, aggregation="max"))  # which is another task's
    drawn = tasks.run(model, "text-generation", "The quick", replace(greedy, do_sample=True))
    assert not tasks.can_finish(drawn, replace(greedy, do_sample=True, seed=1))
