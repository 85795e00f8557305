"""Models that read the words of a page with their boxes do what their documentation has, with each of their heads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests import tiny_films, tiny_readers, tiny_seq2seq
from tests.tiny_readers import PAGE
from workbench.engine import codegen, generate, tasks
from workbench.engine.errors import InputError
from workbench.engine.generate import page
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks import batch, processors
from workbench.engine.values import Checkpoint, Entity, Sampling, TaskInput, TaskOptions

QUESTION, TOKENS = "document-question-answering", "token-classification"
SAYS = "Question answering. where?"
OPTIONS = TaskOptions(max_new_tokens=8)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Callable[..., LoadedModel]:
    """A model that reads pages, built when it is asked for: LayoutLMv2 with a head, LayoutLMv3, or UDOP."""
    folder, kept = tmp_path_factory.mktemp("pages"), {}

    def made(kind: str, head: str = "", **more: Any) -> LoadedModel:
        name = f"{kind}{head}"
        if name not in kept:
            build = {"v3": tiny_films.layoutlmv3}.get(kind) or getattr(tiny_readers, kind)
            headed = [head] if kind in ("layoutlmv2", "lilt") else []
            kept[name] = load(build(folder / name, *headed, **more), device="cpu")
        return kept[name]

    return made


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return tiny_seq2seq.picture(tmp_path, size=(97, 61))


def shown(picture: Path) -> Image.Image:
    with Image.open(picture) as image:
        return image.convert("RGB")


def seen(model: LoadedModel, picture: Path, **more: Any) -> dict[str, Any]:
    """What LayoutLMv2's own processor makes of the picture and the words, as its documentation calls it."""
    import transformers as t

    pictures = processors.image_processor(model)
    pictures.apply_ocr = False
    boxed = page.words(PAGE)
    words, boxes = [word for word, _ in boxed], [list(box) for _, box in boxed]
    reader = t.LayoutLMv2Processor(pictures, model.tokenizer)
    if more:
        return reader(shown(picture), more["question"], text_pair=words, boxes=boxes, return_tensors="pt")
    return reader(shown(picture), words, boxes=boxes, return_tensors="pt")


def script(model: LoadedModel, name: str, given: TaskInput, options: TaskOptions = OPTIONS) -> Any:
    names = {"__name__": "__main__"}
    exec(codegen.task(model.checkpoint, name, given, options, model.dtype, model.device, model.head), names)
    return names["result"]


def tensors(result: Any, stage: int) -> dict[str, np.ndarray]:
    return {view.name: view.values for view in result.stages[stage].tensors}


@pytest.mark.parametrize("question", ["where?", "the quick fox"])
def test_layoutlmv2_answers_as_the_pipeline_does(made, picture, question, capsys) -> None:
    from transformers import pipeline

    model = made("layoutlmv2", "QuestionAnswering")
    assert tasks.infer(model.facts) == QUESTION and not model.missing
    assert tasks.spec(QUESTION, model).takes == ("text", "second", "image")
    pictures = processors.image_processor(model)
    pictures.apply_ocr = False
    asks = pipeline(QUESTION, model=model.model, tokenizer=model.tokenizer, image_processor=pictures, device="cpu")
    boxed = [(word, list(box)) for word, box in page.words(PAGE)]
    found = asks(image=str(picture), question=question, word_boxes=boxed, max_answer_len=15, max_seq_len=96)[0]
    given, options = TaskInput(question, PAGE, image=picture), TaskOptions(top_k=3, max_length=96)
    result = tasks.run(model, QUESTION, given, options)
    assert (result.items[0].label, result.items[0].score) == (
        found["answer"], pytest.approx(found["score"], abs=1e-6),
    )  # fmt: skip
    with torch.inference_mode():
        output = model.model(**seen(model, picture, question=question))
    np.testing.assert_allclose(tensors(result, 1)["start_logits"], output.start_logits.numpy(), atol=1e-5)
    assert script(model, QUESTION, given, options) == found["answer"]
    written = codegen.task(model.checkpoint, QUESTION, given, options, model.dtype, model.device, model.head)
    assert "pyramid.stand_in()" in written and "from workbench.engine import pyramid" in written
    assert capsys.readouterr().out


