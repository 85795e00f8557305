"""Regions, an example to follow, patches of a series and masks of sounds: each equal to the library's own forward."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import tiny, tiny_pictured, tiny_seq2seq
from tests.census import building, kinds
from tests.engine.tasks.test_raw_inputs import RAW, SIZES, loaded, shown
from tests.tiny_tasks import sound as tone
from workbench.engine import inside, tasks
from workbench.engine.codegen.inside import Asked, norms
from workbench.engine.errors import InputError
from workbench.engine.inside import senses
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks import processors
from workbench.engine.values import TaskInput


def lxmert(folder: Path, head: str = "LxmertModel") -> LoadedModel:
    import transformers as t

    tokenizer = tiny.byte_level_tokenizer()
    config = t.LxmertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_attention_heads=2, intermediate_size=16, l_layers=1, x_layers=1,
        r_layers=1, visual_feat_dim=6, num_qa_labels=3, num_object_labels=4, num_attr_labels=4,
    )  # fmt: skip
    return loaded(folder, getattr(t, head), config, tokenizer)


@pytest.mark.parametrize("head", ["LxmertModel", "LxmertForPreTraining", "LxmertForQuestionAnswering"])
def test_lxmert_reads_a_text_beside_the_regions_of_a_file(tmp_path, capsys, head) -> None:
    model = lxmert(tmp_path / "m", head)
    assert not tasks.supports(model, "feature-extraction")
    draw = np.random.default_rng(0)
    file = tmp_path / "regions.npz"
    feats, boxes = draw.random((5, 6)), draw.random((5, 4))
    np.savez(file, visual_feats=feats, visual_pos=boxes)
    found = shown(model, TaskInput("The fox", beside=file))
    ids = model.tokenizer("The fox", return_tensors="pt")
    with torch.inference_mode():
        expected = model.model(
            input_ids=ids["input_ids"], attention_mask=ids["attention_mask"],
            visual_feats=torch.tensor(feats[None], dtype=torch.float32),
            visual_pos=torch.tensor(boxes[None], dtype=torch.float32),
        )  # fmt: skip
    compared = {name: tensor for name, tensor in expected.items() if isinstance(tensor, torch.Tensor)}
    assert compared and compared.keys() <= found.keys()
    for name, tensor in compared.items():
        torch.testing.assert_close(found[name], tensor)
    assert [field for field, _ in tasks.spec(RAW, model).inputs] == ["text", "beside"]


def test_visualbert_reads_a_text_alone_and_with_regions(tmp_path, capsys) -> None:
    import transformers as t

    tokenizer = tiny.byte_level_tokenizer()
    config = t.VisualBertConfig(**SIZES, vocab_size=len(tokenizer), visual_embedding_dim=6)
    model = loaded(tmp_path / "m", t.VisualBertModel, config, tokenizer)
    ids = tokenizer("The fox", return_tensors="pt")
    example = tasks.example(RAW, model)
    assert example.text and example.image is None and example.beside == inside.example(model).beside
    assert np.load(example.beside)["visual_embeds"].shape == (6, 6)
    regions = np.random.default_rng(0).random((5, 6))
    np.save(tmp_path / "regions.npy", regions)
    sides = {None: {}, tmp_path / "regions.npy": {"visual_embeds": torch.tensor(regions[None], dtype=torch.float32)}}
    for file, more in sides.items():
        found = shown(model, TaskInput("The fox", beside=file))
        with torch.inference_mode():
            expected = model.model(input_ids=ids["input_ids"], attention_mask=ids["attention_mask"], **more)
        torch.testing.assert_close(found["last_hidden_state"], expected.last_hidden_state)


def test_regions_that_are_missing_or_of_another_kind_are_refused(tmp_path) -> None:
    model = lxmert(tmp_path / "m")
    assert shown(model, tasks.example(RAW, model))["vision_output"].shape == (1, 6, 16)
    with pytest.raises(InputError, match="no regions yet") as refused:
        tasks.run(model, RAW, TaskInput("The fox"))
    assert "visual_feats and visual_pos" in refused.value.remedy
    other, broken = tmp_path / "other.npz", tmp_path / "broken.npz"
    np.savez(other, boxes=np.zeros((5, 4)))
    broken.write_bytes(b"PK nothing")
    for file, said in ((other, "boxes of shape"), (broken, "can't be read"), (tmp_path / "none.npz", "can't be read")):
        with pytest.raises(InputError) as refused:
            tasks.run(model, RAW, TaskInput("The fox", beside=file))
        assert said in refused.value.why


def test_seggpt_follows_another_picture_and_its_mask(tmp_path, capsys) -> None:
    import transformers as t
    from PIL import Image
    from transformers.models.seggpt.image_processing_pil_seggpt import SegGptImageProcessorPil

    config = t.SegGptConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=[64, 32], patch_size=8,
        pretrain_image_size=32, merge_index=0, intermediate_hidden_state_indices=[1], decoder_hidden_size=8,
    )  # fmt: skip
    processor = SegGptImageProcessorPil(size={"height": 32, "width": 32})
    model = loaded(tmp_path / "m", t.SegGptModel, config, processor)
    example = tasks.example(RAW, model)
    picture = tiny_seq2seq.picture(tmp_path, size=(97, 61))
    found = shown(model, dataclasses.replace(example, image=picture))
    values = processor(
        images=Image.open(picture).convert("RGB"), prompt_images=Image.open(example.other).convert("RGB"),
        prompt_masks=Image.open(example.beside).convert("L"), return_tensors="pt",
    )  # fmt: skip
    with torch.inference_mode():
        expected = model.model(**values)
    torch.testing.assert_close(found["last_hidden_state"], expected.last_hidden_state)
    assert inside.reads(model) == ("image", "other", "beside")
    looked_at(model, inside.example(model))
    with pytest.raises(InputError, match="nothing to learn from"):
        tasks.run(model, RAW, TaskInput(image=picture))


@pytest.mark.parametrize("kind", ["TimesFm", "TimesFm2_5"])
def test_timesfm_without_its_head_reads_a_series(tmp_path, capsys, kind) -> None:
    import transformers as t

    sizes = {**SIZES, "head_dim": 8, "patch_length": 8, "context_length": 32, "horizon_length": 4}
    more = {} if kind == "TimesFm" else {"num_key_value_heads": 2}
    config = getattr(t, f"{kind}Config")(**sizes, **more)
    model = loaded(tmp_path / "m", getattr(t, f"{kind}Model"), config)
    numbers = [float(each * each % 7) for each in range(21)]
    found = shown(model, TaskInput(", ".join(map(str, numbers))))
    values, marks = torch.tensor([[0.0] * 3 + numbers]), torch.tensor([[1.0] * 3 + [0.0] * 21])
    told = {"freq": torch.tensor([[0]])} if kind == "TimesFm" else {}
    with torch.inference_mode():
        expected = model.model(past_values=values, past_values_padding=marks, **told)
    for name in ("last_hidden_state", "loc", "scale"):
        torch.testing.assert_close(found[name], expected[name])
    assert found["last_hidden_state"].shape == (1, 3, 16)
    assert tasks.applies(RAW, model) == (("frequency",) if told else ())
    example = tasks.example(RAW, model)
    assert torch.isfinite(shown(model, example)["last_hidden_state"]).all()
    assert inside.reads(model) == ("text",)
    given = senses.take(model, inside.example(model))
    assert given.made["past_values"].shape == (1, 16)
    assert inside.look(model, given).parts


def test_the_encoder_of_audio_flamingo_is_told_where_the_sound_ends(tmp_path, capsys) -> None:
    import transformers as t

    config = t.AudioFlamingo3EncoderConfig(
        num_mel_bins=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, hidden_size=16,
        max_source_positions=100,
    )  # fmt: skip
    extractor = t.WhisperFeatureExtractor(feature_size=16, chunk_length=2)
    model = loaded(tmp_path / "m", t.AudioFlamingo3Encoder, config, extractor)
    sound = tone(tmp_path)
    found = shown(model, TaskInput(audio=sound))
    import soundfile

    samples, rate = soundfile.read(sound, dtype="float32")
    assert rate == 16_000
    made = extractor(samples, sampling_rate=rate, return_attention_mask=True, return_tensors="pt")
    with torch.inference_mode():
        expected = model.model(made["input_features"], input_features_mask=made["attention_mask"])
    torch.testing.assert_close(found["last_hidden_state"], expected.last_hidden_state)
    looked_at(model, TaskInput(audio=sound))
    given = senses.take(model, TaskInput(audio=sound))
    assert given.made["input_features_mask"].sum() == made["attention_mask"].sum()


def looked_at(model: LoadedModel, given: TaskInput) -> None:
    """The last state of each part is the library's, and the script gives the same lengths."""
    taken = senses.take(model, given)
    with torch.inference_mode():
        expected = model.model(**taken.made, output_hidden_states=True)
    found = {name: value for name, value in expected.items() if name.endswith("hidden_states")}
    states = [state for value in found.values() for state in value]
    seen = inside.look(model, taken)
    assert seen.parts and states
    for part in seen.parts:
        last = torch.from_numpy(part.states[-1]).flatten()
        same = [state.flatten() for state in states if state.numel() == last.numel()]
        assert part.watched or any(torch.allclose(state, last, atol=1e-5) for state in same), (part.picks, part.rows)
        names: dict = {"__name__": "__main__"}
        exec(norms(Asked(model, taken, inside.arguments(model, taken)), part), names)
        np.testing.assert_allclose(names["norms"].flatten(), part.norms[-len(names["norms"]) :].flatten(), atol=1e-4)


