"""Parts of larger models run on weights and a config alone: ids are typed, pictures and sounds prepared by default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from tests import tiny_seq2seq, tiny_tasks
from workbench.engine import codegen, inside, tasks
from workbench.engine.codegen import inside as looked
from workbench.engine.errors import InputError
from workbench.engine.models import LoadedModel, load
from workbench.engine.processors import stands_in, typed
from workbench.engine.values import Checkpoint, TaskInput

RAW = "raw-outputs"
_SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
_ROPE = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [1, 1, 2]}

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "text": ("Qwen2VLTextModel", {**_SIZES, "num_key_value_heads": 2, "vocab_size": 40, "rope_parameters": _ROPE}),
    "encoder": (
        "T5EncoderModel",
        {"d_model": 16, "d_kv": 8, "num_heads": 2, "num_layers": 2, "d_ff": 16, "vocab_size": 40},
    ),
    "dpr": ("DPRQuestionEncoder", {**_SIZES, "vocab_size": 40, "max_position_embeddings": 32}),
    "siglip": ("SiglipVisionModel", {**_SIZES, "image_size": 32, "patch_size": 8}),
    "clip": ("CLIPVisionModel", {**_SIZES, "image_size": 32, "patch_size": 8}),
    "idefics3": ("Idefics3VisionTransformer", {**_SIZES, "image_size": 32, "patch_size": 8}),
    "qwen": (
        "Qwen2_5_VisionTransformerPretrainedModel",
        {"hidden_size": 16, "depth": 2, "num_heads": 2, "intermediate_size": 16, "out_hidden_size": 16,
         "fullatt_block_indexes": [1]},
    ),
    "sounds": (
        "Qwen2AudioEncoder",
        {"d_model": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 16, "num_mel_bins": 40},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Callable[[str], LoadedModel]:
    """A part by its kind, loaded from a folder of weights and config alone."""
    kept: dict[str, LoadedModel] = {}

    def made(kind: str) -> LoadedModel:
        if kind not in kept:
            name, sizes = KINDS[kind]
            built: Any = getattr(transformers, name)
            torch.manual_seed(0)
            folder = tmp_path_factory.mktemp(kind)
            built(built.config_class(**sizes)).save_pretrained(folder)
            kept[kind] = load(Checkpoint(f"tiny-{kind}", folder), device="cpu")
        return kept[kind]

    return made


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return tiny_seq2seq.picture(tmp_path, size=(97, 61))


def shown(model: LoadedModel, given: TaskInput, name: str = RAW) -> dict[str, np.ndarray]:
    """The outputs; those of the script are the same, and Inside's norms those of its own script."""
    result = tasks.run(model, name, given)
    found = {view.name: view.values for view in result.stages[1].tensors}
    names = executed(codegen.task(model.checkpoint, name, given, tasks.defaults(name), model.dtype, "cpu", model.head))
    if name == RAW:
        assert set(names["result"]) == set(found)
        for each, values in found.items():
            np.testing.assert_allclose(names["result"][each].float().numpy(), values, atol=1e-5)
    given_inside = inside.take(model, given)
    look = inside.look(model, given_inside)
    asked = looked.Asked(model, given_inside, inside.arguments(model, given_inside))
    norms = executed(looked.norms(asked, look.parts[0]))["norms"].numpy()
    np.testing.assert_allclose(norms, look.parts[0].norms, rtol=1e-3, atol=1e-5)
    return found


