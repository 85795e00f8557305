"""A picture and a sound are looked into as a text is: every state and every map is the library's, each at its place."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from tests import tiny_captions, tiny_eyes, tiny_kinds, tiny_seq2seq, tiny_series, tiny_tasks
from workbench.engine import inside, models
from workbench.engine.codegen import inside as scripts
from workbench.engine.codegen.inside import Asked
from workbench.engine.errors import InputError, NotSupported, OutOfMemory
from workbench.engine.generate.inputs import inputs, prepare_start
from workbench.engine.inside import Given, Inside
from workbench.engine.inside.given import tensors
from workbench.engine.models import LoadedModel
from workbench.engine.task import Cancelled, Silent
from workbench.engine.tasks import raw_inputs
from workbench.engine.values import Checkpoint, TaskInput

Make = Callable[[str], LoadedModel]
VISION = ("image-classification", "object-detection", "panoptic")
PICTURED = ("llava", "qwen2-vl", "trocr", "blip", "blip-2", "git", "pix2struct", "kosmos-2")
HEARING = ("audio-classification", "automatic-speech-recognition", "whisper")
DUAL = "zero-shot-image-classification"


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    folder = tmp_path_factory.mktemp("senses")

    @cache
    def build(kind: str) -> LoadedModel:
        path = folder / kind
        if kind in (*VISION, DUAL):
            made = tiny_tasks.build_tiny_vision(path, kind)
        elif kind in HEARING:
            made = tiny_tasks.build_tiny_audio(path, kind)
        elif kind in ("llava", "qwen2-vl"):
            made = {"llava": tiny_seq2seq.build_tiny_llava, "qwen2-vl": tiny_seq2seq.build_tiny_qwen2_vl}[kind](path)
        else:
            made = (tiny_captions if kind in PICTURED else tiny_eyes).build(path, kind)
        return models.load(made, device="cpu")

    return build


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> TaskInput:
    folder = tmp_path_factory.mktemp("given")
    return TaskInput("a fox", image=tiny_seq2seq.picture(folder, size=(100, 80)), audio=tiny_tasks.sound(folder, 0.3))


def taken(model: LoadedModel, asked: TaskInput) -> Given:
    return inside.take(model, asked)


def whole(model: LoadedModel, given: Given, **wanted: bool) -> Any:
    with torch.inference_mode():
        return model.model(**tensors(model, given), **wanted)


def at(out: Any, pick: str) -> torch.Tensor:
    """What stands in an output where a script would look for it."""
    return eval(pick, {}, dict(out))


def flat(state: torch.Tensor, part: inside.Part) -> np.ndarray:
    """A state of the library's as one vector a position, written out for maps."""
    if state.ndim == 3:
        return state[0].numpy()
    rows, columns = part.grid.rows, part.grid.columns
    if "transpose" in part.layout:
        return np.stack([state[0, :, row, column].numpy() for row in range(rows) for column in range(columns)])
    return np.stack([state[0, row, column].numpy() for row in range(rows) for column in range(columns)])


ALL = (*VISION, *tiny_eyes.FLAT, *tiny_eyes.STAGED, DUAL, *PICTURED, *HEARING)
#: Pix2Struct's are of 2,048 positions, in any case.
ATTENDING = [kind for kind in ALL if kind not in ("convnext", "resnet", "pix2struct")]


@pytest.mark.parametrize("kind", ALL)
def test_every_hidden_state_is_the_library_s(make: Make, asked: TaskInput, kind: str) -> None:
    model = make(kind)
    given = taken(model, asked)
    found = inside.look(model, given)
    out = whole(model, given, output_hidden_states=True)
    for part in found.parts:
        for row, pick in enumerate(part.picks):
            theirs = flat(at(out, pick), part)
            np.testing.assert_array_equal(part.states[row], theirs)
            np.testing.assert_allclose(part.norms[row], np.linalg.norm(theirs, axis=-1), rtol=1e-5)
        assert len(part.tokens) == len(part.ids) == part.norms.shape[1]
    shown = {pick.partition("[")[0] for part in found.parts for pick in part.picks}
    for name in ("hidden_states", "encoder_hidden_states", "decoder_hidden_states"):
        assert (name in shown) == (name in out) or kind == "panoptic", "nothing that was returned is left out"


