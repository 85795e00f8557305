"""A model that guesses for itself, by its lower layers or its layers for multi-token prediction, as in the library."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.families import FAMILIES, build
from workbench.engine import codegen, generate
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.generate import strategies
from workbench.engine.generate.inputs import inputs, prepare_start
from workbench.engine.models import LoadedModel, load
from workbench.engine.sampling import Knobs, fields
from workbench.engine.task import Silent
from workbench.engine.values import Checkpoint, Sampling, Step, Strategy

PROMPT = "The quick brown fox jumps over the lazy dog. The quick brown"
GREEDY = Sampling(do_sample=False, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=16)
DRAWN = Sampling(temperature=0.9, top_k=30, top_p=0.9, max_new_tokens=16, seed=3)
EARLY = Strategy(assistant_early_exit=1, num_assistant_tokens=4)
PREDICTED = Strategy(use_mtp=True)
_TYPES = ["sliding_attention", "full_attention"]
#: Names of the layer's parts, and those under which they were released.
_RELEASED = {
    "eh_proj.": "mtp.fc.",
    "enorm.": "mtp.pre_fc_norm_embedding.",
    "hnorm.": "mtp.pre_fc_norm_hidden.",
    "post_norm.": "mtp.norm.",
    "mtp_block.": "mtp.layers.0.",
}


@pytest.fixture(scope="module")
def qwen3(tiny_llama: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load(build("qwen3", tmp_path_factory.mktemp("drafts") / "qwen3", tiny_llama), device="cpu")


@pytest.fixture(scope="module")
def mellum(tiny_llama: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A tiny Mellum with a layer that predicts the token after the next one, under the names of the released one."""
    from safetensors.torch import load_file, save_file
    from transformers import AutoTokenizer, GenerationConfig, MellumConfig, MellumForCausalLM
    from transformers.modeling_layers import MtpModel

    folder = tmp_path_factory.mktemp("drafts") / "mellum"
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama.path)
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    sizes = {"hidden_size": 16, "intermediate_size": 16, "moe_intermediate_size": 8, "head_dim": 8}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "num_experts": 2, "num_experts_per_tok": 1}
    config = MellumConfig(
        vocab_size=len(tokenizer), num_hidden_layers=2, num_mtp_layers=1, sliding_window=64, layer_types=_TYPES,
        max_position_embeddings=128, initializer_range=0.2, **sizes, **heads, **ids,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MellumForCausalLM(config)
        extra = MtpModel(model, 1).layers[0]
        for name, weight in extra.named_parameters():
            torch.nn.init.ones_(weight) if "norm" in name else torch.nn.init.normal_(weight, std=0.2)
    model.generation_config = GenerationConfig(**ids)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    weights = load_file(folder / "model.safetensors")
    for name, weight in extra.state_dict().items():
        for ours, theirs in _RELEASED.items():
            if name.startswith(ours):
                weights |= _apart(name.replace(ours, theirs, 1), weight)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return load(Checkpoint("tiny-mellum", folder), device="cpu")


def _apart(name: str, weight: torch.Tensor) -> dict[str, torch.Tensor]:
    """Experts apart, as released checkpoints have them."""
    if name.endswith("experts.gate_up_proj"):
        halves = [each.chunk(2) for each in weight]
        stem = name.removesuffix("gate_up_proj")
        return {
            f"{stem}{number}.{kind}_proj.weight": half.contiguous()
            for number, pair in enumerate(halves)
            for kind, half in zip(("gate", "up"), pair, strict=True)
        }
    if name.endswith("experts.down_proj"):
        stem = name.removesuffix("down_proj")
        return {f"{stem}{number}.down_proj.weight": each.contiguous() for number, each in enumerate(weight)}
    return {name: weight.contiguous()}


def plain(model: LoadedModel, sampling: Sampling, **settings: Any) -> list[int]:
    """New ids that ``model.generate`` gives by itself."""
    given = inputs(model, prepare_start(model, PROMPT))
    with torch.random.fork_rng():
        torch.manual_seed(sampling.seed)
        output = model.model.generate(
            **given.kwargs, **fields(sampling), max_new_tokens=sampling.max_new_tokens, **settings
        )
    return output[0, given.length :].tolist()


def written(model: LoadedModel, sampling: Sampling | Knobs, **more: Any) -> generate.Generation:
    return generate.stream(model, prepare_start(model, PROMPT), sampling, **more)


def script(model: LoadedModel, sampling: Sampling, strategy: Strategy, **more: Any) -> tuple[int, ...]:
    source = codegen.generate(
        model.checkpoint, PROMPT, None, sampling, model.dtype, model.device, strategy=strategy, **more
    )
    names: dict[str, Any] = {"__name__": "__main__"}
    with torch.random.fork_rng():
        exec(compile(source, "script.py", "exec"), names)
    return tuple(names["new_ids"])


@pytest.mark.parametrize("sampling", [GREEDY, DRAWN])
def test_lower_layers_guess_as_in_the_library_and_in_the_script(qwen3: LoadedModel, sampling: Sampling, capsys) -> None:
    own = qwen3.model.generation_config
    made = written(qwen3, sampling, strategy=EARLY)
    assert qwen3.model.generation_config is own, "the model is left as it was"
    assert qwen3.model.config.num_hidden_layers == 2
    own.num_assistant_tokens = 4
    assert list(made.ids) == plain(qwen3, sampling, assistant_early_exit=1)
    own.num_assistant_tokens = None
    assert made.guesses > 0
    assert all(step.logits is not None and step.after > 0 for step in made.steps)
    if not sampling.do_sample:
        assert made.ids == written(qwen3, sampling).ids
    for strategy in (EARLY, dataclasses.replace(EARLY, stop_strings=("e",))):
        made = written(qwen3, sampling, strategy=strategy)
        assert script(qwen3, sampling, strategy, steps=made.steps) == made.ids


def test_knobs_moved_while_lower_layers_guess_are_in_the_script(qwen3: LoadedModel, capsys) -> None:
    knobs = Knobs(DRAWN)
    moved = dataclasses.replace(DRAWN, temperature=1.5, repetition_penalty=1.3)

    class Moving(Silent):
        def send(self, part: object) -> None:
            if isinstance(part, Step) and part.index == 5:
                knobs.current = moved

    made = written(qwen3, knobs, strategy=EARLY, task=Moving())
    assert len({step.sampling for step in made.steps}) == 2
    assert script(qwen3, moved, EARLY, steps=made.steps) == made.ids


def test_every_family_offers_lower_layers_or_says_why_not_and_the_library_agrees(
    tiny_llama: Checkpoint, tmp_path: Path
) -> None:
    offered = set()
    for name in FAMILIES:
        model = load(build(name, tmp_path / f"tiny-{name}", tiny_llama), device="cpu")
        why = strategies.supports(model)["early_exit"]
        if why:
            with pytest.raises(NotSupported, match="can't generate that way"):
                written(model, GREEDY, strategy=EARLY)
            continue
        offered.add(name)
        assert written(model, GREEDY, strategy=EARLY).ids == written(model, GREEDY).ids, name
    assert offered == {"llama", "qwen3", "gemma3", "mistral", "mixtral", "phi", "granite", "olmo2"}


def test_a_guess_that_fails_leaves_the_model_with_all_its_layers(qwen3: LoadedModel) -> None:
    def fails(module: Any, given: Any) -> None:
        if qwen3.model.config.num_hidden_layers == 1:
            raise MemoryError("no room for a guess")

    hook = qwen3.model.register_forward_pre_hook(fails)
    try:
        with pytest.raises(MemoryError):
            written(qwen3, GREEDY, strategy=EARLY)
    finally:
        hook.remove()
    assert qwen3.model.config.num_hidden_layers == 2


def test_leaving_out_no_layer_is_refused(qwen3: LoadedModel) -> None:
    with pytest.raises(InputError, match="has 2 layers"):
        written(qwen3, GREEDY, strategy=Strategy(assistant_early_exit=2))
    with pytest.raises(InputError, match="whole number"):
        written(qwen3, GREEDY, strategy=Strategy(assistant_early_exit=-1))
    with pytest.raises(InputError, match="lower layers already"):
        written(qwen3, GREEDY, strategy=Strategy(assistant_early_exit=1, prompt_lookup_num_tokens=3))
    with pytest.raises(InputError, match="beam search"):
        written(qwen3, GREEDY, strategy=Strategy(assistant_early_exit=1, num_beams=2))


@pytest.mark.parametrize("sampling", [GREEDY, DRAWN])
def test_layers_for_multi_token_prediction_guess_as_in_the_library(
    mellum: LoadedModel, sampling: Sampling, capsys
) -> None:
    sampling = dataclasses.replace(sampling, max_new_tokens=8)
    assert strategies.supports(mellum)["mtp"] == ""
    made = written(mellum, sampling, strategy=PREDICTED)
    assert list(made.ids) == plain(mellum, sampling, use_mtp=True)
    assert made.guesses > 0
    if not sampling.do_sample:
        assert made.ids == written(mellum, sampling).ids
        assert script(mellum, sampling, PREDICTED, steps=made.steps) == made.ids


def test_a_checkpoint_without_such_layers_or_their_weights_says_so(
    qwen3: LoadedModel, mellum: LoadedModel, tmp_path: Path
) -> None:
    assert "knows no layers" in strategies.supports(qwen3)["mtp"]
    with pytest.raises(NotSupported, match="can't generate that way"):
        written(qwen3, GREEDY, strategy=PREDICTED)
    mellum.model.save_pretrained(tmp_path)
    assert mellum.tokenizer is not None
    mellum.tokenizer.save_pretrained(tmp_path)
    bare = load(Checkpoint("bare", tmp_path), device="cpu")
    assert "no weights" in strategies.supports(bare)["mtp"]