def executed(source: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(source, names)
    return names


def opened(picture: Path) -> Image.Image:
    with Image.open(picture) as image:
        return image.convert("RGB")


@pytest.mark.parametrize("kind", ["text", "dpr", "encoder"])
def test_a_part_that_reads_is_given_ids_that_are_typed_as_numbers(bare, kind, capsys) -> None:
    model = bare(kind)
    assert model.notes == (
        "The folder has no tokenizer: text can't be turned into ids for it; they are typed as numbers instead, such as "
        "“0 12 5”.",
    )
    assert tasks.infer(model.facts) == RAW
    found = shown(model, TaskInput("0 12 5\n39"))
    with torch.inference_mode():
        ids = torch.tensor([[0, 12, 5, 39]])
        expected = model.model(input_ids=ids, attention_mask=torch.ones_like(ids))
    np.testing.assert_allclose(next(iter(found.values())), expected[0], atol=1e-6)
    example = tasks.example(RAW, model)
    assert example.text == "3 4 5 6 7 8 9 10" and example.image is None
    assert inside.example(model).text == example.text
    assert capsys.readouterr().out


@pytest.mark.parametrize("text", ["the fox", "40", "1, 2", "-1", "007"])
def test_what_is_no_id_is_refused_in_words(bare, text) -> None:
    with pytest.raises(InputError, match=r"number from 0 to 39.*Write such as “0 12 5”"):
        tasks.run(bare("text"), RAW, TaskInput(text))
    with pytest.raises(InputError, match="number from 0 to 39"):
        inside.take(bare("text"), TaskInput(text))


def test_typed_ids_become_a_vector_but_no_batch_for_want_of_what_fills_it_up(bare) -> None:
    model = bare("text")
    vectors = tasks.run(model, "feature-extraction", TaskInput("1 2 3")).items
    with torch.inference_mode():
        expected = model.model(input_ids=torch.tensor([[1, 2, 3]]))[0].mean(dim=1)
    np.testing.assert_allclose(vectors, torch.nn.functional.normalize(expected, dim=-1), atol=1e-5)
    with pytest.raises(InputError, match="can't be padded"):
        tasks.run(model, "feature-extraction", TaskInput("1 2 3\n4"))


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("siglip", {"size": {"height": 32, "width": 32}}),
        ("clip", {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}),
    ],
)
def test_a_part_that_sees_is_shown_pictures_as_its_family_is(bare, picture, kind, settings, capsys) -> None:
    model = bare(kind)
    prepares = {"siglip": "SiglipImageProcessorPil", "clip": "CLIPImageProcessorPil"}[kind]
    (note,) = model.notes
    assert note.startswith(f"The folder does not say how pictures are prepared: {prepares} does it by default (size 32")
    assert tasks.infer(model.facts) == "image-feature-extraction"
    found = shown(model, TaskInput(image=picture), "image-feature-extraction")
    reader = getattr(transformers, prepares)(**settings)
    with torch.inference_mode():
        expected = model.model(**reader(opened(picture), return_tensors="pt"))
    np.testing.assert_allclose(found["last_hidden_state"], expected.last_hidden_state, atol=1e-5)
    assert capsys.readouterr().out


def test_a_part_that_sees_pieces_is_shown_the_picture_whole(bare, picture, capsys) -> None:
    # Idefics 3 cuts a picture, and puts the pieces together outside of its encoder.
    found = shown(bare("idefics3"), TaskInput(image=picture), "image-feature-extraction")
    assert found["last_hidden_state"].shape == (1, 16, 16)
    assert capsys.readouterr().out


def test_a_part_that_is_told_how_a_picture_was_cut_runs_and_is_looked_into(bare, picture, capsys) -> None:
    model = bare("qwen")
    found = shown(model, TaskInput(image=picture))
    made = transformers.Qwen2VLImageProcessorPil()(opened(picture), return_tensors="pt")
    with torch.inference_mode():
        expected = model.model(made["pixel_values"], grid_thw=made["image_grid_thw"])
    np.testing.assert_allclose(found["last_hidden_state"], expected.last_hidden_state, atol=1e-5)
    assert tasks.example(RAW, model).image is not None and capsys.readouterr().out


