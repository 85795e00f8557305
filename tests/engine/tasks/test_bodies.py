"""Models loaded without the head they were trained with, or saved without what prepares their inputs."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests import tiny_films, tiny_hearing, tiny_kinds, tiny_pictured, tiny_seq2seq, tiny_tasks
from tests.census import building, kinds
from tests.engine.tasks.test_raw_beside import looked_at
from tests.engine.tasks.test_raw_inputs import RAW, SIZES, shown
from tests.tiny_tasks import _save
from workbench.engine import codegen, inside, tasks
from workbench.engine.errors import InputError
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks import processors
from workbench.engine.values import Checkpoint, TaskInput, TaskOptions


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return tiny_seq2seq.picture(tmp_path, size=(97, 61))


def compared(model: LoadedModel, given: TaskInput) -> dict[str, torch.Tensor]:
    """What raw outputs show, after the script of Show code was seen to give the same."""
    result = tasks.run(model, RAW, given, TaskOptions())
    found = {view.name: torch.from_numpy(view.values) for view in result.stages[1].tensors}
    names: dict = {"__name__": "__main__"}
    exec(codegen.task(model.checkpoint, RAW, given, TaskOptions(), model.dtype, model.device, model.head), names)
    assert list(names["result"]) == list(found)
    for name, tensor in names["result"].items():
        torch.testing.assert_close(tensor, found[name])
    return found


def test_a_bare_backbone_of_poses_is_shown_the_whole_picture(tmp_path, picture, capsys) -> None:
    import transformers as t

    config = t.VitPoseBackboneConfig(**SIZES, image_size=[32, 24], patch_size=[8, 8], out_indices=[1, 2])
    _save(t.VitPoseBackbone, config, tmp_path / "m")
    model = load(Checkpoint("tiny", tmp_path / "m"), device="cpu")
    assert any("ViTImageProcessorPil" in note and "32 × 24" in note for note in model.notes)
    assert "feature_maps.0" in shown(model, TaskInput(image=picture))
    assert inside.look(model, inside.take(model, TaskInput(image=picture))).parts


def test_oneformer_without_its_head_is_told_what_parts_are_wanted(tmp_path, picture, capsys) -> None:
    from transformers import AutoTokenizer

    checkpoint = tiny_kinds.build(tmp_path / "m", "oneformer")
    model = load(checkpoint, head="AutoModel", device="cpu")
    example = tasks.example(RAW, model)
    assert "text" not in tasks.spec(RAW, model).takes and not example.text and example.image is not None
    found = compared(model, TaskInput(image=picture))
    made = processors.image_processor(model)(images=[Image.open(picture)], return_tensors="pt")
    given = {name: made[name] for name in ("pixel_values", "pixel_mask")}
    words = AutoTokenizer.from_pretrained(checkpoint.path)(
        ["the task is panoptic"], padding="max_length", max_length=32, return_tensors="pt"
    )
    with torch.inference_mode():
        expected = model.model(**given, task_inputs=words["input_ids"])
    torch.testing.assert_close(
        found["transformer_decoder_mask_predictions"], expected.transformer_decoder_mask_predictions
    )


def test_a_transducer_without_its_head_begins_with_its_blank(tmp_path, capsys) -> None:
    import soundfile
    from transformers import AutoFeatureExtractor

    checkpoint = tiny_kinds.build(tmp_path / "m", "transducer")
    sound = tiny_tasks.sound(tmp_path)
    model = load(checkpoint, head="AutoModel", device="cpu")
    found = compared(model, TaskInput(audio=sound))
    samples, rate = soundfile.read(sound, dtype="float32")
    extractor = AutoFeatureExtractor.from_pretrained(checkpoint.path)
    given = extractor(samples, sampling_rate=rate, return_tensors="pt")
    with torch.inference_mode():
        expected = model.model(**given, decoder_input_ids=torch.tensor([[29]]))
    torch.testing.assert_close(found["logits"], expected.logits)
    # A folder of weights alone: its encoder's config says how many bands a spectrogram has.
    for file in checkpoint.path.iterdir():
        if file.name not in ("config.json", "model.safetensors"):
            file.unlink()
    bare = load(checkpoint, head="AutoModel", device="cpu")
    assert any("feature_size 16" in note for note in bare.notes)
    torch.testing.assert_close(compared(bare, TaskInput(audio=sound))["logits"], found["logits"])


@pytest.mark.parametrize("kind", ["kyutai", "perceiver"])
def test_a_body_that_reads_what_another_part_writes_is_given_a_file(tmp_path, capsys, kind) -> None:
    import transformers as t

    file, draw = tmp_path / "written.npz", np.random.default_rng(0)
    if kind == "kyutai":
        checkpoint = tiny_hearing.build(tmp_path / "m", kind)
        np.savez(file, input_ids=draw.integers(0, 32, (1, 6, 4)))
    else:
        config = t.PerceiverConfig(
            d_model=8, d_latents=16, num_latents=4, num_self_attends_per_block=1, num_self_attention_heads=2,
            num_cross_attention_heads=2, num_blocks=1,
        )  # fmt: skip
        _save(t.PerceiverModel, config, tmp_path / "m")
        checkpoint = Checkpoint("tiny", tmp_path / "m")
        np.savez(file, inputs=draw.random((1, 6, 8), dtype=np.float32))
    model = load(checkpoint, head="AutoModel", device="cpu")
    assert tasks.spec(RAW, model).takes == inside.reads(model) == ("beside",)
    assert tasks.example(RAW, model) == inside.example(model)
    assert [spec.name for spec in tasks.SPECS if tasks.supports(model, spec.name)] == [RAW] == [tasks.first(model)]
    with pytest.raises(InputError, match="shape") as caught:
        tasks.run(model, RAW, TaskInput())
    assert ("4)" if kind == "kyutai" else "8)") in caught.value.remedy
    found = compared(model, TaskInput(beside=file))
    with torch.inference_mode():
        expected = model.model(**{name: torch.from_numpy(each) for name, each in np.load(file).items()})
    torch.testing.assert_close(found["last_hidden_state"], expected.last_hidden_state)
    looked_at(model, TaskInput(beside=file))


def test_the_example_of_a_model_that_does_not_hear_has_no_sound(tmp_path, capsys) -> None:
    model = load(tiny_pictured.build(tmp_path / "m", "gemma4"), head="AutoModelForMultimodalLM", device="cpu")
    for name in ("any-to-any", RAW):
        example = tasks.example(name, model)
        assert "audio" not in tasks.spec(name, model).takes and example.audio is None
    assert inside.example(model).audio is None


def test_the_example_of_an_aligner_is_aligned(tmp_path) -> None:
    model = load(tiny_hearing.build(tmp_path / "m", "aligner"), device="cpu")
    name = tasks.infer(model.facts)
    example = tasks.example(name, model)
    words = tasks.run(model, name, example).items[1:]
    assert [word.text for word in words] == example.text.rstrip(".").split()
    assert inside.look(model, inside.take(model, inside.example(model))).parts


def test_a_part_with_names_of_its_own_makes_a_vector_of_a_picture(tmp_path, picture, capsys) -> None:
    import transformers as t

    _save(t.VideoLlama3VisionModel, t.VideoLlama3VisionConfig(**SIZES, patch_size=14), tmp_path / "m")
    model = load(Checkpoint("tiny", tmp_path / "m"), device="cpu")
    name, given = "image-feature-extraction", TaskInput(image=picture)
    assert tasks.supports(model, name)
    (vector,) = tasks.run(model, name, given).items
    names: dict = {"__name__": "__main__"}
    exec(
        codegen.task(model.checkpoint, name, given, tasks.defaults(name), model.dtype, model.device, model.head), names
    )
    torch.testing.assert_close(torch.tensor([vector]), names["embeddings"])
    assert capsys.readouterr().out


def test_a_part_that_is_saved_alone_is_told_how_many_patches_a_picture_has(tmp_path, picture, capsys) -> None:
    entry = next(each for each in kinds.entries() if each.kind == "minicpmv4_7_vision")
    checkpoint, _ = building.build(entry, tmp_path / "m")
    model = load(checkpoint, device="cpu")
    found = compared(model, TaskInput(image=picture))
    made = processors.image_processor(model)(images=[Image.open(picture)], return_tensors="pt")
    with torch.inference_mode():
        expected = model.model(pixel_values=made["pixel_values"], target_sizes=made["target_sizes"])
    torch.testing.assert_close(found["last_hidden_state"], expected.last_hidden_state)
    looked_at(model, TaskInput(image=picture))


def test_of_what_follows_things_through_a_film_what_sees_a_frame_is_looked_into(tmp_path) -> None:
    model = load(tiny_films.build(tmp_path / "m", "sam2-video"), head="AutoModel", device="cpu")
    assert tasks.supports(model, "video-object-tracking")
    assert inside.reads(model) == ("image",) and not inside.refusal(model)
    assert inside.composed(model) and inside.submodels(model)[0] == "vision_encoder"
    assert not tasks.supports(model, "image-feature-extraction")


def test_no_vectors_of_texts_are_offered_where_none_is_read(tmp_path) -> None:
    model = load(tiny_tasks.build_tiny_vision(tmp_path / "m", "image-feature-extraction"), device="cpu")
    assert tasks.supports(model, "image-feature-extraction") and not tasks.supports(model, "feature-extraction")


@pytest.mark.parametrize(("parts", "expected"), [("video_processor", True), ("video_processor image_processor", False)])
def test_parts_that_were_saved_together_say_how_films_are_prepared(tmp_path, parts: str, expected: bool) -> None:
    (tmp_path / "processor_config.json").write_text(json.dumps({name: {} for name in parts.split()}))
    assert processors.takes_films(Checkpoint("tiny", tmp_path)) == expected


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="torchvision is not installed")
def test_what_compares_texts_with_films_is_looked_into_with_both(tmp_path) -> None:
    entry = next(each for each in kinds.entries() if each.kind == "pe_video")
    checkpoint, _ = building.build(entry, tmp_path / "m")
    model = load(checkpoint, head=entry.head, device="cpu")
    assert inside.reads(model) == ("text", "video")
    assert inside.example(model).text and inside.example(model).video is not None
