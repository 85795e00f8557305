"""The vectors of a text are made of what the library's pipeline gives, and of the other side where that is asked."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as t

from tests.tiny import byte_level_tokenizer
from tests.tiny_seq2seq import build_tiny_bart, build_tiny_t5, saved
from workbench.engine import codegen, tasks
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks import batch
from workbench.engine.tasks.feature_extraction import ALONG
from workbench.engine.values import TaskInput, TaskOptions

NAME = "feature-extraction"
TEXT = "The quick brown fox"
LINES = f"{TEXT}\nA film"
IDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def _dpr(folder: Path) -> Any:
    tokenizer = byte_level_tokenizer()
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = t.DPRConfig(vocab_size=len(tokenizer), max_position_embeddings=64, pad_token_id=0, **sizes)
    return saved("tiny-dpr", t.DPRQuestionEncoder, config, tokenizer, folder)


def _gpt2(folder: Path) -> Any:
    tokenizer = byte_level_tokenizer()
    config = t.GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=2, n_positions=64, **IDS)
    return saved("tiny-gpt2", t.GPT2LMHeadModel, config, tokenizer, folder)


BUILDERS = {"bart": build_tiny_bart, "t5": build_tiny_t5, "dpr": _dpr, "gpt2": _gpt2}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoadedModel]:
    """Each architecture without a head, as the pipeline loads it."""
    folder = tmp_path_factory.mktemp("states")
    return {name: load(build(folder / name), head="AutoModel", device="cpu") for name, build in BUILDERS.items()}


def script(model: LoadedModel, given: TaskInput, options: TaskOptions) -> np.ndarray:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(codegen.task(model.checkpoint, NAME, given, options, model.dtype, model.device, model.head), names)
    return np.asarray(names["result"])


@pytest.mark.parametrize("name", ["bart", "dpr", "gpt2"])
def test_what_comes_first_out_of_the_model_is_the_pipelines(bare, name, capsys) -> None:
    model = bare[name]
    made = t.pipeline(NAME, model=model.model, tokenizer=model.tokenizer, device="cpu")
    result = tasks.run(model, NAME, TEXT)
    np.testing.assert_allclose(result.stages[1].tensors[0].values, np.array(made(TEXT)), atol=1e-6)
    options = TaskOptions(normalize=False)
    several = tasks.run(model, NAME, LINES, options).items
    np.testing.assert_allclose(script(model, TaskInput(LINES), options), several, atol=1e-5)
    if name == "dpr":
        # It gives a vector a text, which is not pooled again.
        assert "pooling" not in tasks.spec(NAME, model).options
        np.testing.assert_allclose(several, [made(line)[0] for line in LINES.splitlines()], atol=1e-5)
    assert capsys.readouterr().out


def test_a_head_changes_nothing_in_the_vectors(bare) -> None:
    for name, head in (("bart", "AutoModelForSeq2SeqLM"), ("t5", "AutoModelForSeq2SeqLM")):
        whole = load(bare[name].checkpoint, head=head, device="cpu")
        for states in ("auto", "encoder", "decoder"):
            options = TaskOptions(states=states)
            one, other = (tasks.run(model, NAME, LINES, options).items for model in (whole, bare[name]))
            np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("name", ["bart", "t5"])
@pytest.mark.parametrize("states", ["encoder", "decoder"])
def test_either_side_of_an_encoder_decoder_can_be_asked(bare, name, states, capsys) -> None:
    model = bare[name]
    inputs = model.tokenizer(TEXT, return_tensors="pt")
    ids = inputs["input_ids"]
    start = torch.tensor([[model.model.config.decoder_start_token_id]])
    with torch.inference_mode():
        output = model.model(**inputs, decoder_input_ids=torch.cat([start, ids[:, :-1]], dim=1))
    expected = output.encoder_last_hidden_state if states == "encoder" else output.last_hidden_state
    options = TaskOptions(states=states, normalize=False, pooling="last")
    result = tasks.run(model, NAME, TEXT, options)
    np.testing.assert_allclose(result.stages[1].tensors[0].values, expected, atol=1e-5)
    np.testing.assert_allclose(result.items, expected[:, -1], atol=1e-5)
    np.testing.assert_allclose(script(model, TaskInput(LINES), options)[0], expected[0, -1], atol=1e-5)
    (row,) = batch.run(model, NAME, [TaskInput(TEXT)], options)
    np.testing.assert_allclose(row.lines[0]["vector"], expected[0, -1], atol=1e-5)
    assert capsys.readouterr().out


def test_it_says_whose_states_are_taken(bare) -> None:
    assert "of the decoder" in tasks.spec(NAME, bare["bart"]).does
    assert "of the encoder; pipeline() fails here" in tasks.spec(NAME, bare["t5"]).does
    assert "the model itself makes" in tasks.spec(NAME, bare["dpr"]).does
    assert [name for name in BUILDERS if "states" in tasks.spec(NAME, bare[name]).options] == ["bart", "t5"]
    with pytest.raises(InputError, match="auto, encoder or decoder"):
        tasks.run(bare["t5"], NAME, TEXT, TaskOptions(states="both"))


def test_the_library_has_no_other_decoders_that_read_along() -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES, MODEL_MAPPING_NAMES

    shifts = re.compile(r"shift_tokens_right\(\s*input_ids|_prepare_fsmt_decoder_inputs\(")
    reading = {
        kind
        for kind, name in MODEL_MAPPING_NAMES.items()
        if kind in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES
        and shifts.search(inspect.getsource(getattr(t, name).forward))
    }
    assert reading == set(ALONG)


def test_a_model_that_reads_no_text_alone_is_not_offered_for_it(tmp_path: Path) -> None:
    tokenizer = byte_level_tokenizer()
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    text, sight = {**sizes, "vocab_size": len(tokenizer), **IDS}, {**sizes, "image_size": 8, "patch_size": 4}
    config = t.CLIPConfig(text_config=text, vision_config=sight, projection_dim=16)
    clip = load(saved("tiny-clip", t.CLIPModel, config, tokenizer, tmp_path), head="AutoModel", device="cpu")
    assert not tasks.supports(clip, NAME)
    with pytest.raises(NotSupported, match="wants other inputs"):
        tasks.run(clip, NAME, TEXT)
    with pytest.raises((AttributeError, ValueError)):
        t.pipeline(NAME, model=clip.model, tokenizer=clip.tokenizer, device="cpu")(TEXT)