def test_lxmert_and_visualbert_are_looked_into_with_their_regions(tmp_path, capsys) -> None:
    import transformers as t

    draw = np.random.default_rng(0)
    feats, boxes = tmp_path / "feats.npz", tmp_path / "boxes.npy"
    np.savez(feats, visual_feats=draw.random((5, 6)), visual_pos=draw.random((5, 4)))
    np.save(boxes, draw.random((5, 6)))
    looked_at(lxmert(tmp_path / "lxmert"), TaskInput("The fox", beside=feats))
    tokenizer = tiny.byte_level_tokenizer()
    config = t.VisualBertConfig(**SIZES, vocab_size=len(tokenizer), visual_embedding_dim=6)
    model = loaded(tmp_path / "visual_bert", t.VisualBertModel, config, tokenizer)
    assert inside.reads(model) == ("text", "beside")
    looked_at(model, TaskInput("The fox"))
    looked_at(model, TaskInput("The fox", beside=boxes))


@pytest.mark.parametrize(
    "kind", ["blip_2_qformer", "glm_image_vqmodel", "muse_glimmer_assistant", "nemotron3_5_transcribe_word_timestamp"]
)
def test_the_example_of_a_part_of_a_larger_model_is_a_file_of_the_shapes_that_it_reads(tmp_path, capsys, kind) -> None:
    entry = next(each for each in kinds.entries() if each.kind == kind)
    checkpoint, _ = building.build(entry, tmp_path / "m")
    model = load(checkpoint, head="AutoModel", device="cpu")
    given = tasks.example(RAW, model)
    assert given.beside is not None and given == TaskInput(beside=given.beside)
    found = shown(model, given)
    written = {name: torch.from_numpy(each) for name, each in np.load(given.beside).items()}
    calls = model.model.encode if kind == "glm_image_vqmodel" else model.model
    with torch.inference_mode():
        expected = {name: each for name, each in calls(**written).items() if isinstance(each, torch.Tensor)}
    assert expected and expected.keys() <= found.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor)
    with pytest.raises(InputError) as refused:
        tasks.run(model, RAW, TaskInput())
    assert all(f"{name} of shape (1, " in refused.value.remedy for name in written)
    np.savez(tmp_path / "other.npz", **{name: np.zeros((1, 2, 3, 5)) for name in written})
    with pytest.raises(InputError, match="can't be used") as refused:
        tasks.run(model, RAW, TaskInput(beside=tmp_path / "other.npz"))
    assert "of shape (1, 2, 3, 5)" in refused.value.why
    if kind == "glm_image_vqmodel":
        assert not inside.reads(model) and "no stack of layers" in inside.refusal(model)
        return
    taken = senses.take(model, inside.example(model))
    part = inside.look(model, taken).parts[0]
    names: dict = {"__name__": "__main__"}
    exec(norms(Asked(model, taken, inside.arguments(model, taken)), part), names)
    np.testing.assert_allclose(names["norms"], part.norms, rtol=1e-4)