def test_layoutlmv2_can_not_do_without_its_picture(made) -> None:
    with pytest.raises(InputError, match="no picture yet"):
        tasks.run(made("layoutlmv2", "QuestionAnswering"), QUESTION, TaskInput("where?", PAGE))


def test_a_long_page_is_read_in_windows_with_the_picture_to_each(made, picture) -> None:
    long = "\n".join(f"film,{number % 900},{number},{number % 900 + 50},{number + 9}" for number in range(60))
    model = made("layoutlmv2", "QuestionAnswering")
    result = tasks.run(model, QUESTION, TaskInput("fox", long, image=picture), TaskOptions(top_k=None))
    made_of = tensors(result, 0)
    assert len(made_of["image"]) == len(made_of["input_ids"]) > 1
    assert set(made_of["word_ids"].flatten().tolist()) == {-1, *range(60)}


@pytest.mark.parametrize("aggregation", ["none", "first", "average", "max"])
def test_each_word_of_a_page_is_labelled_as_the_documentation_has_it(made, picture, aggregation, capsys) -> None:
    model = made("layoutlmv2", "TokenClassification")
    assert tasks.infer(model.facts) == TOKENS
    given, options = TaskInput(PAGE, image=picture), TaskOptions(aggregation=aggregation)
    result = tasks.run(model, TOKENS, given, options)
    inputs = seen(model, picture)
    with torch.inference_mode():
        logits = model.model(**inputs).logits[0]
    np.testing.assert_allclose(tensors(result, 1)["logits"][0], logits.numpy(), atol=1e-5)
    scores, words = logits.softmax(dim=-1), inputs.word_ids(0)
    expected = []
    for number, (word, _) in enumerate(page.words(PAGE)):
        own = scores[[place for place, each in enumerate(words) if each == number]]
        chosen = {"average": own.mean(dim=0), "max": own[own.max(dim=1).values.argmax()]}.get(aggregation, own[0])
        expected.append((tiny_readers.NAMES[int(chosen.argmax())], float(chosen.max()), word))
    found = [(item.label, item.score, item.text) for item in result.items]
    if aggregation == "none":
        assert found == [
            (label, pytest.approx(score, abs=1e-6), word) for label, score, word in expected if label != "O"
        ]
    assert {label for label, *_ in found} <= {"THING", "PLACE", *tiny_readers.NAMES.values()} - {"O"}
    assert script(model, TOKENS, given, options) == [
        (label, pytest.approx(score, abs=1e-6), text) for label, score, text in found
    ]
    for item in result.items:
        assert PAGE[item.start : item.end].startswith(item.text.split()[0])
        assert PAGE[item.start : item.end].endswith(item.text.split()[-1])
    assert capsys.readouterr().out


def test_words_of_one_thing_are_joined_without_their_boxes(made, picture) -> None:
    model = made("layoutlmv2", "TokenClassification")
    given = TaskInput(PAGE, image=picture)
    request = tasks.Request(model, given, TaskOptions(aggregation="first"), None)
    inputs = tasks.documents.encoded(request)
    words = inputs.aside["word_ids"][0].tolist()
    logits = torch.full((1, len(words), 4), -9.0)
    for place, word in enumerate(words):
        logits[0, place, {0: 1, 1: 2, 2: 2, 4: 3}.get(word, 0)] = 9.0
    found = tasks.module(TOKENS).postprocess(request, inputs, {"logits": logits}).items
    joined = PAGE.index("fox") + 3
    assert found == (
        Entity("THING", pytest.approx(1.0), 0, joined, "The quick fox"),
        Entity("PLACE", pytest.approx(1.0), PAGE.index("Paris"), PAGE.index("Paris") + 5, "Paris"),
    )


@pytest.mark.parametrize("kind", ["layoutlmv2", "v3"])
def test_a_whole_page_is_labelled(made, picture, kind, capsys) -> None:
    model = made(kind, "SequenceClassification")
    if kind == "v3":
        model = load(model.checkpoint, head="AutoModelForSequenceClassification", device="cpu")
    given = TaskInput(PAGE, image=picture)
    result = tasks.run(model, "text-classification", given)
    inputs = dict(seen(model, picture))
    if kind == "v3":
        inputs["pixel_values"] = inputs.pop("image")
    with torch.inference_mode():
        logits = model.model(**inputs).logits
    np.testing.assert_allclose(tensors(result, 1)["logits"], logits.numpy(), atol=1e-5)
    found = script(model, "text-classification", given)
    assert found == [(item.label, pytest.approx(item.score, abs=1e-6)) for item in result.items]
    assert capsys.readouterr().out


