"""Checkpoints and texts that are a little off give an answer or a plain refusal, and lose nothing."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests import tiny
from tests.census import building, kinds
from workbench.engine import codegen, inside, tasks, tokens
from workbench.engine.errors import CheckpointError, InputError, NotSupported
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks import batch, samples, videos
from workbench.engine.values import Checkpoint, TaskInput, TaskOptions

ODD = {
    "combining storm": "e" + "".join(chr(0x300 + number % 0x70) for number in range(2000)),
    "mixed direction": "The שלום quick مرحبا fox \u202eback\u202c and \u2067mixed\u2069 123",
    "joined": "👩‍👩‍👧‍👦" * 50 + "\ufe0f\u200d",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f\x85\u2028\u2029",
}


def with_labels(folder: Path, labels: dict[str, str] | None) -> Checkpoint:
    """The tiny classifier with other names for its two labels in its config."""
    checkpoint = tiny.build_tiny_bert(folder, "AutoModelForSequenceClassification")
    file = folder / "config.json"
    config: dict[str, Any] = json.loads(file.read_text())
    del config["id2label"], config["label2id"]
    if labels is not None:
        config["id2label"] = labels
        config["label2id"] = {label: int(index) for index, label in labels.items()}
    file.write_text(json.dumps(config))
    return checkpoint


@pytest.mark.parametrize(("labels", "expected"), [
    (None, {"LABEL_0", "LABEL_1"}), ({"0": "same", "1": "same"}, {"same"}),
    ({"0": "good", "5": "bad"}, {"good", "LABEL_1"}),
])  # fmt: skip
def test_labels_that_are_missing_or_twice_leave_every_score(tmp_path: Path, labels, expected) -> None:
    named = tasks.run(
        load(with_labels(tmp_path / "odd", labels), device="cpu"), "text-classification", "The film"
    ).items
    plain = load(tiny.build_tiny_bert(tmp_path / "plain", "AutoModelForSequenceClassification"), device="cpu")
    assert [item.score for item in named] == [
        item.score for item in tasks.run(plain, "text-classification", "The film").items
    ]
    assert {item.label for item in named} == expected
    assert len(named) == 2


def test_labels_that_are_too_few_for_the_weights_are_refused_when_it_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="another shape") as caught:
        load(with_labels(tmp_path / "short", {"0": "only"}), device="cpu")
    assert caught.value.remedy


@pytest.fixture
def mismatched(tmp_path: Path, tiny_bert_classifier: Checkpoint) -> LoadedModel:
    """A classifier whose tokenizer was given tokens that its weights know nothing of."""
    from dataclasses import replace

    model = load(tiny_bert_classifier, device="cpu")
    own = tokens.own_tokenizer(model.tokenizer)
    own.add_tokens(["strange", "stranger"])
    return replace(model, tokenizer=own)


def test_ids_beyond_the_vocabulary_are_told_from_a_broken_model(mismatched: LoadedModel) -> None:
    assert tasks.run(mismatched, "text-classification", "The film").items
    with pytest.raises(NotSupported, match="does not belong to its weights") as caught:
        tasks.run(mismatched, "text-classification", "The strange film")
    known = mismatched.model.get_input_embeddings().num_embeddings
    assert f"{known:,}" in caught.value.why


def test_a_row_with_such_ids_stops_no_other(mismatched: LoadedModel) -> None:
    rows = [TaskInput("The film"), TaskInput("The stranger film"), TaskInput("A fox")]
    found = batch.run(mismatched, "text-classification", rows, batch_size=3)
    assert [bool(row.error) for row in found] == [False, True, False]
    assert "does not belong" in found[1].error


@pytest.mark.parametrize("kind", list(ODD))
@pytest.mark.parametrize("fixture", ["tiny_bert", "tiny_llama"])
def test_every_character_of_an_odd_text_is_in_a_token(request, fixture: str, kind: str) -> None:
    tokenizer = tokens.load_tokenizer(request.getfixturevalue(fixture))
    text = ODD[kind]
    encoding = tokens.encode(tokenizer, text)
    expected = tokenizer(text, return_offsets_mapping=True, verbose=False)
    assert list(encoding.input_ids) == expected["input_ids"]
    assert [token.offsets for token in encoding.tokens] == expected["offset_mapping"]
    if fixture == "tiny_llama":
        assert b"".join(token.bytes or b"" for token in encoding.tokens) == text.encode()
        assert tokens.tokenize(tokenizer, [text]).decoded == (text,)
    assert not any("\N{REPLACEMENT CHARACTER}" in token.text for token in encoding.tokens)


@pytest.mark.parametrize("kind", list(ODD))
def test_an_odd_text_is_classified_like_any_other(tiny_bert_classifier: Checkpoint, kind: str) -> None:
    model = load(tiny_bert_classifier, device="cpu")
    result = tasks.run(model, "text-classification", ODD[kind])
    assert sum(item.score for item in result.items) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("text", ["[CLS] [SEP] [PAD]", "[MASK]", "[SEP]"])
def test_special_tokens_typed_as_text_are_read_as_the_library_reads_them(
    tiny_bert_classifier: Checkpoint, text
) -> None:
    from transformers import pipeline

    model = load(tiny_bert_classifier, device="cpu")
    result = tasks.run(model, "text-classification", text)
    (expected,) = pipeline("text-classification", model=model.model, tokenizer=model.tokenizer, device="cpu")(text)
    assert (result.items[0].label, result.items[0].score) == (expected["label"], pytest.approx(expected["score"]))


def test_ten_megabytes_without_a_blank_are_classified(tiny_bert_classifier: Checkpoint) -> None:
    text = "abcdefgh" * 1_250_000
    result = tasks.run(load(tiny_bert_classifier, device="cpu"), "text-classification", text)
    assert sum(item.score for item in result.items) == pytest.approx(1.0, abs=1e-5)


def test_a_model_of_many_languages_that_names_none_reads_the_first(tmp_path: Path, capsys) -> None:
    import transformers as t

    tokenizer = tiny.byte_level_tokenizer("[MASK]")
    tokenizer.mask_token = "[MASK]"
    tokenizer.save_pretrained(tmp_path)
    config = t.XmodConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        pad_token_id=0, languages=["en_XX", "de_DE"],
    )  # fmt: skip
    t.XmodForMaskedLM(config).save_pretrained(tmp_path)
    model = load(Checkpoint("tiny-xmod", tmp_path), device="cpu")
    assert any("en_XX, the first of its 2" in note for note in model.notes)
    given = tasks.example("fill-mask", model)
    result = tasks.run(model, "fill-mask", given)
    own = t.XmodForMaskedLM.from_pretrained(tmp_path)
    own.set_default_language("en_XX")
    expected = t.pipeline("fill-mask", model=own, tokenizer=model.tokenizer, device="cpu")(given.text)
    assert [item.score for item in result.items] == pytest.approx([each["score"] for each in expected])
    names = {"__name__": "__main__"}
    exec(
        codegen.task(model.checkpoint, "fill-mask", given, TaskOptions(), model.dtype, model.device, model.head), names
    )
    assert capsys.readouterr().out


@pytest.mark.parametrize("head", ["AutoModelForSequenceClassification", "AutoModelForTokenClassification"])
def test_what_is_made_of_no_numbers_says_so(tmp_path: Path, head: str) -> None:
    model = load(tiny.build_tiny_bert(tmp_path, head), device="cpu")
    name = tasks.infer(model.facts)
    assert tasks.run(model, name, "The film").broken == ()
    next(model.model.parameters()).data[:] = float("nan")
    assert tasks.run(model, name, "The film").broken == ("logits",)


def test_vectors_of_no_numbers_are_refused(tmp_path: Path) -> None:
    model = load(tiny.build_tiny_bert(tmp_path, "AutoModel"), device="cpu", head="AutoModel")
    next(model.model.parameters()).data[:] = float("nan")
    with pytest.raises(NotSupported, match="no number"):
        tasks.run(model, "feature-extraction", "The film\nThe sea\nThe sky")


def body(kind: str, folder: Path, head: str = "AutoModel") -> LoadedModel:
    """A tiny checkpoint without a head, or with another, as the census makes it."""
    entry = next(each for each in kinds.entries() if (each.kind, each.head) == (kind, head))
    return load(building.build(entry, folder)[0], device="cpu", head=head)


def test_a_picture_that_becomes_maps_by_stage_is_shown_raw(tmp_path: Path) -> None:
    model = body("hgnet_v2", tmp_path / "hgnet")
    with pytest.raises(NotSupported, match="raw-outputs"):
        tasks.run(model, "image-feature-extraction", tasks.example("image-feature-extraction", model))


def test_fewer_states_than_tokens_are_pooled_where_none_is_of_padding(tmp_path: Path, capsys) -> None:
    from transformers import pipeline

    model, text = body("funnel", tmp_path / "funnel"), "The quick brown fox"
    assert type(model.model).__name__ == "FunnelBaseModel"
    plain = TaskOptions(normalize=False)
    result = tasks.run(model, "feature-extraction", text, plain)
    (own,) = pipeline("feature-extraction", model=model.model, tokenizer=model.tokenizer)(text)
    assert len(own) < len(model.tokenizer(text)["input_ids"])
    assert result.items[0] == pytest.approx(torch.tensor(own).mean(dim=0).tolist(), abs=1e-6)
    known = (model.dtype, model.device, model.head)
    names: dict = {"__name__": "__main__"}
    exec(codegen.task(model.checkpoint, "feature-extraction", TaskInput(text), plain, *known), names)
    assert names["embeddings"][0].tolist() == pytest.approx(result.items[0], abs=1e-6)
    with pytest.raises(NotSupported, match="several lengths"):
        tasks.run(model, "feature-extraction", f"{text}\nA fox")


@pytest.mark.parametrize(("kind", "head"), [
    ("llava", "AutoModelForPreTraining"), ("got_ocr2", "AutoModel"), ("udop", "AutoModel"),
])  # fmt: skip
def test_a_picture_with_its_text_is_run_and_looked_into_whatever_head_it_has(tmp_path: Path, kind, head) -> None:
    model = body(kind, tmp_path / kind, head)
    shown = tasks.run(model, "raw-outputs", tasks.example("raw-outputs", model))
    assert {"input_ids", "pixel_values"} <= {view.name for view in shown.stages[0].tensors}
    given = inside.take(model, inside.example(model))
    assert given.image is not None
    assert len(given.tokens) > 1
    assert inside.look(model, given)


def test_a_whole_model_among_those_that_see_makes_no_vectors_of_a_picture_alone(tmp_path: Path) -> None:
    model = body("llama4", tmp_path / "llama4")
    assert not tasks.supports(model, "image-feature-extraction")
    assert tasks.supports(model, "raw-outputs")


def test_a_picture_without_its_processor_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    folder = tmp_path / "llava"
    head = "AutoModelForPreTraining"
    files = body("llava", folder, head).checkpoint
    settings = files.path / "processor_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "processor_class": "NoSuchProcessor"}))
    model = load(files, device="cpu", head=head)
    with pytest.raises(InputError, match="can't be run on that") as caught:
        tasks.run(model, "raw-outputs", tasks.example("raw-outputs", model))
    assert "takes no pictures here" in caught.value.remedy


def test_what_is_told_of_a_film_is_the_librarys_and_a_picture_is_one_that_stands_still(tmp_path: Path, capsys) -> None:
    pytest.importorskip("torchvision")
    name, options = "image-text-to-text", TaskOptions(max_new_tokens=4)
    model = body("instructblipvideo", tmp_path / "m", "AutoModelForImageTextToText")
    given = tasks.example(name, model)
    assert given.video is not None and given.image is None
    result = tasks.run(model, name, given, options)
    film = np.stack(list(videos.frames(given.video)))[[0, 16, 32, 48]]
    reader: Any = model.processor
    inputs = reader(images=film, text=[given.text], return_tensors="pt")
    with torch.inference_mode():
        written = model.model.generate(**inputs, max_new_tokens=4, do_sample=False)
    assert result.stages[1].tensors[0].values.tolist() == written.tolist()
    both = dataclasses.replace(given, image=samples.picture())
    bare = load(model.checkpoint, device="cpu", head="AutoModel")
    for loaded, task, shown in ((model, name, both), (bare, "raw-outputs", both), (bare, "raw-outputs", given)):
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(codegen.task(loaded.checkpoint, task, shown, options, loaded.dtype, "cpu", loaded.head), names)
        found = tasks.run(loaded, task, shown, options)
        if task == name:
            assert (names["result"],) == found.items == result.items
        else:
            (first, *_) = found.stages[1].tensors
            np.testing.assert_allclose(names["result"][first.name], first.values, atol=1e-5)
    still = tasks.run(model, name, dataclasses.replace(both, video=None), options)
    assert still.stages[0].tensors[0].values.shape == (1, 4, 3, 28, 28)
    assert capsys.readouterr().out