@pytest.mark.parametrize("head", ["AutoModel", "AutoModelForImageTextToText"])
def test_what_moves_a_robot_is_told_its_state_by_a_file(tmp_path, capsys, head) -> None:
    from PIL import Image

    model = load(tiny_pictured.build(tmp_path / "m", "pi0"), head=head, device="cpu")
    assert [spec.name for spec in tasks.SPECS if tasks.supports(model, spec.name)] == [RAW] == [tasks.first(model)]
    picture = tiny_seq2seq.picture(tmp_path, size=(97, 61))
    given = dataclasses.replace(tasks.example(RAW, model), image=picture)
    found = shown(model, given)
    inputs = model.processor(images=[Image.open(picture)], text=[given.text], return_tensors="pt")
    (name,) = np.load(given.beside)
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(3)
        expected = model.model(**inputs, **{name: torch.from_numpy(np.load(given.beside)[name])})
    if head == "AutoModel":
        torch.testing.assert_close(found["last_hidden_state"], expected.last_hidden_state)
    else:
        torch.testing.assert_close(found["logits"], expected.logits)
        with torch.random.fork_rng():
            torch.manual_seed(3)
            model.model(**inputs, state=torch.from_numpy(np.load(given.beside)["state"]))
            moves = model.model.sample_actions(**inputs, state=torch.from_numpy(np.load(given.beside)["state"]))
        torch.testing.assert_close(found["actions"], moves)
    assert inside.reads(model) == ("image", "text", "beside")
    taken = senses.take(model, dataclasses.replace(inside.example(model), image=picture))
    part = inside.look(model, taken).parts[0]
    names: dict = {"__name__": "__main__"}
    exec(norms(Asked(model, taken, inside.arguments(model, taken)), part), names)
    np.testing.assert_allclose(names["norms"], part.norms, rtol=1e-4)
    with pytest.raises(InputError, match="nothing to run it on") as refused:
        tasks.run(model, RAW, dataclasses.replace(given, beside=None))
    assert f"{name} of shape (1, " in refused.value.remedy
    with pytest.raises(InputError, match="no picture"):
        tasks.run(model, RAW, dataclasses.replace(given, image=None))


@pytest.mark.parametrize(("kind", "mark"), [("glm_image", "<|image_token|>"), ("t5gemma2_encoder", "<|boi|>")])
def test_the_mark_of_a_picture_stands_in_the_text_of_a_body_that_reads_both(tmp_path, kind, mark, capsys) -> None:
    from PIL import Image

    entry = next(each for each in kinds.entries() if each.kind == kind)
    checkpoint, _ = building.build(entry, tmp_path / "m")
    model = load(checkpoint, head="AutoModel", device="cpu")
    reader = processors.processor(model)
    picture = tiny_seq2seq.picture(tmp_path, size=(97, 61))
    assert inside.reads(model) == ("text", "image")
    for given, more in (
        (TaskInput("a fox"), {"text": ["a fox"]}),
        (TaskInput("a fox", image=picture), {"text": [f"{mark}a fox"], "images": [Image.open(picture)]}),
    ):
        found = shown(model, given)
        with torch.inference_mode():
            expected = model.model(**reader(**more, return_tensors="pt"))
        torch.testing.assert_close(found["last_hidden_state"], expected.last_hidden_state)
        looked_at(model, given)
