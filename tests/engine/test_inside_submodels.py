"""The models that a model is made of are looked into one by one: each state and map is what the library makes there."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests import (
    tiny_captions,
    tiny_extras,
    tiny_hearing,
    tiny_kinds,
    tiny_pictured,
    tiny_seq2seq,
    tiny_speech,
    tiny_tasks,
)
from tests.tiny import kept
from workbench.engine import inside
from workbench.engine.codegen import inside as scripts
from workbench.engine.errors import NotSupported
from workbench.engine.generate.inputs import prepare_start
from workbench.engine.inside.given import tensors
from workbench.engine.models import LoadedModel
from workbench.engine.values import TaskInput

Make = Callable[[str], LoadedModel]
BUILDERS = {
    "llava": tiny_seq2seq.build_tiny_llava,
    "qwen2-vl": tiny_seq2seq.build_tiny_qwen2_vl,
    "blip-2": lambda folder: tiny_captions.build(folder, "blip-2"),
    "gemma4": lambda folder: tiny_pictured.build(folder, "gemma4"),
    "clip": lambda folder: tiny_tasks.build_tiny_vision(folder, "zero-shot-image-classification"),
    "qwen2-audio": lambda folder: tiny_kinds.build(folder, "any-to-any"),
    "omni": lambda folder: tiny_hearing.build(folder, "omni"),
    "kyutai": lambda folder: tiny_hearing.build(folder, "kyutai"),
    "bark": lambda folder: tiny_speech.build(folder, "bark"),
    "voxtral_realtime": lambda folder: tiny_extras.build(folder, "voxtral_realtime"),
    "pop2piano": lambda folder: tiny_extras.build(folder, "pop2piano"),
}
#: Each with the layers that give its states, and whether ``generate()`` alone calls it.
INSIDE = (
    ("llava", "model.vision_tower", "encoder.layers", False),
    ("qwen2-vl", "model.visual", "blocks", False),
    ("blip-2", "qformer", "encoder.layer", False),
    ("gemma4", "model.vision_tower", "encoder.layers", False),
    ("qwen2-audio", "model.audio_tower", "layers", False),
    ("omni", "talker", "model.layers", True),
    ("bark", "fine_acoustics", "layers", True),
    ("kyutai", "codec_model.encoder", "encoder_transformer.layers", True),
)
MAPLESS = ("model.visual",)
"""Of which the library returns no maps."""


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    return kept(tmp_path_factory.mktemp("submodels"), lambda folder, kind: BUILDERS[kind](folder))


@pytest.fixture
def asked(tmp_path: Path) -> TaskInput:
    return TaskInput(
        "a fox", image=tiny_seq2seq.picture(tmp_path, size=(97, 61)), audio=tiny_tasks.sound(tmp_path, 0.4)
    )


@contextmanager
def heard(layers: Any, *, given: bool = False) -> Iterator[list[torch.Tensor]]:
    """What some layers return, or what they are given, one after the other."""
    found: list[torch.Tensor] = []

    def keep(_layer: Any, placed: Any, named: Any, output: Any) -> None:
        read = placed[0] if placed else named["hidden_states"]
        found.append(read if given else output[0] if isinstance(output, tuple) else output)

    hooks = [layer.register_forward_hook(keep, with_kwargs=True) for layer in layers]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def run(script: str) -> dict[str, Any]:
    made: dict[str, Any] = {"__name__": "__main__"}
    exec(script, made)
    return made


@pytest.mark.parametrize(("kind", "path", "layers", "writes"), INSIDE)
def test_states_and_maps_of_a_model_inside_are_those_of_the_pass_of_the_whole(
    make: Make, asked: TaskInput, kind: str, path: str, layers: str, writes: bool, capsys: Any
) -> None:
    model = make(kind)
    assert path in inside.submodels(model)
    given = inside.take(model, asked, submodel=path)
    assert given.by_generate is writes
    found = inside.look(model, given)
    deep = model.model.get_submodule(path).get_submodule(layers)
    torch.manual_seed(0)
    with heard(deep, given=True) as read, torch.inference_mode():
        _ = model.model.generate(**given.run) if writes else model.model(**tensors(model, given))
    states = [state for part in found.parts for state in part.states]
    for state, theirs in zip(states[:-1], read, strict=False):
        np.testing.assert_allclose(state, theirs.reshape(-1, theirs.shape[-1]), rtol=1e-5, atol=1e-6)
    what = scripts.Asked(model, given, inside.arguments(model, given))
    part = found.parts[0]
    np.testing.assert_allclose(run(scripts.norms(what, part))["norms"], part.norms, rtol=1e-4, atol=1e-4)
    if path in MAPLESS:
        with pytest.raises(NotSupported, match="shows no attention"):
            inside.attend(model, given)
        return
    kind_of = inside.attend(model, given).kinds[0]
    maps = np.asarray(kind_of.maps[-1])
    np.testing.assert_allclose(maps.sum(-1), 1, atol=1e-3)
    if kind in ("llava", "bark", "omni"):
        np.testing.assert_allclose(run(scripts.attention(what, kind_of.picks[-1], None, 0))["maps"], maps, atol=1e-5)
    assert maps.shape[1:] == (len(kind_of.tokens), len(kind_of.others))


@pytest.mark.parametrize(
    ("kind", "path"),
    [("llava", "model.vision_tower"), ("qwen2-vl", "model.visual"), ("omni", "thinker.model.visual"),
     ("gemma4", "model.vision_tower")],
)  # fmt: skip
def test_a_patch_is_where_the_picture_is_painted(make: Make, tmp_path: Path, kind: str, path: str) -> None:
    model = make(kind)
    plain = Image.new("RGB", (112, 112), (90, 120, 150))
    plain.save(tmp_path / "plain.png")
    before = inside.look(model, inside.take(model, TaskInput("a", image=tmp_path / "plain.png"), submodel=path))
    part = before.parts[0]
    assert part.grid is not None
    row, column = part.grid.rows - 1, part.grid.columns // 2
    down, across = 112 / part.grid.rows, 112 / part.grid.columns
    corner, end = (column * across + 2, row * down + 2), ((column + 1) * across - 2, (row + 1) * down - 2)
    box = tuple(map(round, (*corner, *end)))
    plain.paste((255, 0, 0), box)
    plain.save(tmp_path / "painted.png")
    after = inside.look(model, inside.take(model, TaskInput("a", image=tmp_path / "painted.png"), submodel=path))
    changed = np.abs(after.parts[0].states[0] - part.states[0]).sum(-1)
    assert part.grid.place(int(changed.argmax())) == (row, column)
    assert part.tokens[int(changed.argmax())] == f"({row},{column})"
    assert part.grid.over(changed)[row, column] == changed.max()
    assert part.grid.position(row, column) == changed.argmax()


def test_what_a_model_reads_inside_another_has_its_tokens(make: Make, asked: TaskInput) -> None:
    found = inside.look(make("clip"), inside.take(make("clip"), asked, submodel="text_model"))
    assert "".join(found.parts[0].tokens).replace("<|im_end|>", "").strip() == "a fox"
    assert min(found.parts[0].ids) >= 0


def test_what_generate_would_go_on_from_is_looked_into_part_by_part(make: Make, asked: TaskInput) -> None:
    model = make("llava")
    start = prepare_start(model, "a fox", images=(asked.image,))
    seen = inside.follow(model, start, (5, 6), submodel="model.vision_tower")
    assert inside.look(model, seen).parts[0].grid is not None


def test_the_part_that_sees_says_that_it_was_shown_nothing(make: Make) -> None:
    model = make("llava")
    with pytest.raises(NotSupported, match="can't be looked into with this") as refused:
        inside.take(model, TaskInput("a fox"), submodel="model.vision_tower")
    assert "did not run its forward" in refused.value.why and "picture" in refused.value.remedy


def test_a_model_of_one_piece_offers_no_others(llama: LoadedModel) -> None:
    assert not inside.submodels(llama) and not inside.composed(llama)


def test_a_model_without_a_pass_of_its_own_begins_with_the_one_that_thinks(make: Make, asked: TaskInput) -> None:
    model = make("omni")
    assert inside.composed(model) and not inside.refusal(model)
    assert set(inside.reads(model)) == {"text", "image", "audio"}
    given = inside.take(model, asked)
    assert given.submodel == "thinker"
    found = inside.look(model, given)
    assert found.lens is not None
    inner = inside.within(model, given)
    with torch.inference_mode():
        logits = inner.model(**given.call).logits[0]
    np.testing.assert_allclose(found.lens.top_probabilities[-1], logits.softmax(-1).topk(10).values, atol=1e-5)


# What generate() prepares alone.


def test_kyutai_is_looked_into_with_the_codes_that_it_made_of_the_sound(make: Make, asked: TaskInput, capsys) -> None:
    model = make("kyutai")
    given = inside.take(model, asked)
    found = inside.look(model, given)
    (part,) = found.parts
    with heard(model.model.model.layers) as outputs, torch.inference_mode():
        written = model.model.generate(**given.run)
    steps = torch.cat(outputs, dim=1)[0]
    assert part.ids == tuple(written[0, : len(part.ids)].tolist()) and len(part.ids) == len(steps)
    with heard(model.model.model.layers) as once:
        inside.look(model, given)
    np.testing.assert_allclose(once[0][0], steps, atol=1e-5)
    what = scripts.Asked(model, given, inside.arguments(model, given))
    np.testing.assert_allclose(run(scripts.norms(what, part))["norms"], part.norms, rtol=1e-4)
    assert found.lens is not None


@pytest.mark.skipif(
    not all(importlib.util.find_spec(package) for package in tiny_extras.NEEDS["voxtral_realtime"]),
    reason="mistral-common is not installed (transformers-workbench[speech])",
)
def test_voxtral_realtime_is_looked_into_with_the_sound_beside_each_token(make, asked: TaskInput, capsys) -> None:
    model = make("voxtral_realtime")
    given = inside.take(model, asked)
    found = inside.look(model, given)
    with heard(model.model.model.language_model.layers) as outputs, torch.inference_mode():
        model.model.generate(**given.run)
    with heard(model.model.model.language_model.layers) as once:
        inside.look(model, given)
    np.testing.assert_allclose(once[0][0], torch.cat(outputs, dim=1)[0], atol=1e-4)
    what, part = scripts.Asked(model, given, inside.arguments(model, given)), found.parts[0]
    np.testing.assert_allclose(run(scripts.norms(what, part))["norms"], part.norms, rtol=1e-4)


@pytest.mark.skipif(
    not all(importlib.util.find_spec(package) for package in tiny_extras.NEEDS["pop2piano"]),
    reason="essentia is not installed (transformers-workbench[music])",
)
def test_pop2piano_is_looked_into_with_the_parts_of_a_song_and_its_notes(make: Make, tmp_path: Path, capsys) -> None:
    model = make("pop2piano")
    given = inside.take(model, TaskInput(audio=tiny_extras.song(tmp_path)), most=64)
    found = inside.look(model, given)
    with torch.inference_mode():
        out = model.model(**tensors(model, given), output_hidden_states=True)
    decoder = found.part("decoder")
    np.testing.assert_array_equal(decoder.states[1], out.decoder_hidden_states[1].flatten(0, 1))
    assert any("NOTE" in token for token in decoder.tokens)
    assert found.lens is not None
    best = out.logits.flatten(0, 1).softmax(-1).topk(10).values
    np.testing.assert_allclose(found.lens.top_probabilities[-1], best, atol=1e-5)
    what = scripts.Asked(model, given, inside.arguments(model, given))
    np.testing.assert_allclose(run(scripts.norms(what, decoder))["norms"], decoder.norms, rtol=1e-4, atol=1e-4)
    answers = run(scripts.lens(what, decoder, 0, found.lens.put))["answers"]
    assert answers.tolist() == found.lens.final_ids.tolist()
