"""Architectures that neither a pipeline nor a task reads run on what they take: films, steps, pages, hidden patches."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import tiny, tiny_kinds, tiny_seq2seq, tiny_shown
from tests.tiny_tasks import _save
from workbench.engine import codegen, tasks
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.models import LoadedModel, load
from workbench.engine.values import Checkpoint, TaskInput, TaskOptions

RAW = "raw-outputs"
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return tiny_seq2seq.picture(tmp_path, size=(97, 61))


def loaded(folder: Path, kind: object, config: object, *parts: object) -> LoadedModel:
    """A model of fresh weights, saved with what prepares its inputs."""
    _save(kind, config, folder)
    for part in parts:
        part.save_pretrained(folder)
    return load(Checkpoint("tiny", folder), device="cpu")


def shown(model: LoadedModel, given: TaskInput, kind: str = RAW) -> dict[str, torch.Tensor]:
    """What the task shows, after the script of Show code was seen to give the same."""
    assert tasks.infer(model.facts) == kind and tasks.supports(model, RAW)
    result = tasks.run(model, RAW, given, TaskOptions(seed=3))
    found = {view.name: torch.from_numpy(view.values) for view in result.stages[1].tensors}
    names: dict = {"__name__": "__main__"}
    with torch.random.fork_rng():
        exec(
            codegen.task(model.checkpoint, RAW, given, TaskOptions(seed=3), model.dtype, model.device, model.head),
            names,
        )
    assert list(names["result"]) == list(found)
    for name, tensor in names["result"].items():
        torch.testing.assert_close(tensor.float(), found[name].float(), equal_nan=True)
    return found


def frames(path: Path) -> list[np.ndarray]:
    from PIL import Image, ImageSequence

    with Image.open(path) as film:
        return [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]


def video_processor():
    from transformers.models.videomae.image_processing_pil_videomae import VideoMAEImageProcessorPil

    return VideoMAEImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})


def test_of_a_film_half_is_hidden_in_the_pretraining_of_videomae(tmp_path, capsys) -> None:
    import transformers as t

    config = t.VideoMAEConfig(
        **SIZES, image_size=16, patch_size=8, num_frames=4, tubelet_size=2, decoder_hidden_size=16,
        decoder_num_hidden_layers=1, decoder_num_attention_heads=2, decoder_intermediate_size=16,
    )  # fmt: skip
    model = loaded(tmp_path / "m", t.VideoMAEForPreTraining, config, video_processor())
    assert model.head == "AutoModelForPreTraining"
    film = tiny_kinds.film(tmp_path, frames=8, name="film.gif")
    found = shown(model, TaskInput(video=film))
    hidden = torch.randint(0, 2, (1, 8), generator=torch.Generator().manual_seed(3)).bool()
    values = video_processor()(frames(film)[::2], return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        expected = model.model(values, bool_masked_pos=hidden)
    torch.testing.assert_close(found["logits"], expected.logits)
    torch.testing.assert_close(found["loss"], expected.loss)
    example = tasks.example(RAW, model)
    assert example.video is not None and example.image is None


def test_a_headless_model_of_films_is_shown_one(tmp_path, capsys) -> None:
    import transformers as t

    config = t.TimesformerConfig(**SIZES, image_size=16, patch_size=8, num_frames=4)
    model = loaded(tmp_path / "m", t.TimesformerModel, config, video_processor())
    found = shown(model, dataclasses.replace(tasks.example(RAW, model)))
    assert found["last_hidden_state"].shape == (1, 4 * 4 + 1, 16)


@pytest.mark.parametrize("kind", ["Groupvit", "Flava"])
def test_what_reads_a_text_beside_a_picture_is_given_both(tmp_path, picture, capsys, kind) -> None:
    import transformers as t
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = tiny.byte_level_tokenizer()
    tokenizer.model_max_length = 40
    reads = {**SIZES, "vocab_size": len(tokenizer), "max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": 2}
    sees = {**SIZES, "image_size": 32, "patch_size": 8}
    if kind == "Groupvit":
        grouped = {**sees, "depths": [1, 1], "num_group_tokens": [4, 0], "num_output_groups": [4, 2]}
        config = t.GroupViTConfig(
            text_config=reads, vision_config=grouped, projection_dim=8, projection_intermediate_dim=8
        )
        made = t.GroupViTModel
    else:
        config = t.FlavaConfig(text_config=reads, image_config=sees, multimodal_config=SIZES, hidden_size=16)
        made = t.FlavaModel
    side = {"height": 32, "width": 32}
    processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=side)
    model = loaded(tmp_path / "m", made, config, tokenizer, processor)
    example = tasks.example(RAW, model)
    assert example.text and example.image is not None
    found = shown(model, dataclasses.replace(example, image=picture))
    nested = [name for name in found if "." in name]
    assert nested and all(found[name].ndim for name in nested)


def test_the_pretraining_of_flava_is_given_its_codebook(tmp_path, picture, capsys) -> None:
    import transformers as t
    from transformers.models.flava.image_processing_pil_flava import FlavaImageProcessorPil

    tokenizer = tiny.byte_level_tokenizer()
    reads = {**SIZES, "vocab_size": len(tokenizer), "max_position_embeddings": 64}
    sees = {**SIZES, "image_size": 32, "patch_size": 16, "vocab_size": 64}
    codes = {"num_groups": 4, "hidden_size": 8, "num_blocks_per_group": 1, "vocab_size": 64}
    config = t.FlavaConfig(
        text_config=reads, image_config=sees, multimodal_config=SIZES, image_codebook_config=codes, hidden_size=16
    )
    side = {"height": 32, "width": 32}
    codebook = {"height": 16, "width": 16}
    processor = FlavaImageProcessorPil(
        size=side, crop_size=side, codebook_size=codebook, codebook_crop_size=codebook, input_size_patches=2,
        total_mask_tokens=2, mask_group_min_patches=1, mask_group_max_patches=2,
    )  # fmt: skip
    model = loaded(tmp_path / "m", t.FlavaForPreTraining, config, tokenizer, processor)
    found = shown(model, TaskInput("The fox", image=picture))
    assert torch.isfinite(found["loss_info.mmm_image"])


def test_pictures_are_completed_where_they_are_hidden(tmp_path, picture, capsys) -> None:
    import transformers as t
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    config = t.ViTConfig(**SIZES, image_size=32, patch_size=8, encoder_stride=8)
    processor = ViTImageProcessorPil(size={"height": 32, "width": 32})
    model = loaded(tmp_path / "m", t.ViTForMaskedImageModeling, config, processor)
    found = shown(model, TaskInput(image=picture))
    hidden = torch.randint(0, 2, (1, 16), generator=torch.Generator().manual_seed(3)).bool()
    from PIL import Image

    values = processor(Image.open(picture), return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        expected = model.model(values, bool_masked_pos=hidden)
    torch.testing.assert_close(found["reconstruction"], expected.reconstruction)
    torch.testing.assert_close(found["loss"], expected.loss)


def test_a_decision_transformer_is_given_states_actions_and_returns(tmp_path, capsys) -> None:
    import transformers as t

    config = t.DecisionTransformerConfig(
        state_dim=3, act_dim=2, hidden_size=16, n_layer=1, n_head=2, n_positions=64, max_ep_len=32
    )
    model = loaded(tmp_path / "m", t.DecisionTransformerModel, config)
    rows = torch.tensor([[0.1, 0.2, 0.3, 1.0, -1.0, 5.0], [0.2, 0.1, 0.0, 0.5, 0.5, 4.0]])
    text = "\n".join(", ".join(f"{number:.1f}" for number in row) for row in rows.tolist())
    found = shown(model, TaskInput(text))
    with torch.inference_mode():
        expected = model.model(
            states=rows[None, :, :3], actions=rows[None, :, 3:5], rewards=torch.zeros(1, 2, 1),
            returns_to_go=rows[None, :, 5:], timesteps=torch.arange(2)[None], attention_mask=torch.ones(1, 2),
        )  # fmt: skip
    torch.testing.assert_close(found["action_preds"], expected.action_preds)
    (field,) = tasks.spec(RAW, model).inputs
    assert "3 numbers of state, 2 of action" in field[1]


@pytest.mark.parametrize("kind", ["decision_transformer", "patchtst", "time_series_transformer"])
def test_the_example_of_a_series_fits_the_model(tmp_path, capsys, kind) -> None:
    import transformers as t

    config, made = {
        "decision_transformer": (
            t.DecisionTransformerConfig(state_dim=3, act_dim=2, hidden_size=16, n_layer=1, n_head=2, n_positions=64),
            t.DecisionTransformerModel,
        ),
        "patchtst": (
            t.PatchTSTConfig(
                num_input_channels=2, context_length=8, patch_length=4, patch_stride=4, d_model=16, num_hidden_layers=1,
                num_attention_heads=2, ffn_dim=16,
            ),
            t.PatchTSTModel,
        ),
        "time_series_transformer": (
            t.TimeSeriesTransformerConfig(
                prediction_length=2, context_length=6, lags_sequence=[1, 3], d_model=16, encoder_layers=1,
                decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16,
                decoder_ffn_dim=16,
            ),
            t.TimeSeriesTransformerModel,
        ),
    }[kind]  # fmt: skip
    model = loaded(tmp_path / "m", made, config)
    assert all(torch.isfinite(tensor).all() for tensor in shown(model, tasks.example(RAW, model)).values())


@pytest.mark.parametrize("kind", ["resnet", "vitpose_backbone"])
def test_a_backbone_shows_its_maps(tmp_path, picture, capsys, kind) -> None:
    import transformers as t
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    if kind == "resnet":
        config = t.ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], out_features=["stage1", "stage2"]
        )
        made = t.ResNetBackbone
    else:
        config = t.VitPoseBackboneConfig(
            image_size=[32, 32], patch_size=[8, 8], hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
            out_indices=[1, 2],
        )  # fmt: skip
        made = t.VitPoseBackbone
    processor = ViTImageProcessorPil(size={"height": 32, "width": 32})
    model = loaded(tmp_path / "m", made, config, processor)
    assert (model.head, type(model.model), model.missing) == ("AutoBackbone", made, ())
    found = shown(model, TaskInput(image=picture))
    from PIL import Image

    values = processor(Image.open(picture).convert("RGB"), return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        expected = model.model(values).feature_maps
    assert list(found) == ["feature_maps.0", "feature_maps.1"]
    for name, tensor in zip(found, expected, strict=True):
        torch.testing.assert_close(found[name], tensor)
    given, came, _ = tasks.run(model, RAW, TaskInput(image=picture)).stages
    assert given.tensors[0].axes == ("batch", "channels", "height", "width")
    # Those of ViTPose are sequences, and the documentation means maps.
    known = ("batch", "channels", "height", "width") if kind == "resnet" else ()
    assert [view.axes for view in came.tensors] == [known] * 2


def test_axes_are_those_of_the_librarys_documentation(tiny_bert, tmp_path) -> None:
    model = load(tiny_bert, head="AutoModelForPreTraining", device="cpu")
    given, came, _ = tasks.run(model, RAW, "The fox").stages
    axes = {view.name: view.axes for view in (*given.tensors, *came.tensors)}
    assert axes["input_ids"] == ("batch", "sequence")
    assert axes["prediction_logits"] == ("batch", "sequence", "vocab_size")
    assert axes["seq_relationship_logits"] == ("batch", "2")
    features = tasks.run(load(tiny_bert, head="AutoModel", device="cpu"), "feature-extraction", "The fox")
    assert features.stages[1].tensors[0].axes == ("batch", "sequence", "hidden_size")


def test_only_the_first_pass_is_asked_for_its_axes(tiny_llama) -> None:
    from workbench.engine.tasks import axes

    model = load(tiny_llama, device="cpu")
    kinds = (model.model, model.model.base_model)
    with torch.inference_mode(), axes.watched(model) as known:
        assert all(kind._forward_hooks for kind in kinds) and not known
        model.model(torch.tensor([[5, 6]]))
        assert known["logits"] == ("batch", "sequence", "vocab_size")
        # What is written takes a pass a token.
        assert not any(kind._forward_hooks for kind in kinds)
    with pytest.raises(ZeroDivisionError), axes.watched(model):
        raise ZeroDivisionError
    assert not any(kind._forward_hooks for kind in kinds)


def test_every_class_of_outputs_can_be_asked_for_its_axes() -> None:
    from transformers import modeling_outputs

    from workbench.engine.tasks import axes

    kinds = [kind for kind in vars(modeling_outputs).values() if isinstance(kind, type)]
    known = {kind.__name__: axes.documented(kind) for kind in kinds}
    assert len(known) > 40
    assert known["BaseModelOutput"]["attentions"] == ("batch", "num_heads", "sequence", "sequence")
    assert axes.documented(type("Plain", (), {})) == {}


def test_the_body_of_a_headless_model_is_the_model(tmp_path, picture) -> None:
    import transformers as t
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    config = t.DINOv3ConvNextConfig(hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], image_size=32)
    processor = ViTImageProcessorPil(size={"height": 32, "width": 32})
    model = loaded(tmp_path / "m", t.DINOv3ConvNextModel, config, processor)
    assert model.model.base_model is not model.model
    result = tasks.run(model, "image-feature-extraction", TaskInput(image=picture), TaskOptions(normalize=False))
    pipe = t.pipeline("image-feature-extraction", model=model.model, image_processor=processor, device="cpu")
    np.testing.assert_allclose(result.stages[1].tensors[0].values, np.array(pipe(str(picture))), atol=1e-5)


def test_a_distilled_classifier_is_told_from_its_class(tmp_path, picture) -> None:
    import transformers as t
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    config = t.DeiTConfig(**SIZES, image_size=32, patch_size=8, id2label={0: "fox", 1: "house"})
    processor = ViTImageProcessorPil(size={"height": 32, "width": 32})
    model = loaded(tmp_path / "m", t.DeiTForImageClassificationWithTeacher, config, processor)
    assert (model.head, model.missing) == ("AutoModelForImageClassification", ())
    assert type(model.model) is t.DeiTForImageClassificationWithTeacher
    assert tasks.infer(model.facts) == "image-classification"


def test_a_classifier_that_does_not_name_its_logits_is_read_as_documented(tmp_path, picture, capsys) -> None:
    import transformers as t
    from PIL import Image
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    config = t.PPLCNetConfig(scale=0.25, class_expand=16, id2label={0: "fox", 1: "house", 2: "sun"})
    processor = ViTImageProcessorPil(size={"height": 32, "width": 32})
    model = loaded(tmp_path / "m", t.PPLCNetForImageClassification, config, processor)
    name, given = tasks.infer(model.facts), TaskInput(image=picture)
    assert name == "image-classification"
    with torch.inference_mode():
        logits = model.model(**processor(Image.open(picture), return_tensors="pt")).last_hidden_state[0]
    expected = sorted(logits.softmax(dim=-1).tolist(), reverse=True)
    options = TaskOptions(top_k=3)
    assert [item.score for item in tasks.run(model, name, given, options).items] == pytest.approx(expected)
    names: dict = {"__name__": "__main__"}
    exec(codegen.task(model.checkpoint, name, given, options, model.dtype, model.device, model.head), names)
    assert [score for _, score in names["result"]] == pytest.approx(expected)


def test_a_model_that_paints_pixel_by_pixel_makes_vectors_of_its_colours(tmp_path, picture) -> None:
    import transformers as t
    from transformers.models.imagegpt.image_processing_pil_imagegpt import ImageGPTImageProcessorPil

    colors = np.linspace(-1, 1, 81).reshape(27, 3).tolist()
    processor = ImageGPTImageProcessorPil(clusters=colors, size={"height": 8, "width": 8})
    config = t.ImageGPTConfig(vocab_size=28, n_positions=64, n_embd=16, n_layer=1, n_head=2)
    model = loaded(tmp_path / "m", t.ImageGPTForCausalImageModeling, config, processor)
    assert (model.head, tasks.infer(model.facts)) == ("AutoModel", "image-feature-extraction")
    result = tasks.run(model, "image-feature-extraction", TaskInput(image=picture))
    assert result.stages[1].tensors[0].shape == (1, 64, 16)


@pytest.mark.parametrize("kind", ["RegNet", "TextNet"])
def test_the_example_is_a_picture_where_only_the_first_input_says_so(tmp_path, kind) -> None:
    import transformers as t

    config = {
        "RegNet": lambda: t.RegNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], groups_width=4),
        "TextNet": lambda: t.TextNetConfig(
            stem_out_channels=8, hidden_sizes=[8, 8, 8, 8, 8],
            **{f"conv_layer_{name}": [[[3, 3]]] * 4 for name in ("kernel_sizes",)},
            conv_layer_strides=[[1]] * 4,
        ),
    }[kind]()  # fmt: skip
    model = loaded(tmp_path / "m", getattr(t, f"{kind}ForImageClassification"), config)
    assert model.model.input_modalities == "text"
    assert tasks.example("image-classification", model).image is not None
    headless = load(model.checkpoint, head="AutoModel", device="cpu")
    assert tasks.example(RAW, headless).image is not None


def test_pages_and_questions_become_vectors_each(tmp_path, picture, capsys) -> None:
    import transformers as t
    from PIL import Image

    model = load(tiny_shown.build(tmp_path / "m", "colpali"), device="cpu")
    processor = t.ColPaliProcessor.from_pretrained(model.checkpoint.path)
    page, question = TaskInput(image=picture), TaskInput("Who?")
    for given, inputs in (
        (page, processor.process_images([Image.open(picture)])),
        (question, processor.process_queries(["Who?"])),
    ):
        with torch.inference_mode():
            found = shown(model, given, "visual-document-retrieval")
            torch.testing.assert_close(found["embeddings"], model.model(**inputs).embeddings)
    assert tasks.example(RAW, model).text == ""
    with pytest.raises(InputError, match="at once"):
        tasks.run(model, RAW, TaskInput("Who?", image=picture))


def test_regions_that_nothing_here_finds_are_named(tmp_path, picture) -> None:
    import transformers as t

    tokenizer = tiny.byte_level_tokenizer()
    config = t.LxmertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_attention_heads=2, intermediate_size=16, l_layers=1, x_layers=1,
        r_layers=1, visual_feat_dim=8,
    )  # fmt: skip
    model = loaded(tmp_path / "m", t.LxmertModel, config, tokenizer)
    assert tasks.infer(model.facts) == RAW and tasks.example(RAW, model).image is None
    with pytest.raises(NotSupported, match="regions"):
        tasks.run(model, RAW, TaskInput("The fox", image=picture))
