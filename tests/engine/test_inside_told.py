"""What is told of in one text, or shown beside it in its own way, is looked into as its task prepares it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import tiny, tiny_extras, tiny_films, tiny_seq2seq, tiny_tasks
from workbench.engine import inside, models, tasks
from workbench.engine.codegen import inside as scripts
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.inside import Given
from workbench.engine.inside.given import tensors
from workbench.engine.models import LoadedModel
from workbench.engine.values import Checkpoint, TaskInput, TaskOptions

Make = Callable[[str], LoadedModel]
INSTALLED = importlib.util.find_spec("torchvision") is not None
WITH = pytest.mark.skipif(not INSTALLED, reason="torchvision is not installed (transformers-workbench[vision])")
SPEECH = pytest.mark.skipif(
    not all(importlib.util.find_spec(package) for package in tiny_extras.NEEDS["voxtral"]),
    reason="mistral-common is not installed (transformers-workbench[speech])",
)
KINDS = (
    "table",
    "clap",
    "retrieval",
    "speecht5",
    "speech-encoder-decoder",
    pytest.param("voxtral", marks=SPEECH),
    pytest.param("omdet", marks=WITH),
    pytest.param("videoprism", marks=WITH),
)


def _retrieval(folder: Path) -> Checkpoint:
    """A BLIP-2 that compares pictures with texts."""
    import transformers as t
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    tokenizer = tiny.byte_level_tokenizer()
    tokenizer.model_max_length = 32
    tokenizer.save_pretrained(folder)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    asks = {**size, "vocab_size": len(tokenizer), "encoder_hidden_size": 16, "use_qformer_text_input": True}
    writes = {"model_type": "opt", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "ffn_dim": 16,
              "vocab_size": len(tokenizer), "word_embed_proj_dim": 16}  # fmt: skip
    config = t.Blip2Config(
        vision_config={**size, "image_size": 32, "patch_size": 16}, qformer_config=asks, text_config=writes,
        num_query_tokens=4, image_text_hidden_size=8,
    )  # fmt: skip
    torch.manual_seed(0)
    t.Blip2ForImageTextRetrieval(config).save_pretrained(folder)
    BlipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return Checkpoint("tiny-retrieval", folder)


def _films(folder: Path) -> Checkpoint:
    """A VideoPrism that compares films with texts."""
    import transformers as t

    tokenizer = tiny.byte_level_tokenizer()
    tokenizer.model_max_length = 32
    tokenizer.save_pretrained(folder)
    size = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
    sees = {**size, "image_size": 32, "num_frames": 4, "tubelet_size": [1, 16, 16], "num_spatial_layers": 1,
            "num_temporal_layers": 1, "num_auxiliary_layers": 1}  # fmt: skip
    reads = {**size, "num_text_layers": 1, "vocab_size": len(tokenizer), "max_position_embeddings": 64,
             "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}  # fmt: skip
    torch.manual_seed(0)
    t.VideoPrismClipModel(t.VideoPrismConfig(text_config=reads, vision_config=sees)).save_pretrained(folder)
    settings = {"video_processor_type": "LlavaOnevisionVideoProcessor", "size": {"height": 32, "width": 32}}
    (folder / "video_preprocessor_config.json").write_text(json.dumps(settings))
    return Checkpoint("tiny-films", folder)


def _hears(folder: Path, kind: str) -> Checkpoint:
    """A SpeechT5 that writes, or a Wav2Vec2 whose states a BERT reads."""
    import transformers as t

    tokenizer = tiny.byte_level_tokenizer()
    tokenizer.save_pretrained(folder)
    convolutions = {"conv_dim": [8, 8], "conv_stride": [5, 4], "conv_kernel": [10, 4], "num_feat_extract_layers": 2,
                    "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}  # fmt: skip
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    ids = {"vocab_size": len(tokenizer), "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    torch.manual_seed(0)
    if kind == "speecht5":
        layers = {f"{part}_{name}": count for part in ("encoder", "decoder")
                  for name, count in (("layers", 2), ("attention_heads", 2), ("ffn_dim", 16))}  # fmt: skip
        config = t.SpeechT5Config(**layers, **convolutions, **ids, hidden_size=16, decoder_start_token_id=2)
        t.SpeechT5ForSpeechToText(config).save_pretrained(folder)
        t.SpeechT5FeatureExtractor().save_pretrained(folder)
    else:
        config = t.SpeechEncoderDecoderConfig.from_encoder_decoder_configs(
            t.Wav2Vec2Config(**size, **convolutions),
            t.BertConfig(**size, **ids, is_decoder=True, add_cross_attention=True),
        )
        config.decoder_start_token_id, config.pad_token_id = 1, 0
        t.SpeechEncoderDecoderModel(config).save_pretrained(folder)
        t.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return Checkpoint(f"tiny-{kind}", folder)


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    folder = tmp_path_factory.mktemp("told")

    @cache
    def build(kind: str) -> LoadedModel:
        path = folder / kind
        path.mkdir()
        others = {"table": "table-question-answering", "clap": "zero-shot-audio-classification"}
        if kind in others:
            made = tiny_tasks.build_tiny_other(path, others[kind])
        elif kind == "videoprism":
            made = _films(path)
        elif kind in ("speecht5", "speech-encoder-decoder"):
            made = _hears(path, kind)
        elif kind == "voxtral":
            made = tiny_extras.build(path, kind)
        else:
            made = _retrieval(path) if kind == "retrieval" else tiny_films.build(path, kind)
        return models.load(made, device="cpu")

    return build


@pytest.fixture
def taken(make: Make, tmp_path: Path) -> Callable[[str], tuple[LoadedModel, Given]]:
    def take(kind: str) -> tuple[LoadedModel, Given]:
        model = make(kind)
        asked = inside.example(model)
        if asked.image is not None:
            asked = replace(asked, image=tiny_seq2seq.picture(tmp_path, size=(97, 61)))
        if asked.audio is not None:
            asked = replace(asked, audio=tiny_tasks.sound(tmp_path, 0.5))
        return model, inside.take(model, asked)

    return take


@pytest.mark.parametrize("kind", KINDS)
def test_every_hidden_state_is_the_library_s_and_the_script_s(taken, kind: str, capsys) -> None:
    model, given = taken(kind)
    found = inside.look(model, given)
    with torch.inference_mode():
        out = model.model(**tensors(model, given), output_hidden_states=True)
    what = scripts.Asked(model, given, inside.arguments(model, given))
    assert found.parts
    for part in found.parts:
        for row, pick in enumerate(part.picks):
            state = eval(pick, {}, dict(out))
            whole = eval(part.layout, {}, {"state": state}) if part.layout else state
            np.testing.assert_array_equal(part.states[row], whole[0].numpy())
        script: dict[str, torch.Tensor] = {"__name__": "__main__"}
        exec(scripts.norms(what, part), script)
        np.testing.assert_allclose(script["norms"].numpy(), part.norms, rtol=1e-4, atol=1e-4)


def test_a_decoder_that_begins_with_nothing_is_refused_in_words(taken, make: Make, monkeypatch) -> None:
    config = make("speech-encoder-decoder").model.config
    monkeypatch.setattr(config, "decoder_start_token_id", None)
    monkeypatch.delattr(config, "pad_token_id")
    with pytest.raises(NotSupported, match="token that the decoder starts with"):
        taken("speech-encoder-decoder")


def test_a_question_and_its_table_are_what_the_task_makes_of_them(taken) -> None:
    model, given = taken("table")
    asked = tasks.example("table-question-answering", model)
    result = tasks.run(model, "table-question-answering", asked, TaskOptions())
    (ids,) = (view for view in result.stages[0].tensors if view.name == "input_ids")
    assert [token.id for token in given.tokens] == ids.values[0].tolist()
    assert "table" in inside.wanted(model)


def test_a_question_without_its_table_is_refused_in_words(make: Make) -> None:
    with pytest.raises(InputError, match="table"):
        inside.take(make("table"), TaskInput("What is the capital of France?"))


@WITH
def test_a_film_is_looked_into_beside_its_text(taken, make: Make) -> None:
    model, given = taken("videoprism")
    assert inside.reads(model) == ("text", "video")
    assert given.tokens and given.video is not None
    with pytest.raises(InputError, match="no video"):
        inside.take(model, TaskInput("a fox"))


def test_a_spectrogram_is_no_stream_of_the_text_beside_it(make: Make, tmp_path: Path) -> None:
    model, heard = make("clap"), tiny_tasks.sound(tmp_path, 0.5)
    for count in (3, 8, 16):
        given = inside.take(model, TaskInput("é" * count, audio=heard))
        sizes = [part.norms.shape[1] for part in inside.look(model, given).parts if part.name.startswith("audio")]
        assert sizes == [256, 64], len(given.tokens)
