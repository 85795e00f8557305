"""What a head or a body can't do without is given to it when it is looked into: separators, options, codes, words."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import tiny_seq2seq
from tests.census import building, kinds
from workbench.engine import inside, tasks
from workbench.engine.codegen import inside as scripts
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.inside.given import tensors
from workbench.engine.models import LoadedModel, load
from workbench.engine.values import TaskInput


def _with(*packages: str) -> pytest.MarkDecorator:
    lacking = [name for name in packages if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(lacking), reason=f"needs {', '.join(lacking)}")


LINES = (
    ("longformer", "AutoModelForQuestionAnswering"),
    ("longformer", "AutoModelForMultipleChoice"),
    ("nllb-moe", "AutoModelForPreTraining"),
    ("t5gemma", "AutoModel"),
    ("maskformer-swin", "AutoBackbone"),
    ("jev", "AutoModelForDecision"),
    pytest.param("edgetam_vision_model", "AutoModel", marks=_with("timm", "torchvision")),
    pytest.param("instructblipvideo", "AutoModelForImageTextToText", marks=_with("torchvision")),
    ("musicgen", "AutoModelForTextToWaveform"),
    ("musicgen_melody", "AutoModelForTextToWaveform"),
    ("blip-2", "AutoModelForVisualQuestionAnswering"),
    # Its processor makes labels of torch's tensors by NumPy.
    pytest.param(
        "paligemma",
        "AutoModelForImageTextToText",
        marks=pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    ),
    ("grounding-dino", "AutoModel"),
    ("oneformer", "AutoModel"),
)


def made(kind: str, head: str, folder: Path) -> LoadedModel:
    """A tiny checkpoint of one line of the library's tables, as the census makes it."""
    entry = next(each for each in kinds.entries() if (each.kind, each.head) == (kind, head))
    return load(building.build(entry, folder / kind)[0], device="cpu", head=head)


@pytest.mark.parametrize(("kind", "head"), LINES)
def test_every_hidden_state_is_the_library_s_and_the_script_s(kind: str, head: str, tmp_path: Path, capsys) -> None:
    model = made(kind, head, tmp_path)
    asked = inside.example(model)
    if asked.image is not None:
        asked = replace(asked, image=tiny_seq2seq.picture(tmp_path, size=(97, 61)))
    given = inside.take(model, asked)
    found = inside.look(model, given)
    with torch.inference_mode():
        asked_for = {} if kind in ("jev", "edgetam_vision_model") else {"output_hidden_states": True}
        out = model.model(**tensors(model, given), **asked_for)
    assert found.parts
    what = scripts.Asked(model, given, inside.arguments(model, given))
    for part in found.parts:
        for pick, mine in zip(part.picks, part.states, strict=True):
            if not part.watched:
                state = eval(f"out.{pick}", {"out": out})
                whole = eval(part.layout, {"state": state, "torch": torch}) if part.layout else state
                np.testing.assert_allclose(mine, whole.numpy().reshape(mine.shape), rtol=1e-4, atol=1e-4)
        script: dict[str, torch.Tensor] = {"__name__": "__main__"}
        exec(scripts.norms(what, part), script)
        np.testing.assert_allclose(script["norms"].numpy(), part.norms, rtol=1e-3, atol=1e-3)


def test_a_song_is_followed_by_the_codes_that_generate_gives_its_decoder(tmp_path: Path) -> None:
    model = made("musicgen", "AutoModelForTextToWaveform", tmp_path)
    given = inside.take(model, inside.example(model))
    codes = given.made["decoder_input_ids"]
    assert len(codes) == model.model.decoder.num_codebooks
    assert inside.look(model, given).part("decoder").norms.shape[1] == codes.shape[1] > 1


def test_a_text_and_a_question_with_its_options_are_what_the_library_decides_on(tmp_path: Path) -> None:
    model = made("jev", "AutoModelForDecision", tmp_path)
    given = inside.take(model, TaskInput("It rains.\nWhat is the weather?\nwet\ndry\nno idea"))
    with torch.inference_mode():
        scores = model.model(**tensors(model, given)).flatten()
    asked = TaskInput("It rains.", second="What is the weather?", labels=("wet", "dry", "no idea"))
    decided = tasks.run(model, "decision", asked).items
    expected = dict(zip(asked.labels, scores.softmax(-1).tolist(), strict=True))
    assert {each.label: each.score for each in decided} == pytest.approx(expected, abs=1e-5)
    assert "question" in inside.wanted(model)


def test_two_texts_without_what_stands_between_them_are_refused_in_words(tmp_path: Path) -> None:
    model = made("longformer", "AutoModelForQuestionAnswering", tmp_path)
    with pytest.raises(InputError, match="two texts"):
        inside.take(model, TaskInput("a house under a sun"))


@pytest.mark.parametrize("left_out", ["text", "image"])
def test_a_body_that_finds_what_it_is_told_of_asks_for_what_is_missing(tmp_path: Path, left_out: str) -> None:
    model = made("grounding-dino", "AutoModel", tmp_path)
    asked = TaskInput("a house", image=tiny_seq2seq.picture(tmp_path, size=(97, 61)))
    with pytest.raises(InputError, match=left_out.replace("image", "picture")):
        inside.take(model, replace(asked, **{left_out: "" if left_out == "text" else None}))


@pytest.mark.parametrize("head", ["AutoModel", "AutoBackbone"])
def test_hidden_states_that_the_library_returns_for_maps_are_not_shown_as_maps(tmp_path: Path, head: str) -> None:
    model = made("maskformer-swin", head, tmp_path)
    asked = TaskInput(image=tiny_seq2seq.picture(tmp_path, size=(97, 61)))
    with pytest.raises(NotSupported, match="hidden states in their place"):
        inside.attend(model, inside.take(model, asked))


def test_a_page_is_asked_about_with_the_question_above_its_words(tmp_path: Path) -> None:
    model = made("udop", "AutoModelForImageTextToText", tmp_path)
    given = inside.take(model, inside.example(model))
    assert inside.look(model, given).part("encoder").norms.shape[1] >= len(given.tokens)
