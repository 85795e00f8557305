"""Rarer tasks give what the library's pipelines or the models' documentation give."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas
import pytest
import soundfile
import torch
import transformers as t
from PIL import Image

from tests import tiny_films, tiny_seq2seq, tiny_tasks
from tests.tiny import byte_level_tokenizer
from workbench.engine import codegen, tasks
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks import batch, processors, table_question_answering, zero_shot_object_detection
from workbench.engine.values import Checkpoint, TaskInput, TaskOptions

KINDS = (
    "zero-shot-object-detection", "zero-shot-audio-classification", "visual-question-answering",
    "table-question-answering",
)  # fmt: skip
LABELS = ("a house", "a fox", "the sun")
TABLE = "country,capital,people\nFrance,Paris,68\nItaly,Rome,59\nGermany,Berlin,84"


@pytest.fixture(scope="module")
def others(tmp_path_factory) -> dict[str, LoadedModel]:
    """A model for each kind."""
    folder = tmp_path_factory.mktemp("others")
    return {kind: load(tiny_tasks.build_tiny_other(folder / kind, kind), device="cpu") for kind in KINDS}


@pytest.fixture
def given(tmp_path: Path) -> dict[str, TaskInput]:
    """An input for each kind."""
    picture = tiny_seq2seq.picture(tmp_path, size=(97, 61))
    return {
        "zero-shot-object-detection": TaskInput(image=picture, labels=LABELS),
        "zero-shot-audio-classification": TaskInput(audio=tiny_tasks.sound(tmp_path, 1.0), labels=LABELS),
        "visual-question-answering": TaskInput("What is it?", image=picture),
        "table-question-answering": TaskInput("What is the capital of France?", TABLE),
    }


def pipeline(model: LoadedModel, name: str, **arguments):
    from transformers import pipeline as make

    return make(name, model=model.model, tokenizer=model.tokenizer, device="cpu", **arguments)


@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_zero_shot_object_detection_is_the_pipeline(others, given, threshold) -> None:
    name = KINDS[0]
    model, asked = others[name], given[name]
    result = tasks.run(model, name, asked, TaskOptions(threshold=threshold, top_k=None))
    made = pipeline(model, name, image_processor=processors.image_processor(model))
    expected = made(str(asked.image), candidate_labels=list(LABELS), threshold=threshold)
    assert [
        (item.label, pytest.approx(item.score, abs=1e-5), item.xmin, item.ymin, item.xmax, item.ymax)
        for item in result.items
    ] == [(entry["label"], entry["score"], *entry["box"].values()) for entry in expected]
    assert result.items


def test_a_thing_is_found_by_a_picture_of_it_as_the_documentation_has_it(others, given, tmp_path, capsys) -> None:
    name = KINDS[0]
    model = others[name]
    with Image.open(given[name].image) as image:
        picture = image.convert("RGB")
    query = picture.crop((10, 5, 40, 35))
    query.save(tmp_path / "thing.png")
    asked = TaskInput(image=given[name].image, other=tmp_path / "thing.png")
    assert tasks.spec(name, model).takes == ("image", "labels", "other")
    assert tasks.example(name, model).other is None
    options = TaskOptions(threshold=0.2, top_k=None)
    result = tasks.run(model, name, asked, options)
    processor = processors.image_processor(model)
    with torch.inference_mode():
        output = model.model.image_guided_detection(
            pixel_values=processor(images=picture, return_tensors="pt")["pixel_values"],
            query_pixel_values=processor(images=query, return_tensors="pt")["pixel_values"],
        )
    sizes = torch.tensor([[picture.height, picture.width]])
    (found,) = processor.post_process_image_guided_detection(
        output, threshold=0.2, nms_threshold=0.3, target_sizes=sizes
    )
    rows = zip(found["scores"].tolist(), found["boxes"].int().tolist(), strict=True)
    expected = sorted(rows, key=lambda row: row[0], reverse=True)
    assert [(item.score, [item.xmin, item.ymin, item.xmax, item.ymax]) for item in result.items] == [
        (pytest.approx(score, abs=1e-5), box) for score, box in expected
    ]
    assert result.items and result.items[0].score == pytest.approx(1.0, abs=1e-4)
    names = {"__name__": "__main__"}
    exec(codegen.task(model.checkpoint, name, asked, options, model.dtype, model.device, model.head), names)
    assert [row[2:] for row in names["result"]] == [tuple(box) for _, box in expected]
    assert zero_shot_object_detection.GUIDED in capsys.readouterr().out
    # Labels go before the picture.
    both = tasks.run(model, name, TaskInput(image=asked.image, other=asked.other, labels=LABELS), options)
    assert {item.label for item in both.items} <= set(LABELS)


def test_zero_shot_audio_classification_is_the_pipeline(others, given) -> None:
    name = KINDS[1]
    model, asked = others[name], given[name]
    result = tasks.run(model, name, asked)
    samples, _ = soundfile.read(asked.audio, dtype="float32")
    made = pipeline(model, name, feature_extractor=processors.feature_extractor(model))
    expected = made(samples, candidate_labels=list(LABELS))
    assert [(item.label, pytest.approx(item.score, abs=1e-5)) for item in result.items] == [
        (entry["label"], entry["score"]) for entry in expected
    ]


def test_pe_audio_scores_each_label_alone_as_it_was_trained_to(tmp_path, given, capsys) -> None:
    name = KINDS[1]
    model = load(_pe_audio(tmp_path / "pe"), device="cpu")
    assert tasks.infer(model.facts) == name and tasks.supports(model, name)
    (item, *more) = tasks.run(model, name, given[name]).items
    samples, rate = soundfile.read(given[name].audio, dtype="float32")
    extractor = processors.feature_extractor(model)
    sentences = [f"This is a sound of {label}." for label in LABELS]
    with torch.inference_mode():
        logits = model.model(
            **model.tokenizer(sentences, padding=True, return_tensors="pt"),
            **extractor(samples, sampling_rate=rate, return_tensors="pt"),
        ).logits_audio_text[0]
    expected = sorted(zip(LABELS, logits.sigmoid().tolist(), strict=True), key=lambda pair: -pair[1])
    assert [(each.label, pytest.approx(each.score, abs=1e-5)) for each in (item, *more)] == expected
    assert item.score - more[-1].score > 0.01
    names: dict = {"__name__": "__main__"}
    exec(codegen.task(model.checkpoint, name, given[name], TaskOptions(), model.dtype, model.device), names)
    assert [(label, pytest.approx(score, abs=1e-5)) for label, score in names["result"]] == expected
    assert capsys.readouterr().out


def _pe_audio(folder: Path) -> Checkpoint:
    """A PE Audio of a layer each, hidden size 32, whose logits are far from alike."""
    tokenizer = byte_level_tokenizer()
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
    codec = {"encoder_hidden_size": 8, "hidden_size": 32, "downsampling_ratios": [2, 2, 4, 4], "codebook_dim": 16}
    config = t.PeAudioConfig(
        text_config={"model_type": "modernbert", "vocab_size": len(tokenizer), **sizes, **ids},
        audio_config={"dac_config": codec, "num_key_value_heads": 2, "head_dim": 16, **sizes},
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = t.PeAudioModel(config)
    with torch.no_grad():
        for weight in net.text_model.parameters():
            weight.mul_(20.0 if weight.dim() > 1 else 1.0)
        net.text_audio_logit_scale.fill_(10.0)
    net.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    t.PeAudioFeatureExtractor(sampling_rate=16_000, hop_length=64).save_pretrained(folder)
    return Checkpoint("tiny-pe-audio", folder)


def test_a_question_about_a_picture_is_answered_as_the_documentation_does(others, given) -> None:
    from transformers import ViltProcessor

    name = KINDS[2]
    model, asked = others[name], given[name]
    result = tasks.run(model, name, asked, TaskOptions(top_k=None))
    processor = ViltProcessor(processors.image_processor(model), model.tokenizer)
    with torch.inference_mode():
        logits = model.model(**processor(Image.open(asked.image), asked.text, return_tensors="pt")).logits[0]
    assert result.items[0].label == model.model.config.id2label[int(logits.argmax())]
    expected = dict(zip(tiny_tasks.THINGS, logits.sigmoid().tolist(), strict=True))
    assert {item.label: item.score for item in result.items} == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("question", ["What is it?", "fox"])
def test_an_answer_about_a_picture_is_written_as_the_documentation_does(tmp_path, given, question, capsys) -> None:
    from transformers import BlipProcessor

    name = KINDS[2]
    model = load(tiny_films.blip(tmp_path / "blip"), device="cpu")
    assert tasks.infer(model.facts) == name
    assert tasks.applies(name, model) == ("max_new_tokens",)
    picture = given[name].image
    asked, options = TaskInput(question, image=picture), TaskOptions(max_new_tokens=6)
    (item,) = tasks.run(model, name, asked, options).items
    processor = BlipProcessor(processors.image_processor(model), model.tokenizer)
    inputs = processor(images=Image.open(picture), text=question, return_tensors="pt")
    with torch.inference_mode():
        written = model.model.generate(**inputs, max_new_tokens=6, do_sample=False)
    assert item.label == processor.decode(written[0], skip_special_tokens=True).strip()
    assert item.label and 0 < item.score <= 1
    names = {"__name__": "__main__"}
    exec(codegen.task(model.checkpoint, name, asked, options, model.dtype, model.device, model.head), names)
    assert names["result"] == [(item.label, pytest.approx(item.score))]
    assert capsys.readouterr().out


@pytest.mark.parametrize("question", ["What is the capital of France?", "How many people?", "rome"])
def test_table_question_answering_is_the_pipeline(others, question) -> None:
    name = KINDS[3]
    model = others[name]
    (answer,) = tasks.run(model, name, TaskInput(question, TABLE)).items
    header, *body = [line.split(",") for line in TABLE.splitlines()]
    expected = pipeline(model, name)(table=pandas.DataFrame(body, columns=header), query=question)
    assert answer.text == expected["answer"]
    assert list(answer.cells) == expected["coordinates"]
    assert (answer.aggregation or "NONE") == expected["aggregator"]


@pytest.mark.parametrize("sequential", [False, True])
def test_several_questions_are_asked_as_the_pipeline_does(others, sequential, capsys) -> None:
    name = KINDS[3]
    model = others[name]
    questions = ["What is the capital of France?", "rome", "How many people live there?"]
    header, *body = [line.split(",") for line in TABLE.splitlines()]
    made = pipeline(model, name)
    expected = made(table=pandas.DataFrame(body, columns=header), query=questions, sequential=sequential)
    given, options = TaskInput("\n".join(questions), TABLE), TaskOptions(sequential=sequential)
    result = tasks.run(model, name, given, options)
    assert [(item.question, item.text, list(item.cells)) for item in result.items] == [
        (question, each["answer"], each["coordinates"]) for question, each in zip(questions, expected, strict=True)
    ]
    names: dict = {"__name__": "__main__"}
    exec(codegen.task(model.checkpoint, name, given, options, model.dtype, model.device), names)
    assert names["result"] == [each["answer"] for each in expected]
    (row,) = batch.run(model, name, [given], options)
    assert [line["question"] for line in row.lines] == questions
    assert capsys.readouterr().out


def test_the_answer_before_is_told_to_the_next_question(others) -> None:
    model = others[KINDS[3]]
    logits = []
    for sequential in (False, True):
        result = tasks.run(model, KINDS[3], TaskInput("rome\npeople", TABLE), TaskOptions(sequential=sequential))
        logits.append(result.stages[1].tensors[0].values)
    np.testing.assert_allclose(logits[0][0], logits[1][0], atol=1e-5)
    assert np.abs(logits[0][1] - logits[1][1]).max() > 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_inferred_supported_and_has_an_example_that_works(others, kind, workbench_data) -> None:
    assert tasks.infer(others[kind].facts) == kind
    assert tasks.supports(others[kind], kind)
    assert tasks.run(others[kind], kind, tasks.example(kind)).stages


@pytest.mark.parametrize("kind", KINDS)
def test_the_script_gives_the_same_result(others, given, kind, capsys) -> None:
    model = others[kind]
    options = dataclasses.replace(tasks.defaults(kind), threshold=0.0)
    result = tasks.run(model, kind, given[kind], options)
    names: dict = {"__name__": "__main__"}
    exec(codegen.task(model.checkpoint, kind, given[kind], options, model.dtype, model.device), names)
    assert capsys.readouterr().out
    if kind == "table-question-answering":
        assert names["result"] == result.items[0].text
        return
    rows = [tuple(getattr(item, each) for each in item.__slots__) for item in result.items]
    assert [row[0] for row in names["result"]] == [row[0] for row in rows]
    np.testing.assert_allclose([row[1:] for row in names["result"]], [row[1:] for row in rows], atol=1e-5)


@pytest.mark.parametrize(("kind", "asked", "says"), [
    (KINDS[0], TaskInput(), "0 were given"), (KINDS[1], TaskInput(labels=("a\ud800",)), "lone surrogate"),
    (KINDS[1], TaskInput(labels=LABELS), "No file"),
    (KINDS[2], TaskInput(""), "question is empty"), (KINDS[3], TaskInput("what?", ""), "table is empty"),
    (KINDS[3], TaskInput("what?", "a,b,c"), "none below it"),
])  # fmt: skip
def test_what_is_missing_is_named(others, kind, asked, says) -> None:
    with pytest.raises(InputError) as caught:
        tasks.run(others[kind], kind, asked)
    assert says in caught.value.why


def test_another_model_can_not_look_into_tables(others, tiny_bert) -> None:
    model = dataclasses.replace(load(tiny_bert, device="cpu"), head="AutoModelForTableQuestionAnswering")
    with pytest.raises(NotSupported, match="TAPAS"):
        tasks.run(model, "table-question-answering", TaskInput("what?", TABLE))


def test_ragged_tables_are_filled_up(others) -> None:
    result = tasks.run(others[KINDS[3]], KINDS[3], TaskInput("what?", 'a, b\n"x, y"\n1,2,3\n'))
    assert result.items[0].cells is not None


def test_a_table_that_is_too_long_is_cut_and_it_says_by_how_much(others) -> None:
    model = others[KINDS[3]]
    question = "What is the capital of France?"
    cells = [("x", ""), ("z w", "3")] * 45
    table = "\n".join(",".join(row) for row in [("a", "b"), *cells])
    result = tasks.run(model, KINDS[3], TaskInput(question, table))
    frame = pandas.DataFrame(cells, columns=["a", "b"])
    (answer,) = result.items
    assert answer.text == pipeline(model, KINDS[3])(table=frame, query=question)["answer"]
    whole = model.tokenizer(frame, question, truncation="do_not_truncate", verbose=False)["input_ids"]
    assert result.truncated == len(whole) - result.stages[0].tensors[0].shape[1] > 0


def test_a_table_of_more_numbers_than_there_are_vectors_for_is_answered_from_the_rows_that_fit(others) -> None:
    table = "\n".join(["a,b", *(f"{row},{2 * row}" for row in range(400))])
    result = tasks.run(others[KINDS[3]], KINDS[3], TaskInput("How many?", table))
    kept = int(result.stages[0].tensors[2].values[0, :, 2].max())
    assert 0 < kept < 256
    assert all(row < kept for row, _ in result.items[0].cells)
    assert result.truncated > 400


def test_a_question_that_leaves_no_room_for_a_row_is_refused(others) -> None:
    for asked in (TaskInput("what " * 300, TABLE), TaskInput("what?", ",".join("abcdefgh" * 30) + "\n1")):
        with pytest.raises(InputError, match="don't fit"):
            tasks.run(others[KINDS[3]], KINDS[3], asked)


def test_a_table_is_read_with_tabs_and_with_breaks_inside_its_cells() -> None:
    read = table_question_answering.rows
    assert read("a\tb\n1,5\t2") == (("a", "b"), ("1,5", "2"))
    assert read('a,b\r\n"x\ny",2\r\n') == (("a", "b"), ("x\ny", "2"))


def test_rows_of_questions_about_tables_run_as_a_batch(others, given) -> None:
    rows = batch.run(others[KINDS[3]], KINDS[3], [given[KINDS[3]], TaskInput("rome?", TABLE)])
    assert [row.error for row in rows] == ["", ""]
    assert rows[0].lines[0]["answer"] == tasks.run(others[KINDS[3]], KINDS[3], given[KINDS[3]]).items[0].text
