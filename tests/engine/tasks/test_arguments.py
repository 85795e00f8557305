"""What a pipeline can be told, its task can be told; the result is the pipeline's, and so is the script's."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from tests import tiny_kinds, tiny_seq2seq, tiny_tasks
from workbench.engine import codegen, tasks
from workbench.engine.errors import InputError
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks import document_question_answering, processors
from workbench.engine.values import Checkpoint, TaskInput, TaskOptions

TEXT = "Angela Merkel met Barack Obama in Berlin, Germany. "
LONG = TEXT * 30


@pytest.fixture(scope="module")
def tagger(tiny_bert_tagger: Checkpoint) -> LoadedModel:
    return load(tiny_bert_tagger, device="cpu")


@pytest.fixture(scope="module")
def masked(tiny_bert: Checkpoint) -> LoadedModel:
    return load(tiny_bert, device="cpu")


def pipeline(model: LoadedModel, name: str, **more: Any) -> Any:
    from transformers import pipeline as make

    return make(name, model=model.model, tokenizer=model.tokenizer, device="cpu", **more)


def script(model: LoadedModel, name: str, given: TaskInput, options: TaskOptions) -> Any:
    names: dict[str, Any] = {"__name__": "__main__"}
    if model.tokenizer is not None:
        options = dataclasses.replace(options, max_length=tasks.cut_at(model, options))
    exec(codegen.task(model.checkpoint, name, given, options, model.dtype, model.device, model.head), names)
    return names["result"]


@pytest.mark.parametrize("function", ["softmax", "sigmoid", "none"])
def test_the_function_that_makes_scores_is_the_pipelines(
    tiny_bert_classifier: Checkpoint, tmp_path, capsys, function
) -> None:
    options = TaskOptions(top_k=None, function=function)
    sound = tiny_tasks.sound(tmp_path)
    samples, rate = soundfile.read(sound, dtype="float32")
    picture = tiny_seq2seq.picture(tmp_path)
    reads = load(tiny_bert_classifier, device="cpu")
    sees = load(tiny_tasks.build_tiny_vision(tmp_path / "vit", "image-classification"), device="cpu")
    hears = load(tiny_tasks.build_tiny_audio(tmp_path / "wav", "audio-classification"), device="cpu")
    looks = {"image_processor": processors.image_processor(sees)}
    listens = {"feature_extractor": processors.feature_extractor(hears)}
    for model, name, given, asked, more in (
        (reads, "text-classification", TaskInput(TEXT), TEXT, {}),
        (sees, "image-classification", TaskInput(image=picture), str(picture), looks),
        (hears, "audio-classification", TaskInput(audio=sound), {"raw": samples, "sampling_rate": rate}, listens),
    ):
        expected = pipeline(model, name, **more)(asked, top_k=99, function_to_apply=function)
        result = tasks.run(model, name, given, options)
        scores = [(each["label"], pytest.approx(each["score"], abs=1e-5)) for each in expected]
        assert [(item.label, item.score) for item in result.items] == scores
        assert script(model, name, given, options) == scores
        total = sum(item.score for item in result.items)
        assert (total == pytest.approx(1, abs=1e-5)) == (function == "softmax")
    watches = load(tiny_kinds.build(tmp_path / "mae", "video-classification"), device="cpu")
    film = TaskInput(video=tiny_kinds.film(tmp_path, name="film.gif"))
    found = tasks.run(watches, "video-classification", film, options)
    logits = torch.from_numpy(found.stages[1].tensors[0].values[0])
    scores = {"softmax": logits.softmax(-1), "sigmoid": logits.sigmoid(), "none": logits}[function]
    assert [item.score for item in found.items] == pytest.approx(sorted(scores.tolist(), reverse=True))
    with pytest.raises(InputError, match="no function called"):
        tasks.run(reads, "text-classification", TEXT, TaskOptions(function="cosine"))
    assert capsys.readouterr().out


@pytest.mark.parametrize("text", ["The capital of France is [MASK].", "The [MASK] of [MASK] is Paris."])
@pytest.mark.parametrize(("targets", "top_k"), [
    (("paris", "berlin", "film"), 5), (("paris", "berlin", "film"), 2), (("unheardofword", "the", "the"), None),
])  # fmt: skip
def test_targets_are_the_pipelines(masked, text, targets, top_k, capsys) -> None:
    result = tasks.run(masked, "fill-mask", text, TaskOptions(targets=targets, top_k=top_k))
    expected = pipeline(masked, "fill-mask")(text, targets=list(targets), top_k=top_k or 99)
    rows = [expected] if isinstance(expected[0], dict) else expected
    flat = [(mask, each["token"], pytest.approx(each["score"])) for mask, row in enumerate(rows) for each in row]
    assert [(item.mask_index, item.token_id, item.score) for item in result.items] == flat
    assert script(masked, "fill-mask", TaskInput(text), TaskOptions(targets=targets, top_k=top_k)) == flat
    assert capsys.readouterr().out


def test_targets_without_a_token_are_refused(masked) -> None:
    with pytest.raises(InputError, match="nothing to choose from"):
        tasks.run(masked, "fill-mask", "[MASK]", TaskOptions(targets=(" ",)))


def entities(found: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (each.get("entity_group", each.get("entity")), pytest.approx(float(each["score"]), abs=1e-6), each["start"],
         each["end"]) for each in found
    ]  # fmt: skip


@pytest.mark.parametrize("aggregation", ["none", "simple", "first"])
@pytest.mark.parametrize("ignored", [(), ("O",), ("O", "B-PER", "PER")])
def test_labels_that_are_left_out_are_the_pipelines(tagger, aggregation, ignored, capsys) -> None:
    options = TaskOptions(aggregation=aggregation, ignore_labels=ignored)
    made = pipeline(tagger, "token-classification", aggregation_strategy=aggregation, ignore_labels=list(ignored))
    expected = entities(made(TEXT))
    result = tasks.run(tagger, "token-classification", TEXT, options)
    assert [(item.label, item.score, item.start, item.end) for item in result.items] == expected
    assert script(tagger, "token-classification", TaskInput(TEXT), options) == expected
    assert capsys.readouterr().out


@pytest.mark.parametrize("aggregation", ["simple", "first", "average", "max"])
@pytest.mark.parametrize("stride", [0, 20, 100])
def test_a_long_text_is_labelled_in_windows_as_the_pipeline_does(tagger, aggregation, stride, capsys) -> None:
    options = TaskOptions(aggregation=aggregation, stride=stride)
    made = pipeline(tagger, "token-classification", aggregation_strategy=aggregation, stride=stride)
    expected = entities(made(LONG))
    result = tasks.run(tagger, "token-classification", LONG, options)
    assert [(item.label, item.score, item.start, item.end) for item in result.items] == expected
    assert result.truncated == 0
    windows, width = result.stages[0].tensors[0].shape
    assert windows >= 3 and width == 128
    assert max(item.end for item in result.items) > len(LONG) - 60
    if aggregation == "simple":
        assert script(tagger, "token-classification", TaskInput(LONG), options) == expected
        assert capsys.readouterr().out


def test_a_short_text_is_one_window_whatever_the_stride(tagger) -> None:
    one, other = (tasks.run(tagger, "token-classification", TEXT, TaskOptions(stride=each)) for each in (None, 20))
    assert one.items == other.items
    assert other.stages[2].tensors[0].shape == one.stages[2].tensors[0].shape


@pytest.mark.parametrize("options", [TaskOptions(stride=126), TaskOptions(stride=20, aggregation="none")])
def test_windows_that_can_not_be_are_refused(tagger, options) -> None:
    with pytest.raises(InputError, match="window") as caught:
        tasks.run(tagger, "token-classification", LONG, options)
    assert "Choose" in caught.value.remedy


@pytest.mark.parametrize("stride", [0, 32, 500])
def test_windows_over_a_context_overlap_as_much_as_is_asked(tmp_path, stride, capsys) -> None:
    model = load(tiny_tasks.build_tiny_head(tmp_path, "AutoModelForQuestionAnswering"), device="cpu")
    given = TaskInput("Where did they meet?", LONG)
    options = TaskOptions(top_k=3, stride=stride)
    result = tasks.run(model, "question-answering", given, options)
    offsets = next(view.values for view in result.stages[0].tensors if view.name == "offset_mapping")
    inside = next(view.values for view in result.stages[0].tensors if view.name == "in_context")
    spans = [[tuple(place) for place in offsets[window][inside[window]]] for window in (0, 1)]
    assert len(set(spans[0]) & set(spans[1])) == min(stride, len(spans[0]) - 1)
    rows = script(model, "question-answering", given, options)
    assert rows == [(each.text, pytest.approx(each.score), each.start, each.end) for each in result.items]
    assert capsys.readouterr().out


@pytest.mark.parametrize("part", [None, 2, 3])
def test_a_long_sound_goes_in_parts_as_the_pipeline_has_it(tmp_path, part, capsys) -> None:
    name = "automatic-speech-recognition"
    model = load(tiny_tasks.build_tiny_audio(tmp_path / "ctc", name), device="cpu")
    path = tiny_tasks.sound(tmp_path, 7.0)
    samples, rate = soundfile.read(path, dtype="float32")
    options = TaskOptions(chunk_length=part)
    made = pipeline(model, name, feature_extractor=processors.feature_extractor(model))
    parts = {"chunk_length_s": part} if part else {}
    expected = made({"raw": np.array(samples), "sampling_rate": rate}, **parts)["text"]
    result = tasks.run(model, name, TaskInput(audio=path), options)
    assert result.items[0] == expected
    assert script(model, name, TaskInput(audio=path), options)["text"] == expected
    with torch.inference_mode():
        whole = tasks.run(model, name, TaskInput(audio=path), TaskOptions(chunk_length=30)).items[0]
    assert part is not None or expected == whole
    assert capsys.readouterr().out


def test_a_part_that_others_cover_is_left_out_as_the_pipeline_does(tmp_path, capsys) -> None:
    name = "image-segmentation"
    model = load(tiny_tasks.build_tiny_vision(tmp_path / "panoptic", "panoptic"), device="cpu")
    with torch.no_grad():
        model.model.class_predictor.bias[-1] -= 20  # of being nothing
    model.model.save_pretrained(model.checkpoint.path)
    given = TaskInput(image=tiny_seq2seq.picture(tmp_path, size=(97, 61)))
    made = pipeline(model, name, image_processor=processors.image_processor(model))
    told = {"threshold": 0.2, "mask_threshold": 0.2}
    counts = []
    for overlap in (0.0, 0.1, 0.5):
        options = TaskOptions(overlap=overlap, **told)
        expected = made(str(given.image), overlap_mask_area_threshold=overlap, **told)
        result = tasks.run(model, name, given, options)
        assert [item.label for item in result.items] == [each["label"] for each in expected]
        for item, each in zip(result.items, expected, strict=True):
            assert (item.mask == (np.asarray(each["mask"]) > 0)).all()
        assert len(script(model, name, given, options)) == len(expected)
        counts.append(len(expected))
    assert counts == [6, 4, 1]
    assert capsys.readouterr().out


PAGE = "\n".join(
    f"{word},{10 * at % 900},{at},{10 * at % 900 + 9},{at + 9}" for at, word in enumerate(TEXT.split() * 40)
)


@pytest.mark.parametrize("stride", [None, 0, 30])
def test_windows_over_a_page_overlap_as_the_pipelines_do(tmp_path, stride, capsys) -> None:
    name = "document-question-answering"
    model = load(tiny_tasks.build_tiny_other(tmp_path / "layoutlm", name), device="cpu")
    boxes = [(word, list(box)) for word, box in document_question_answering.words(PAGE)]
    given, options = TaskInput("Where was it?", PAGE), TaskOptions(top_k=3, stride=stride, no_answer=True)
    told = {} if stride is None else {"doc_stride": stride}
    made = pipeline(model, name)
    expected = made(image=None, question=given.text, word_boxes=boxes, top_k=1, max_seq_len=128, **told)
    found = expected[0] if isinstance(expected, list) else expected
    result = tasks.run(model, name, given, dataclasses.replace(options, no_answer=False))
    assert (result.items[0].label, result.items[0].score) == (found["answer"], pytest.approx(found["score"], abs=1e-5))
    assert result.stages[0].tensors[0].shape[0] > 3
    names: dict[str, Any] = {}
    cut = dataclasses.replace(options, max_length=tasks.cut_at(model, options))
    exec(codegen.task(model.checkpoint, name, given, cut, model.dtype, "cpu"), names)
    whole = tasks.run(model, name, given, options).items
    assert names["answers"] == [(item.label, pytest.approx(item.score, abs=1e-6)) for item in whole]
    assert capsys.readouterr().out


@pytest.mark.parametrize("aggregation", ["none", "simple", "first", "max"])
def test_a_text_given_as_words_is_labelled_as_the_pipeline_does(tagger, aggregation, capsys) -> None:
    # Punctuation stays on its word, where a running text would have it cut off.
    text = "Angela Merkel-Obama met in Berlin, Germany. x@y.z"
    options = TaskOptions(aggregation=aggregation, ignore_labels=(), split=True)
    made = pipeline(tagger, "token-classification", aggregation_strategy=aggregation, ignore_labels=[])
    (expected,) = made(text.split(), is_split_into_words=True)
    result = tasks.run(tagger, "token-classification", text, options)
    rows = [(item.label, item.score, item.start, item.end) for item in result.items]
    assert rows == entities(expected)
    assert script(tagger, "token-classification", TaskInput(text), options) == entities(expected)
    apart = tasks.run(tagger, "token-classification", text.replace(" ", "\n  "), options).items
    assert [(item.label, item.text) for item in apart] == [
        (item.label, item.text.replace(" ", "\n  ")) for item in result.items
    ]
    assert capsys.readouterr().out


@pytest.mark.parametrize("aggregation", ["simple", "first"])
def test_many_words_are_labelled_in_windows_or_cut(tagger, aggregation) -> None:
    made = pipeline(tagger, "token-classification", aggregation_strategy=aggregation, stride=20)
    (expected,) = made(LONG.split(), is_split_into_words=True)
    result = tasks.run(
        tagger, "token-classification", LONG, TaskOptions(aggregation=aggregation, stride=20, split=True)
    )
    assert [(item.label, item.score, item.start, item.end) for item in result.items] == entities(expected)
    cut = tasks.run(tagger, "token-classification", LONG, TaskOptions(split=True))
    assert cut.stages[0].tensors[0].shape == (1, 128) and cut.truncated > 100


@pytest.mark.parametrize("told", [
    {}, {"temperature": 1.3, "top_k": 7}, {"top_p": 0.6}, {"top_k": 200, "top_p": 0.9, "num_beams": 3},
])  # fmt: skip
def test_what_is_drawn_is_what_the_pipeline_draws(tiny_llama: Checkpoint, told, capsys) -> None:
    model = load(tiny_llama, device="cpu")
    name, text = "text-generation", "The quick brown fox"
    ours = {{"top_k": "draw_top_k"}.get(key, key): value for key, value in told.items()}
    options = TaskOptions(do_sample=True, seed=3, max_new_tokens=12, **ours)
    made = pipeline(model, name)
    torch.manual_seed(3)
    told = {"temperature": 0.7} | told
    (expected,) = made(text, return_full_text=False, do_sample=True, max_new_tokens=12, **told)
    (item,) = tasks.run(model, name, text, options).items
    assert item == expected["generated_text"]
    assert script(model, name, TaskInput(text), options) == item
    assert capsys.readouterr().out


def test_beams_are_the_checkpoints_own_unless_they_are_asked(tmp_path) -> None:
    model = load(tiny_seq2seq.build_tiny_bart(tmp_path), device="cpu")
    model.model.generation_config.num_beams = 3
    found = {}
    for beams in (None, 1, 3):
        result = tasks.run(model, "summarization", TEXT, TaskOptions(num_beams=beams, max_new_tokens=8))
        first = next(view for view in result.stages[1].tensors if view.name == "first_logits")
        found[beams] = len(first.values)
    assert found == {None: 3, 1: 1, 3: 3}


def test_writing_stops_at_a_text_as_the_pipeline_does(tiny_llama: Checkpoint, capsys) -> None:
    model = load(tiny_llama, device="cpu")
    name, text = "text-generation", "The quick brown fox"
    whole = tasks.run(model, name, text, TaskOptions(max_new_tokens=12)).items[0]
    options = TaskOptions(max_new_tokens=12, stops=(whole[3:5], "never"))
    made = pipeline(model, name)
    told = {"max_new_tokens": 12, "do_sample": False, "return_full_text": False}
    (expected,) = made(text, stop_sequence=list(options.stops), **told)
    (item,) = tasks.run(model, name, text, options).items
    assert item == expected["generated_text"] and len(item) < len(whole)
    assert script(model, name, TaskInput(text), options) == item
    assert capsys.readouterr().out


@pytest.mark.parametrize("cut", [6, 9])
def test_a_text_is_cut_where_the_pipeline_is_told_to(
    tiny_bert_classifier: Checkpoint, tiny_bert: Checkpoint, masked, cut, capsys
) -> None:
    told = {"truncation": True, "max_length": cut}
    options = TaskOptions(max_length=cut, normalize=False, top_k=None)
    reads, bare = load(tiny_bert_classifier, device="cpu"), load(tiny_bert, head="AutoModel", device="cpu")
    for model, name, text, more in (
        (reads, "text-classification", TEXT, told | {"top_k": None}),
        (masked, "fill-mask", "The [MASK] met " + TEXT, {"tokenizer_kwargs": told, "top_k": 99}),
        (
            bare,
            "feature-extraction",
            TEXT,
            {"tokenize_kwargs": told, "return_tensors": True},
        ),
    ):
        expected = pipeline(model, name)(text, **more)
        result = tasks.run(model, name, text, options)
        assert result.stages[0].tensors[0].shape == (1, cut) and result.truncated
        assert "max_length" in tasks.applies(name, model)
        script(model, name, TaskInput(text), options)
        if name == "feature-extraction":
            np.testing.assert_allclose(result.items[0], expected[0].mean(axis=0), atol=1e-5)
        else:
            wanted = sorted((each["score"] for each in expected), reverse=True)
            assert [item.score for item in result.items][: len(wanted)] == pytest.approx(wanted, abs=1e-6)
    assert capsys.readouterr().out


def test_a_page_is_read_in_windows_of_as_many_tokens_as_the_pipeline_is_told(tmp_path) -> None:
    name = "document-question-answering"
    model = load(tiny_tasks.build_tiny_other(tmp_path / "layoutlm", name), device="cpu")
    boxes = [(word, list(box)) for word, box in document_question_answering.words(PAGE)]
    found = pipeline(model, name)(image=None, question="Where was it?", word_boxes=boxes, top_k=1, max_seq_len=48)
    found = found[0] if isinstance(found, list) else found
    result = tasks.run(model, name, TaskInput("Where was it?", PAGE), TaskOptions(top_k=1, max_length=48))
    assert (result.items[0].label, result.items[0].score) == (found["answer"], pytest.approx(found["score"], abs=1e-5))
    assert result.stages[0].tensors[0].shape[1] == 48