@pytest.mark.parametrize("kind", ATTENDING)
def test_every_attention_map_is_that_of_a_model_loaded_with_eager_attention(
    make: Make, asked: TaskInput, kind: str
) -> None:
    model = make(kind)
    given = taken(model, asked)
    found = inside.attend(model, given)
    maps_ofof = getattr(transformers, model.head)
    eager = maps_ofof.from_pretrained(model.checkpoint.path, attn_implementation="eager", dtype=torch.float32)
    out = whole(replace(model, model=eager.eval()), given, output_attentions=True)
    for each in found.kinds:
        for pick, maps in zip(each.picks, each.maps, strict=True):
            np.testing.assert_allclose(maps, at(out, pick).numpy(), rtol=1e-4, atol=1e-6)
            assert np.shape(maps)[1:] == (len(each.tokens), len(each.others))


@pytest.mark.parametrize("kind", ["convnext", "resnet"])
def test_layers_without_attention_say_so(make: Make, asked: TaskInput, kind: str) -> None:
    model = make(kind)
    with pytest.raises(NotSupported, match="not made of attention"):
        inside.attend(model, taken(model, asked))


# Where the patches are.


@pytest.mark.parametrize("kind", ["image-classification", *tiny_eyes.FLAT, "swin", "pvt", "convnext", "sam", "detr"])
def test_a_patch_is_where_its_pixels_are(make: Make, asked: TaskInput, kind: str) -> None:
    """The pixels of one patch alone are changed: the first states differ at the position that is named so."""
    model = make(kind)
    given = taken(model, asked)
    part = inside.look(model, given).parts[0]
    grid = part.grid
    assert grid is not None
    row, column = grid.rows // 2, grid.columns - 1
    pixels = given.made["pixel_values"].clone()
    down, across = pixels.shape[2] // grid.rows, pixels.shape[3] // grid.columns
    pixels[:, :, row * down : (row + 1) * down, column * across : (column + 1) * across] += 3.0
    clean, changed = (
        whole(model, Given((), made={**given.made, "pixel_values": values}), output_hidden_states=True)
        for values in (given.made["pixel_values"], pixels)
    )
    moved = np.abs(flat(at(clean, part.picks[0]), part) - flat(at(changed, part.picks[0]), part)).max(-1)
    assert part.tokens[moved.argmax()] == f"({row},{column})"
    assert grid.place(int(moved.argmax())) == (row, column)


def test_patches_that_are_in_another_order_have_no_place(make: Make, asked: TaskInput) -> None:
    part = inside.look(make("hiera"), taken(make("hiera"), asked)).parts[0]
    assert part.grid is None
    assert part.tokens[:2] == ("0", "1")


@pytest.mark.parametrize("kind", ["llava", "qwen2-vl", "pix2struct", "git"])
def test_a_token_of_a_picture_is_where_its_pixels_are(make: Make, tmp_path: Path, kind: str) -> None:
    """One part of the picture is painted over: the first states differ most at the position that is named so."""
    model = make(kind)
    path = tmp_path / "plain.png"
    shades = np.full((56, 84, 3), 90, np.uint8)

    def states() -> inside.Part:
        Image.fromarray(shades).save(path)
        return inside.look(model, inside.take(model, TaskInput("a fox", image=path))).parts[0]

    before = states()
    grid = before.grid
    assert grid is not None
    row, column = grid.rows - 1, grid.columns // 2
    down, across = 56 / grid.rows, 84 / grid.columns
    shades[int(row * down) : int((row + 1) * down), int(column * across) : int((column + 1) * across)] = 255
    moved = np.abs(states().states[0] - before.states[0]).max(-1)
    assert grid.place(int(moved.argmax())) == (row, column)


@pytest.mark.parametrize("kind", ["blip-2", "kosmos-2"])
def test_what_asks_the_picture_stands_nowhere_in_it(make: Make, asked: TaskInput, kind: str) -> None:
    part = inside.look(make(kind), taken(make(kind), asked)).parts[0]
    assert part.grid is None
    assert "▦0" in part.tokens