def test_a_part_that_hears_is_given_sounds_as_its_family_is(bare, tmp_path, capsys) -> None:
    model, sound = bare("sounds"), tiny_tasks.sound(tmp_path)
    assert "WhisperFeatureExtractor does it by default (feature_size 40)" in model.notes[0]
    found = shown(model, TaskInput(audio=sound))
    stages = tasks.run(model, RAW, TaskInput(audio=sound)).stages
    heard = {view.name: view.values for view in stages[0].tensors}
    extractor = transformers.WhisperFeatureExtractor(feature_size=40)
    samples = extractor(heard["samples"][0], sampling_rate=16_000, return_tensors="pt")
    np.testing.assert_allclose(heard["input_features"], samples["input_features"], atol=1e-5)
    with torch.inference_mode():
        expected = model.model(samples["input_features"]).last_hidden_state
    np.testing.assert_allclose(found["last_hidden_state"], expected, atol=1e-5)
    assert capsys.readouterr().out


def test_what_has_no_family_is_brought_to_its_size_and_to_numbers_from_0_to_1(tmp_path) -> None:
    transformers.RadioConfig(image_size=32).save_pretrained(tmp_path)
    settings = {"do_normalize": False, "size": {"height": 32, "width": 32}}
    assert stands_in(tmp_path, "AutoModel", "image_processor") == ("ViTImageProcessorPil", settings)
    assert stands_in(tmp_path, "AutoModel", "feature_extractor") is None


def test_nothing_stands_in_for_what_a_model_with_a_head_lacks(bare) -> None:
    folder = bare("siglip").checkpoint.path
    assert stands_in(folder, "AutoModelForImageClassification", "image_processor") is None
    assert typed(bare("text").checkpoint.path, "AutoModelForCausalLM") == 0
    (folder / "preprocessor_config.json").write_text("{}")
    assert stands_in(folder, "AutoModel", "image_processor") is None


def test_a_part_that_reads_what_another_writes_is_given_it_in_a_file(tmp_path, capsys) -> None:
    config = transformers.VibeVoiceAcousticTokenizerDecoderConfig(
        hidden_size=8, num_filters=4, depths=[1, 1], downsampling_ratios=[2], ffn_expansion=1
    )
    torch.manual_seed(0)
    transformers.AutoModel.from_config(config).save_pretrained(tmp_path / "part")
    model = load(Checkpoint("tiny-decoder", tmp_path / "part"), device="cpu")
    assert tasks.spec(RAW, model).takes == ("beside",)
    assert np.load(tasks.example(RAW, model).beside)["hidden_states"].shape == (1, 8, 6)
    with pytest.raises(InputError, match="reads what another part writes: hidden_states"):
        tasks.run(model, RAW, TaskInput())
    drawn = np.random.default_rng(0).normal(size=(1, 8, 5)).astype("float32")
    np.savez(tmp_path / "latents.npz", hidden_states=drawn)
    found = shown(model, TaskInput(beside=tmp_path / "latents.npz"))
    with torch.inference_mode():
        expected = model.model(torch.from_numpy(drawn))
    np.testing.assert_allclose(next(iter(found.values())), expected[0], atol=1e-5)
    np.savez(tmp_path / "other.npz", words=drawn)
    for file, why in (
        ("other.npz", "It holds words, and the model reads hidden_states"),
        ("gone.npz", "can't be read"),
    ):
        with pytest.raises(InputError, match=why):
            tasks.run(model, RAW, TaskInput(beside=tmp_path / file))
    assert capsys.readouterr().out


def test_a_body_reads_picture_and_text_together(tmp_path, picture, capsys) -> None:
    model = load(tiny_seq2seq.build_tiny_llava(tmp_path / "llava", chat=False), head="AutoModel", device="cpu")
    given = TaskInput("What is it?", image=picture)
    found = shown(model, given)
    made = model.processor(text="<image>What is it?", images=opened(picture), return_tensors="pt")
    with torch.inference_mode():
        expected = model.model(**made)
    np.testing.assert_allclose(found["last_hidden_state"], expected.last_hidden_state, atol=1e-5)
    alone = tasks.run(model, RAW, replace(given, image=None)).stages[0].tensors[0].shape
    assert alone[1] == made["input_ids"].shape[1] - 4
    assert capsys.readouterr().out