def test_layoutlmv3_labels_words_with_and_without_a_picture(made, picture, capsys) -> None:
    model = load(made("v3").checkpoint, head="AutoModelForTokenClassification", device="cpu")
    blind = tasks.run(model, TOKENS, TaskInput(PAGE), TaskOptions(aggregation="none"))
    given = TaskInput(PAGE, image=picture)
    sees = tasks.run(model, TOKENS, given, TaskOptions(aggregation="none"))
    assert not np.allclose(
        tensors(blind, 1)["logits"], tensors(sees, 1)["logits"][:, : tensors(blind, 1)["logits"].shape[1]]
    )
    assert script(model, TOKENS, given, TaskOptions(aggregation="none")) == [
        (item.label, pytest.approx(item.score, abs=1e-6), item.text) for item in sees.items
    ]
    (row,) = batch.run(model, TOKENS, [TaskInput(PAGE)], TaskOptions(aggregation="none"))
    assert len(row.lines) == len(blind.items)
    assert capsys.readouterr().out


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_a_page_becomes_a_vector_of_its_tokens(made, picture, pooling, capsys) -> None:
    model = made("layoutlmv2")
    given, options = TaskInput(PAGE, image=picture), TaskOptions(pooling=pooling, normalize=False)
    result = tasks.run(model, "feature-extraction", given, options)
    inputs = seen(model, picture)
    width = inputs["input_ids"].shape[1]
    with torch.inference_mode():
        hidden = model.model(**inputs).last_hidden_state
    assert hidden.shape[1] == width + 4, "four pieces of the picture"
    np.testing.assert_allclose(tensors(result, 1)["last_hidden_state"], hidden[:, :width].numpy(), atol=1e-5)
    expected = hidden[0, :width].mean(dim=0) if pooling == "mean" else hidden[0, width - 1]
    np.testing.assert_allclose(result.items[0], expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(script(model, "feature-extraction", given, options)[0], result.items[0], atol=1e-5)
    raw = tasks.run(model, "raw-outputs", given)
    np.testing.assert_allclose(tensors(raw, 1)["last_hidden_state"], hidden.numpy(), atol=1e-5)
    np.testing.assert_allclose(script(model, "raw-outputs", given)["last_hidden_state"], hidden.numpy(), atol=1e-5)
    assert capsys.readouterr().out


@pytest.mark.parametrize("question", ["where?", "the fox"])
def test_lilt_answers_with_the_head_that_the_library_has_for_it(made, question, capsys) -> None:
    model = made("lilt", "QuestionAnswering")
    assert tasks.infer(model.facts) == QUESTION
    assert tasks.spec(QUESTION, model).takes == ("text", "second")
    options = TaskOptions(top_k=1, max_length=96)
    (item,) = tasks.run(model, QUESTION, TaskInput(question, PAGE), options).items
    boxed = page.words(PAGE)
    words = [word for word, _ in boxed]
    inputs = model.tokenizer(question, words, boxes=[list(box) for _, box in boxed], return_tensors="pt")
    with torch.inference_mode():
        output = model.model(**inputs)
    inside = torch.tensor([place == 1 for place in inputs.sequence_ids(0)])
    allowed = inside.clone()
    allowed[0] = True
    starts, ends = (
        logits[0].masked_fill(~allowed, float("-inf")).softmax(dim=-1)
        for logits in (output.start_logits, output.end_logits)
    )
    spans = ((starts * inside)[:, None] * (ends * inside)[None]).triu().tril(14)
    first, last = divmod(int(spans.argmax()), len(spans))
    places = inputs.word_ids(0)
    assert item.label == " ".join(words[places[first] : places[last] + 1])
    assert item.score == pytest.approx(float(spans.max()), abs=1e-6)
    assert script(model, QUESTION, TaskInput(question, PAGE), options) == item.label
    assert capsys.readouterr().out


def test_bros_is_told_the_boxes_as_parts_of_the_page(made, capsys) -> None:
    model = made("bros")
    assert tasks.spec(TOKENS, model).takes == ("text",)
    given, options = TaskInput(PAGE), TaskOptions(aggregation="none")
    result = tasks.run(model, TOKENS, given, options)
    boxed = page.words(PAGE)
    inputs = model.tokenizer([word for word, _ in boxed], is_split_into_words=True, return_tensors="pt")
    parts = [boxed[word][1] if word is not None else (0,) * 4 for word in inputs.word_ids(0)]
    parts[-1] = (1000,) * 4
    with torch.inference_mode():
        logits = model.model(**inputs, bbox=torch.tensor([parts]) / 1000).logits
    np.testing.assert_allclose(tensors(result, 1)["logits"], logits.numpy(), atol=1e-5)
    first = [inputs.word_ids(0).index(number) for number in range(len(boxed))]
    expected = [tiny_readers.NAMES[int(logits[0, place].argmax())] for place in first]
    assert [item.label for item in result.items] == [label for label in expected if label != "O"]
    assert script(model, TOKENS, given, options) == [
        (item.label, pytest.approx(item.score, abs=1e-6), item.text) for item in result.items
    ]
    for name, head in (("feature-extraction", "AutoModel"), ("raw-outputs", "AutoModel")):
        body = load(model.checkpoint, head=head, device="cpu")
        vector = tasks.run(body, name, given)
        assert tensors(vector, 1)["last_hidden_state"].shape[1] == logits.shape[1]
        assert len(script(body, name, given)) == len(vector.items)
    assert capsys.readouterr().out


def test_layoutxlm_is_layoutlmv2_with_another_tokenizer(made, tmp_path, picture, capsys) -> None:
    import shutil

    import transformers as t

    folder = tmp_path / "xlm"
    shutil.copytree(made("layoutlmv2", "TokenClassification").checkpoint.path, folder)
    for file in folder.glob("tokenizer*"):
        file.unlink()
    letters = "abcdefghijklmnopqrstuvwxyzTPQF"
    pieces = [
        *((mark, 0.0) for mark in ("<s>", "<pad>", "</s>", "<unk>")),
        ("▁", -2.0),
        *((each, -3.0) for each in letters),
    ]
    t.LayoutXLMTokenizer(vocab=[*pieces, ("<mask>", 0.0)]).save_pretrained(folder)
    model = load(Checkpoint("tiny-layoutxlm", folder), device="cpu")
    given = TaskInput(PAGE, image=picture)
    result = tasks.run(model, TOKENS, given)
    assert len(result.items) and script(model, TOKENS, given) == [
        (item.label, pytest.approx(item.score, abs=1e-6), item.text) for item in result.items
    ]
    assert capsys.readouterr().out


def udop_inputs(model: LoadedModel, picture: Path) -> Any:
    """What UDOP's processor makes, as its documentation calls it."""
    import transformers as t

    reader = t.AutoProcessor.from_pretrained(model.checkpoint.path, apply_ocr=False)
    boxed = page.words(PAGE)
    words, boxes = [word for word, _ in boxed], [list(box) for _, box in boxed]
    return reader, words, boxes


def test_udop_writes_what_its_documentation_has(made, picture, capsys) -> None:
    model = made("udop")
    name = "image-text-to-text"
    assert tasks.infer(model.facts) == name and not model.missing
    assert tasks.spec(name, model).takes == ("image", "text", "second")
    example = tasks.example(name, model)
    assert page.words(example.second) and example.image.is_file()
    given = TaskInput(SAYS, PAGE, image=picture)
    result = tasks.run(model, name, given, OPTIONS)
    reader, words, boxes = udop_inputs(model, picture)
    encoding = reader(shown(picture), SAYS, text_pair=words, boxes=boxes, return_tensors="pt")
    with torch.inference_mode():
        ids = model.model.generate(**encoding, max_new_tokens=8, do_sample=False)
    assert result.items == (reader.batch_decode(ids, skip_special_tokens=True)[0],)
    np.testing.assert_array_equal(tensors(result, 1)["sequences"], ids.numpy())
    np.testing.assert_array_equal(tensors(result, 0)["bbox"], encoding["bbox"].numpy())
    assert script(model, name, given) == result.items[0] != ""
    with pytest.raises(InputError, match="no words of the page"):
        tasks.run(model, name, TaskInput(SAYS, image=picture), OPTIONS)
    assert capsys.readouterr().out


def test_udop_writes_the_same_in_the_playground(made, picture, capsys) -> None:
    model = made("udop")
    reader, words, boxes = udop_inputs(model, picture)
    encoding = reader(shown(picture), SAYS, text_pair=words, boxes=boxes, return_tensors="pt")
    sampling = Sampling(do_sample=False, max_new_tokens=6)
    with torch.inference_mode():
        ids = model.model.generate(**encoding, max_new_tokens=6, do_sample=False)[0].tolist()
    prompt = f"{SAYS}\n{PAGE}"
    found = generate.run(model, prompt, (), sampling, images=[picture])
    assert [*found.start.context_ids, *found.ids] == ids
    assert found.start.encoding.input_ids == tuple(encoding["input_ids"][0].tolist())
    written = codegen.generate(
        model.checkpoint, prompt, None, sampling, model.dtype, model.device, head=model.head, images=[picture],
        steps=found.steps,
    )  # fmt: skip
    names = {"__name__": "__main__"}
    exec(written, names)
    assert names["new_ids"] == list(found.ids)
    with pytest.raises(InputError, match="Write them below what is asked"):
        generate.run(model, SAYS, (), sampling, images=[picture])
    assert capsys.readouterr().out


def test_udop_without_its_head_makes_vectors_and_shows_what_comes_out(made, picture, capsys) -> None:
    model = made("udop", "body", writes=False)
    given = TaskInput(PAGE, image=picture)
    reader, words, boxes = udop_inputs(model, picture)
    encoding = reader(shown(picture), words, boxes=boxes, return_tensors="pt")
    start = torch.tensor([[model.model.config.decoder_start_token_id]])
    with torch.inference_mode():
        output = model.model(**encoding, decoder_input_ids=start)
    width = encoding["input_ids"].shape[1]
    vectors = tasks.run(model, "feature-extraction", given)
    encoded = output.encoder_last_hidden_state[:, :width].numpy()
    np.testing.assert_allclose(tensors(vectors, 1)["last_hidden_state"], encoded, atol=1e-5)
    np.testing.assert_allclose(script(model, "feature-extraction", given)[0], vectors.items[0], atol=1e-5)
    raw = tasks.run(model, "raw-outputs", given)
    np.testing.assert_allclose(tensors(raw, 1)["last_hidden_state"], output.last_hidden_state.numpy(), atol=1e-5)
    out = script(model, "raw-outputs", given)["last_hidden_state"]
    np.testing.assert_allclose(out, output.last_hidden_state.numpy(), atol=1e-5)
    assert capsys.readouterr().out


def test_running_text_is_refused_in_words(made) -> None:
    model = load(made("v3").checkpoint, head="AutoModelForQuestionAnswering", device="cpu")
    assert tasks.supports(model, QUESTION) and not tasks.supports(model, "question-answering")
    with pytest.raises(InputError, match="Line 1"):
        tasks.run(model, "feature-extraction", "The fox.")


@pytest.mark.parametrize(("text", "asked", "words"), [
    ("What is it?\nIn words, please.\nfox,1,2,3,4\n", "What is it?\nIn words, please.", 1),
    ("fox,1,2,3,4\nfilm,1,2,3,4", "", 2), ("What is it?", "What is it?", 0), ("", "", 0),
])  # fmt: skip
def test_what_is_asked_stands_before_the_words_of_the_page(text, asked, words) -> None:
    said, rest = page.told(text)
    assert said == asked and len(page.words(rest)) == words


def test_each_word_is_found_in_the_text_of_its_page() -> None:
    text = 'fox,1,2,3,4\n\n"a, b",1,2,3,4\r\n"a ""b""",1,2,3,4\n 1,234.00,1,2,3,4'
    found = [text[start:end] for start, end in page.places(text)]
    assert found == ["fox", "a, b", '"a ""b""",1,2,3,4', "1,234.00"]
    assert [word for word, _ in page.words(text)] == ["fox", "a, b", 'a "b"', "1,234.00"]