def test_what_stands_beside_the_patches_is_named(make: Make, asked: TaskInput) -> None:
    def tokens(kind: str) -> tuple[str, ...]:
        return inside.look(make(kind), taken(make(kind), asked)).parts[-1].tokens

    assert tokens("image-classification")[:2] == ("[CLS]", "(0,0)")
    assert tokens("deit")[:3] == ("[CLS]", "[DIST]", "(0,0)")
    assert tokens("dinov3")[:6] == ("[CLS]", "[REG 0]", "[REG 1]", "[REG 2]", "[REG 3]", "(0,0)")
    assert tokens("siglip")[0] == "(0,0)"
    assert tokens("object-detection")[-6:] == tuple(f"[DET {number}]" for number in range(6))
    assert tokens("detr") == tuple(f"query {number}" for number in range(9))
    assert tokens("llava")[:5] == ("▦(0,0)", "▦(0,1)", "▦(1,0)", "▦(1,1)", "\n")
    # GIT has the picture in front of the text, in states that its tokenizer knows nothing of.
    assert tokens("git")[:2] == ("[CLS]", "(0,0)")
    assert tokens("git")[-1] == "[SEP]"
    assert tokens("automatic-speech-recognition")[:3] == ("0.00s", "0.02s", "0.04s")


def test_the_picture_is_shown_as_the_processor_made_it(make: Make, asked: TaskInput) -> None:
    given = taken(make("image-classification"), asked)
    assert given.sight is not None
    small = Image.open(asked.image).convert("RGB").resize((32, 32), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(given.sight.pixels.astype(int), np.asarray(small).astype(int), atol=1)
    # One that was cut into strips is shown as it was given.
    strips = taken(make("pix2struct"), asked).sight
    assert strips is not None
    assert strips.pixels.shape == (80, 100, 3)
    assert strips.merged is not None


# The lens.


@pytest.mark.parametrize(
    "kind", ["detr", "llava", "qwen2-vl", "trocr", "blip-2", "kosmos-2", "automatic-speech-recognition", "whisper"]
)
def test_the_last_row_of_the_lens_is_what_the_model_answers(make: Make, asked: TaskInput, kind: str) -> None:
    model = make(kind)
    given = taken(model, asked)
    seen = inside.look(model, given).lens
    assert seen is not None
    logits = whole(model, given).logits[0].float()
    best = logits.softmax(-1).topk(seen.top_ids.shape[-1])
    np.testing.assert_allclose(seen.top_probabilities[-1], best.values.numpy(), rtol=1e-4, atol=1e-6)
    assert np.array_equal(seen.final_ids, logits.argmax(-1).numpy())
    if kind == "detr":
        assert seen.labels[-1] == "nothing"


@pytest.mark.parametrize("kind", ["llava", "automatic-speech-recognition", "whisper", "detr"])
def test_the_other_rows_are_said_when_the_last_layer_returns_that_state(
    make: Make, asked: TaskInput, kind: str
) -> None:
    model = make(kind)
    given = taken(model, asked)
    found = inside.look(model, given)
    part, seen = found.parts[-1], found.lens
    assert seen is not None
    layers = model.model.get_submodule(part.path)
    state = torch.from_numpy(part.states[1])[None]
    hook = layers[-1].register_forward_hook(
        lambda module, args, out: (state, *out[1:]) if isinstance(out, tuple) else state
    )
    logits = whole(model, given).logits[0]
    hook.remove()
    np.testing.assert_allclose(
        seen.top_probabilities[1], logits.softmax(-1).topk(seen.top_ids.shape[-1]).values.numpy(), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("image-classification", "one answer for the whole input"),
        ("object-detection", r"of shape \(1, 6, 5\) and not one for each position"),
        ("dinov2", "no words or labels by position"),
        ("segformer", "not one for each position"),
        ("blip", "the part that sees"),
        ("audio-classification", "one answer for the whole input"),
        (DUAL, "no words or labels by position"),
    ],
)
def test_without_a_lens_the_reason_is_said(make: Make, asked: TaskInput, kind: str, reason: str) -> None:
    import re

    found = inside.look(make(kind), taken(make(kind), asked))
    assert found.lens is None
    assert re.search(reason, found.why_no_lens)


