"""Questions about the words and boxes of a page give what the pipeline gives when it is handed the same words."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from tests import tiny_films, tiny_seq2seq, tiny_tasks
from workbench.engine import codegen, tasks
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks import processors
from workbench.engine.tasks.document_question_answering import words
from workbench.engine.values import Checkpoint, TaskInput, TaskOptions

NAME = "document-question-answering"
PAGE = "The,10,10,60,30\nquick,70,10,150,30\nfox,160,10,210,30\nfilm,10,600,90,630\nParis,100,600,190,630"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> LoadedModel:
    return load(tiny_tasks.build_tiny_other(tmp_path_factory.mktemp("document") / "layoutlm", NAME), device="cpu")


def test_the_task_is_inferred(model: LoadedModel) -> None:
    assert tasks.infer(model.facts) == NAME
    assert tasks.supports(model, NAME)


@pytest.mark.parametrize("question", ["Where was the film?", "The fox", "Paris Paris"])
@pytest.mark.parametrize("most", [2, 15])
def test_the_answers_are_the_pipelines(model: LoadedModel, question: str, most: int) -> None:
    from transformers import pipeline

    made = pipeline(NAME, model=model.model, tokenizer=model.tokenizer, device="cpu")
    boxes = [(word, list(box)) for word, box in words(PAGE)]
    expected = made(image=None, question=question, word_boxes=boxes, top_k=1, max_answer_len=most, max_seq_len=128)
    options = TaskOptions(top_k=3, max_answer_tokens=most)
    result = tasks.run(model, NAME, TaskInput(question, PAGE), options)
    found = expected[0] if isinstance(expected, list) else expected
    assert (result.items[0].label, result.items[0].score) == (
        found["answer"], pytest.approx(found["score"], abs=1e-5),
    )  # fmt: skip
    names: dict = {}
    exec(codegen.task(model.checkpoint, NAME, TaskInput(question, PAGE), options, model.dtype, "cpu"), names)
    assert names["result"] == result.items[0].label
    assert names["best"] == pytest.approx(result.items[0].score, abs=1e-5)


def test_each_id_has_the_box_of_its_word(model: LoadedModel) -> None:
    result = tasks.run(model, NAME, TaskInput("The fox", PAGE))
    shown = {view.name: view.values for view in result.stages[0].tensors}
    places, boxes = shown["word_ids"][0], shown["bbox"][0]
    page = words(PAGE)
    assert {tuple(box) for place, box in zip(places, boxes, strict=True) if place < 0} == {(0,) * 4, (1000,) * 4}
    for place, box in zip(places, boxes, strict=True):
        assert place < 0 or tuple(box) == page[place][1]
    assert max(places) == len(page) - 1


def test_a_long_page_is_read_in_windows_to_its_end(model: LoadedModel) -> None:
    page = "\n".join(f"film,{number % 900},{number},{number % 900 + 50},{number + 9}" for number in range(400))
    result = tasks.run(model, NAME, TaskInput("The fox", page), TaskOptions(no_answer=True, top_k=None))
    places = next(view.values for view in result.stages[0].tensors if view.name == "word_ids")
    assert len(places) > 1
    assert set(places.flatten().tolist()) == {-1, *range(400)}
    assert "(no answer)" in [item.label for item in result.items]


def test_a_comma_belongs_to_the_word() -> None:
    assert words("1,234.00,1,2,3,4\n\n“a, b”,0,0,1000,1000") == (
        ("1,234.00", (1, 2, 3, 4)),
        ("“a,b”", (0, 0, 1000, 1000)),
    )


@pytest.mark.parametrize(("question", "page", "says"), [
    ("", PAGE, "question"), ("Where?", "", "page"), ("Where?", "word,1,2,3", "Line 1"),
    ("Where?", "a,1,2,3,1001", "Line 1"), ("Where?", PAGE + "\nb,1,2,x,4", "Line 6"), ("fox " * 200, PAGE, "too long"),
])  # fmt: skip
def test_what_can_not_be_used_is_refused_with_its_line(model: LoadedModel, question: str, page: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        tasks.run(model, NAME, TaskInput(question, page))


def test_a_model_without_the_head_is_refused(tiny_bert: Checkpoint) -> None:
    with pytest.raises(NotSupported, match="AutoModelForDocumentQuestionAnswering"):
        tasks.run(load(tiny_bert, device="cpu"), NAME, TaskInput("Where?", PAGE))


@pytest.fixture(scope="module")
def seeing(tmp_path_factory) -> LoadedModel:
    return load(tiny_films.layoutlmv3(tmp_path_factory.mktemp("document") / "layoutlmv3"), device="cpu")


@pytest.mark.parametrize("question", ["Where was the film?", "fox"])
def test_layoutlmv3_answers_as_the_pipeline_does_where_it_is_shown_no_picture(seeing, question, capsys) -> None:
    from transformers import pipeline

    assert tasks.infer(seeing.facts) == NAME
    assert tasks.spec(NAME, seeing).takes == ("text", "second", "image")
    made = pipeline(NAME, model=seeing.model, tokenizer=seeing.tokenizer, device="cpu")
    boxes = [(word, list(box)) for word, box in words(PAGE)]
    expected = made(image=None, question=question, word_boxes=boxes, top_k=1, max_answer_len=15, max_seq_len=96)
    found = expected[0] if isinstance(expected, list) else expected
    options = TaskOptions(top_k=3, max_length=96)
    (item, *_) = tasks.run(seeing, NAME, TaskInput(question, PAGE), options).items
    assert (item.label, item.score) == (found["answer"], pytest.approx(found["score"], abs=1e-5))
    names: dict = {}
    exec(codegen.task(seeing.checkpoint, NAME, TaskInput(question, PAGE), options, seeing.dtype, "cpu"), names)
    assert (names["result"], names["best"]) == (item.label, pytest.approx(item.score, abs=1e-5))
    assert capsys.readouterr().out


def test_layoutlmv3_looks_at_the_picture_as_its_documentation_has_it(seeing, tmp_path, capsys) -> None:
    path = tiny_seq2seq.picture(tmp_path, size=(97, 61))
    given, options = TaskInput("Where was the film?", PAGE, image=path), TaskOptions(top_k=1, max_length=96)
    result = tasks.run(seeing, NAME, given, options)
    page = words(PAGE)
    encoded = seeing.tokenizer([given.text], [[word for word, _ in page]], boxes=[[list(box) for _, box in page]],
                               return_tensors="pt")  # fmt: skip
    processor = processors.image_processor(seeing)
    with Image.open(path) as image, torch.inference_mode():
        seen = processor(images=image, apply_ocr=False, return_tensors="pt")
        output = seeing.model(**encoded, **seen)
    shown = {view.name: view.values for view in result.stages[1].tensors}
    width = encoded["input_ids"].shape[1]
    np.testing.assert_allclose(shown["start_logits"], output.start_logits[:, :width].numpy(), atol=1e-5)
    blind = tasks.run(seeing, NAME, TaskInput(given.text, PAGE), options)
    assert not np.allclose(blind.stages[1].tensors[0].values, shown["start_logits"])
    names: dict = {}
    exec(codegen.task(seeing.checkpoint, NAME, given, options, seeing.dtype, "cpu"), names)
    assert names["best"] == pytest.approx(result.items[0].score, abs=1e-5)
    assert capsys.readouterr().out