# Vectors of what are no tokens.


def test_patches_are_compared_with_one_another(make: Make, asked: TaskInput) -> None:
    model = make("dinov2")
    part = inside.look(model, taken(model, asked)).parts[0]
    vectors = inside.vectors(model, part, 2)
    cosines = torch.nn.functional.cosine_similarity(torch.from_numpy(vectors), torch.from_numpy(vectors[4])[None])
    np.testing.assert_array_equal(inside.similarities(vectors, 4), cosines.numpy())
    near = inside.alike(part, vectors, 4, count=3)
    assert near[0].id == 4
    assert [each.cosine for each in near] == pytest.approx(sorted(cosines.tolist(), reverse=True)[:3])
    with pytest.raises(NotSupported, match="no tokens"):
        inside.vectors(model, part, inside.EMBEDDING)


# What goes in.


def test_what_playground_wrote_about_a_picture_is_looked_at(make: Make, asked: TaskInput) -> None:
    for kind in ("llava", "trocr"):
        model = make(kind)
        start = prepare_start(model, asked.text, images=(asked.image,))
        given = inside.follow(model, start, (30, 31, 32))
        found = inside.look(model, given)
        assert found.parts[-1].ids[-3:] == (30, 31, 32)
        kwargs = inputs(model, start, (30, 31, 32)).kwargs
        with torch.inference_mode():
            out = model.model(**kwargs, output_hidden_states=True)
        theirs = out.get("decoder_hidden_states") or out.hidden_states
        np.testing.assert_array_equal(found.parts[-1].states[-1], theirs[-1][0].numpy())
        # Half a picture means nothing: only what was written is cut.
        cut = inside.follow(model, start, (30, 31, 32), most=1)
        assert (cut.written, cut.cut) == ((30,), 2)
        assert len(inside.look(model, cut).parts[-1].ids) == len(found.parts[-1].ids) - 2


@pytest.mark.parametrize(
    ("kind", "reads", "first"),
    [
        ("video-classification", ("video",), "0·(0,0)"),
        ("any-to-any", ("text", "audio"), "<|audio_bos|>"),
        ("patchtst", ("text",), "(0,0)"),
    ],
)
def test_what_a_task_prepares_is_looked_into(
    asked: TaskInput, tmp_path: Path, kind: str, reads: tuple[str, ...], first: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = models.load((tiny_series if kind == "patchtst" else tiny_kinds).build(tmp_path / kind, kind), device="cpu")
    assert inside.reads(model) == reads
    text = raw_inputs.example(model) if kind == "patchtst" else asked.text
    film = tiny_kinds.film(tmp_path, name="film.gif")
    given = inside.take(model, TaskInput(text, image=asked.image, audio=asked.audio, video=film))
    assert (given.image, given.video) == (None, film if reads == ("video",) else None), (
        "what is not read is passed over"
    )
    found = inside.look(model, given)
    out = whole(model, given, output_hidden_states=True)
    part = found.parts[0]
    assert part.tokens[0] == first
    for row, pick in enumerate(part.picks):
        np.testing.assert_array_equal(part.states[row], at(out, pick).flatten(0, -2).numpy())
    what = Asked(model, given, inside.arguments(model, given))
    np.testing.assert_allclose(run(scripts.norms(what, part))["norms"].numpy(), part.norms, rtol=1e-5)
    maps_of = inside.attend(model, given).kinds[0]
    weights = run(scripts.attention(what, maps_of.picks[0], 1, 0))["weights"]
    np.testing.assert_allclose(weights.numpy(), maps_of.maps[0][1, 0], rtol=1e-4, atol=1e-6)
    if found.lens is not None:
        assert "♪1" in part.tokens
        ranks = run(scripts.lens(what, part, 0))["ranks"]
        np.testing.assert_array_equal(ranks.numpy(), found.lens.final_ranks)
    run(scripts.embeddings(what, part, len(part.rows) - 1, 0, 3, "pca"))
    assert capsys.readouterr().out


def test_a_model_that_returns_no_states_is_watched_at_its_layers(
    asked: TaskInput, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = transformers.EncodecConfig(
        num_filters=4, hidden_size=16, upsampling_ratios=[4, 2], codebook_size=16, sampling_rate=16_000
    )
    transformers.EncodecModel(config).save_pretrained(tmp_path)
    transformers.EncodecFeatureExtractor(sampling_rate=16_000).save_pretrained(tmp_path)
    model = models.load(Checkpoint("tiny-encodec", tmp_path), device="cpu")
    given = taken(model, asked)
    found = inside.look(model, given)
    layers = model.model.get_submodule(found.parts[0].path)
    seen: list[torch.Tensor] = []
    hooks = [layer.register_forward_hook(lambda module, args, out: seen.append(out)) for layer in layers]
    whole(model, given)
    for hook in hooks:
        hook.remove()
    states = [state for part in found.parts for state in part.states]
    for ours, theirs in zip(states, seen, strict=True):
        np.testing.assert_array_equal(ours, theirs[0].T.numpy())
    assert [row for part in found.parts for row in part.rows] == [f"layer {each + 1}" for each in range(len(seen))]
    what = Asked(model, given, inside.arguments(model, given))
    for part in found.parts:
        np.testing.assert_allclose(run(scripts.norms(what, part))["norms"].numpy(), part.norms, rtol=1e-5)
    with pytest.raises(NotSupported, match="no attention"):
        inside.attend(model, given)
    assert capsys.readouterr().out


def test_what_a_masked_model_hides_is_the_same_each_time(asked: TaskInput, tmp_path: Path) -> None:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    draws = {f"decoder_{name}": 16 if "size" in name else 1 for name in sizes}
    config = transformers.ViTMAEConfig(**sizes, **draws, image_size=32, patch_size=8)
    transformers.ViTMAEForPreTraining(config).save_pretrained(tmp_path)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    model = models.load(Checkpoint("tiny-mae", tmp_path), device="cpu")
    given = taken(model, asked)
    first, second = (inside.look(model, given).parts[0] for _ in range(2))
    np.testing.assert_array_equal(first.states[2], second.states[2])
    assert first.grid is None, "they are some of the patches, drawn in any order"
    names = run(scripts.norms(Asked(model, given, inside.arguments(model, given)), first))
    np.testing.assert_allclose(names["norms"].numpy(), first.norms, rtol=1e-5)


def test_each_model_is_given_what_it_reads(make: Make, llama: LoadedModel) -> None:
    reads = {kind: inside.reads(make(kind)) for kind in ("dinov2", DUAL, "llava", "trocr", "whisper", *HEARING[:2])}
    assert reads == {
        "dinov2": ("image",),
        DUAL: ("text", "image"),
        "llava": ("text", "image"),
        "trocr": ("image", "text"),
        "whisper": ("audio", "text"),
        "audio-classification": ("audio",),
        "automatic-speech-recognition": ("audio",),
    }
    assert inside.reads(llama) == ("text",)


def test_a_model_that_sees_alone_lacks_no_tokenizer(make: Make) -> None:
    for kind in ("image-classification", "object-detection", "audio-classification"):
        assert make(kind).tokenizer is None
        assert not [note for note in make(kind).notes if "tokenizer" in note]


def test_a_pictured_model_reads_a_text_alone_too(make: Make) -> None:
    given = inside.take(make("llava"), TaskInput("a fox"))
    assert given.sight is None
    assert inside.look(make("llava"), given).lens is not None


@pytest.mark.parametrize(("kind", "missing"), [("dinov2", "picture"), ("trocr", "picture"), ("whisper", "sound")])
def test_without_what_it_needs_nothing_is_done(make: Make, kind: str, missing: str) -> None:
    with pytest.raises(InputError, match=missing):
        inside.take(make(kind), TaskInput("a fox"))


def test_a_file_that_is_no_picture_is_told_of(make: Make, tmp_path: Path) -> None:
    (tmp_path / "torn.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"torn\.png"):
        inside.take(make("dinov2"), TaskInput(image=tmp_path / "torn.png"))


class Impatient(Silent):
    """A person who stops after some layers."""

    def __init__(self, patience: int) -> None:
        self.left = patience

    def check(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled


@pytest.mark.parametrize("kind", ["image-classification", "llava", "whisper"])
def test_a_stop_leaves_the_model_as_it_was(make: Make, asked: TaskInput, kind: str) -> None:
    model = make(kind)
    given = taken(model, asked)
    before = whole(model, given).logits
    for patience in (0, 1):
        with pytest.raises(Cancelled):
            inside.look(model, given, task=Impatient(patience))
    with pytest.raises(Cancelled):
        inside.attend(model, given, task=Impatient(1))
    assert not any("forward" in module.__dict__ for module in model.model.modules())
    assert torch.equal(whole(model, given).logits, before)


def test_no_room_is_said_before_the_pass(make: Make, asked: TaskInput, monkeypatch: pytest.MonkeyPatch) -> None:
    given = taken(make("whisper"), asked)
    monkeypatch.setattr(inside.given, "free", lambda device: 100_000)
    with pytest.raises(OutOfMemory, match="no room"):
        inside.attend(make("whisper"), given)


# The scripts.


def run(source: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, "script.py", "exec"), names)
    return names


#: Not Qwen2-VL's, whose processor the library alone reads with torchvision only.
CODED = (
    "image-classification",
    "swin",
    "convnext",
    "sam",
    "detr",
    DUAL,
    "llava",
    "trocr",
    "blip",
    "whisper",
    *HEARING[:2],
)


@pytest.mark.parametrize("kind", CODED)
def test_the_scripts_give_the_same_numbers(
    make: Make, asked: TaskInput, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make(kind)
    given = taken(model, asked)
    what = Asked(model, given, inside.arguments(model, given))
    found: Inside = inside.look(model, given)
    for part in found.parts:
        np.testing.assert_allclose(run(scripts.norms(what, part))["norms"].numpy(), part.norms, rtol=1e-5)
    if kind != "convnext":
        each = inside.attend(model, given).kinds[-1]
        weights = run(scripts.attention(what, each.picks[0], 1 if len(each.maps[0]) > 1 else 0, 0))["weights"]
        np.testing.assert_allclose(
            weights.numpy(), each.maps[0][min(1, len(each.maps[0]) - 1), 0], rtol=1e-4, atol=1e-6
        )
    if found.lens is not None:
        part = found.part(found.lens.part)
        names = run(scripts.lens(what, part, 0))
        np.testing.assert_array_equal(names["ranks"].numpy(), found.lens.final_ranks)
    part = found.parts[-1]
    place = min(1, len(part.tokens) - 1)
    last = len(part.rows) - 1
    names = run(scripts.embeddings(what, part, last, place, 3, "pca"))
    if max(part.ids) < 0:
        near = inside.alike(part, part.states[-1], place, count=3)
        assert names["best"].values.tolist() == pytest.approx([each.cosine for each in near], rel=1e-4)
    assert capsys.readouterr().out


def test_the_scripts_are_laid_out_as_ruff_does_and_trust_nothing(make: Make, asked: TaskInput, tmp_path: Path) -> None:
    for kind in ("image-classification", "swin", "sam", DUAL, "llava", "trocr", "blip", "pix2struct", "whisper"):
        model = make(kind)
        given = taken(model, asked)
        if kind in ("llava", "trocr"):
            given = inside.follow(model, prepare_start(model, asked.text, images=(asked.image,)), range(30, 80))
        what = Asked(model, given, inside.arguments(model, given))
        found = inside.look(model, given)
        part = found.parts[-1]
        sources = [scripts.norms(what, found.parts[0]), scripts.attention(what, "attentions[0][0]", None, 1)]
        sources += [scripts.embeddings(what, part, 0, 1, 20, how) for how in ("pca", "t-sne")]
        sources += [scripts.lens(what, part, 1)] if found.lens is not None else []
        for number, source in enumerate(sources):
            assert "trust_remote_code=False" in source
            (tmp_path / f"{kind}_{number}.py".replace("-", "_")).write_text(source, "utf-8", newline="\n")
    for options in (["format", "--diff"], ["check", "--select=F,I,B,UP", "--ignore=B905"]):
        ruff = [sys.executable, "-m", "ruff", *options, "--isolated", "--line-length=120", "--quiet", str(tmp_path)]
        ran = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout[:3000]
