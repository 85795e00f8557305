"""Architectures that go their own way: too short a text, no cache, a place to predict, a part of a whole."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as t

from tests import tiny, tiny_kinds, tiny_seq2seq
from workbench.engine import codegen, facts, forward, generate, inside, models, tasks
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.generate import strategies
from workbench.engine.values import Checkpoint, Sampling, Strategy, TaskInput

IDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
GREEDY = Sampling(do_sample=False, max_new_tokens=5)
LETTERS = "zqjxvkwb"


def script(written: str) -> dict[str, Any]:
    """The names that a script leaves."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(written, names)
    return names


def built(folder: Path, make: Any, *, scale: float = 5.0) -> Checkpoint:
    """A checkpoint of ``make(size of the vocabulary)``, with the byte-level tokenizer."""
    tokenizer = tiny.byte_level_tokenizer("[MASK]")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = make(len(tokenizer))
    with torch.no_grad():
        for weight in net.parameters():
            # Weights as small as fresh ones make all logits alike.
            weight.mul_(scale if weight.ndim > 1 else 1.0)
    net.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"tokenizer_class": "PreTrainedTokenizerFast"}))
    return Checkpoint(f"tiny-{net.config.model_type}", folder)


def _funnel(size: int) -> Any:
    config = t.FunnelConfig(vocab_size=size, block_sizes=[1, 1, 1], d_model=16, n_head=2, d_head=8, d_inner=16,
                            num_decoder_layers=1, pad_token_id=0)  # fmt: skip
    return t.FunnelForTokenClassification(config)


def _canine(size: int) -> Any:
    return t.CanineForTokenClassification(t.CanineConfig(**SIZES, **IDS, max_position_embeddings=64, type_vocab_size=2))


@pytest.mark.parametrize(("make", "least"), [(_funnel, 5), (_canine, 4)])
def test_a_text_too_short_for_an_architecture_is_refused_with_the_tokens_it_needs(
    make: Any, least: int, tmp_path: Path
) -> None:
    model = models.load(built(tmp_path, make, scale=1.0), device="cpu")
    task = "token-classification"
    for count in range(1, least + 3):
        text = LETTERS[:count]
        ids = model.tokenizer(text, return_tensors="pt")["input_ids"]
        assert ids.shape == (1, count)
        if count >= least:
            result = tasks.run(model, task, text, tasks.defaults(task))
            stage = next(stage for stage in result.stages if stage.name == "forward")
            with torch.inference_mode():
                expected = model.model(ids).logits
            np.testing.assert_allclose(stage.tensors[0].values, expected.numpy(), atol=1e-5)
            continue
        # The library can't read it either.
        with pytest.raises(RuntimeError), torch.inference_mode():
            model.model(ids)
        with pytest.raises(InputError, match="too short") as caught:
            tasks.run(model, task, text)
        assert f"makes {count} token" in caught.value.why
        assert f"at least {least}" in caught.value.why
        with pytest.raises(InputError, match="too short"):
            inside.read(model, text)


@pytest.mark.parametrize(("made", "least"), [
    ({"separate_cls": False}, 3), ({"attention_type": "factorized"}, 1), ({"block_sizes": [1]}, 1),
    ({"block_sizes": [1, 1, 1, 1]}, 9), ({}, 5),
])  # fmt: skip
def test_the_fewest_tokens_of_a_funnel_are_those_its_blocks_leave(made: dict[str, Any], least: int) -> None:
    config = t.FunnelConfig(**{"vocab_size": 20, "block_sizes": [1, 1, 1], "d_model": 16, "n_head": 2, "d_head": 8,
                               "d_inner": 16, "num_decoder_layers": 1, **made})  # fmt: skip
    assert facts.fewest(config) == least
    net = t.FunnelModel(config).eval()
    with torch.inference_mode():
        for count in range(least, least + 4):
            net(torch.zeros(1, count, dtype=torch.long))
        if least > 1:
            with pytest.raises(RuntimeError):
                net(torch.zeros(1, least - 1, dtype=torch.long))


def _blt(size: int) -> Any:
    sizes = SIZES | {"hidden_size": 32, "num_attention_heads": 4, "max_position_embeddings": 64}
    part = sizes | {"vocab_size": size, "hidden_size_global": 64, "cross_attn_k": 1}
    config = t.BltConfig(
        vocab_size=size, max_position_embeddings=64, cross_attn_k=1, patch_in_forward=True,
        encoder_hash_byte_group_size=[3], encoder_hash_byte_group_vocab=20, encoder_hash_byte_group_nb_functions=1,
        patcher_config=sizes | {"vocab_size": size}, encoder_config=part, decoder_config=part,
        global_config=sizes | {"hidden_size": 64}, **IDS,
    )  # fmt: skip
    return t.BltForCausalLM(config)


def test_blt_writes_without_the_cache_that_the_library_can_not_make(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    model = models.load(built(tmp_path, _blt), device="cpu")
    assert any("reads the whole text again" in note for note in model.notes)
    own = t.BltForCausalLM.from_pretrained(tmp_path).eval()
    ids = torch.tensor([model.tokenizer("The quick fox")["input_ids"]])
    with pytest.raises(AttributeError):
        own.generate(ids, max_new_tokens=1)

    expected = own.generate(ids, do_sample=False, max_new_tokens=5, use_cache=False)[0, ids.shape[1] :].tolist()
    made = generate.run(model, "The quick fox", (), GREEDY)
    assert list(made.ids) == expected
    branch = generate.branch(model, made.start, made.steps[:2], None, GREEDY)
    assert list(branch.ids)[:3] == expected[2:]
    with pytest.raises(NotSupported, match="can't generate that way"):
        generate.run(model, "The quick fox", (), GREEDY, strategy=Strategy(prompt_lookup_num_tokens=2))
    written = codegen.generate(model.checkpoint, "The quick fox", None, GREEDY, model.dtype, "cpu", steps=made.steps)
    assert script(written)["new_ids"] == expected
    capsys.readouterr()

    given, options = TaskInput("The quick fox"), tasks.defaults("text-generation")
    result = tasks.run(model, "text-generation", given, options)
    task = codegen.task(model.checkpoint, "text-generation", given, options, model.dtype, "cpu", model.head)
    names = script(task)
    assert capsys.readouterr().out
    assert names["result"] == result.items[0]


def test_every_architecture_among_the_sequences_to_sequences_is_known_for_what_it_is() -> None:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    listed = facts.auto_tables()["MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES"]
    stated = {kind: CONFIG_MAPPING[kind]().is_encoder_decoder for kind in listed}
    assert {kind for kind, encodes in stated.items() if not encodes} == set(facts.DECODERS)


def test_a_decoder_among_the_sequences_to_sequences_writes_on_after_its_prompt(tmp_path: Path) -> None:
    checkpoint = tiny_kinds.build(tmp_path, "any-to-any")
    assert not facts.describe(checkpoint).encoder_decoder
    model = models.load(checkpoint, device="cpu", head="AutoModelForSeq2SeqLM")
    made = generate.run(model, "The quick fox", (), GREEDY)
    written = codegen.generate(
        checkpoint, "The quick fox", None, GREEDY, model.dtype, "cpu", head=model.head, steps=made.steps
    )
    assert script(written)["new_ids"] == list(made.ids)


def test_what_writes_at_the_pace_of_a_sound_is_refused_where_there_is_none(tmp_path: Path) -> None:
    model = models.load(tiny_seq2seq.build_tiny_t5(tmp_path), device="cpu")
    assert tasks.supports(model, "text2text-generation")
    (kind,) = facts.HEAR_ALONE
    paced = replace(model, facts=replace(model.facts, model_type=kind))
    assert not tasks.supports(paced, "text2text-generation")
    with pytest.raises(NotSupported, match="can't generate text") as caught:
        generate.run(paced, "The quick fox", (), GREEDY)
    assert "a moment of a sound" in caught.value.why


def _dpr(size: int) -> Any:
    return t.DPRQuestionEncoder(t.DPRConfig(vocab_size=size, max_position_embeddings=64, pad_token_id=0, **SIZES))


def test_the_script_makes_vectors_of_what_lies_below_the_pooling_as_the_task_does(tmp_path: Path) -> None:
    model = models.load(built(tmp_path, _dpr), device="cpu")
    name = "feature-extraction"
    given, options = TaskInput("The quick fox"), tasks.defaults(name)
    result = tasks.run(model, name, given, options)
    names = script(codegen.task(model.checkpoint, name, given, options, model.dtype, "cpu", model.head))
    np.testing.assert_allclose(np.asarray(names["result"]), np.asarray(result.items), atol=1e-5)


def _uneven(size: int) -> Any:
    sizes = SIZES | {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 16}
    parts = {"q_lora_rank": 8, "kv_lora_rank": 8, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8}
    config = t.Dots3NoteTextConfig(
        vocab_size=size, n_routed_experts=4, num_experts_per_tok=2, moe_intermediate_size=16, n_group=1, topk_group=1,
        first_k_dense_replace=1, mlp_layer_types=["dense", "sparse"], index_n_heads=4, index_head_dim=16,
        layer_types=["indexed_attention", "sliding_attention"],
        per_layer_config={1: {"num_attention_heads": 8, "num_key_value_heads": 8}}, **sizes, **parts, **IDS,
    )  # fmt: skip
    return t.Dots3NoteForCausalLM(config)


def test_layers_with_different_numbers_of_heads_are_looked_into(tmp_path: Path) -> None:
    model = models.load(built(tmp_path, _uneven, scale=1.0), device="cpu")
    with pytest.raises(RuntimeError, match="per-layer"):
        model.model.config.num_attention_heads  # noqa: B018  # the library refuses to be asked
    given = inside.read(model, "The quick fox")
    (part,) = inside.look(model, given).parts
    with torch.inference_mode():
        own = model.model(torch.tensor([given.input_ids]), output_hidden_states=True).hidden_states
    assert len(own) == len(part.states) == 3
    for state, expected in zip(part.states, own, strict=True):
        np.testing.assert_allclose(state, expected[0].numpy(), atol=1e-5)
    (maps,) = inside.attend(model, given).kinds
    assert [each.shape[0] for each in maps.maps if each is not None] == [4, 8]
    assert inside.estimate(model, 10).attention == 2 * 8 * 100 * 4
    assert len(generate.run(model, "The quick fox", (), GREEDY).ids) == 5


def _xlnet(size: int) -> Any:
    config = t.XLNetConfig(vocab_size=size, d_model=16, n_layer=2, n_head=2, d_inner=16, **IDS)
    return t.XLNetLMHeadModel(config)


def _xlm(size: int) -> Any:
    config = t.XLMConfig(vocab_size=size, emb_dim=16, n_layers=2, n_heads=2, max_position_embeddings=64,
                         mask_token_id=size - 1, n_langs=1, pad_index=0, **IDS)  # fmt: skip
    return t.XLMWithLMHeadModel(config)


def _roberta(size: int) -> Any:
    config = t.RobertaConfig(vocab_size=size, is_decoder=True, max_position_embeddings=64, **SIZES, **IDS)
    return t.RobertaForCausalLM(config)


@pytest.mark.parametrize("make", [_xlnet, _xlm, _roberta])
def test_the_next_token_is_scored_as_generation_scores_it(make: Any, tmp_path: Path) -> None:
    model = models.load(built(tmp_path, make), device="cpu", head="AutoModelForCausalLM")
    made = generate.run(model, "The quick fox", (), GREEDY)
    scored = forward.next_token(model, made.start)
    np.testing.assert_allclose(scored.float32(), made.steps[0].logits.float32(), atol=1e-5)
    ids = torch.tensor([made.start.context_ids])
    with torch.inference_mode():
        plain = model.model(ids).logits[0, -1].numpy()
    assert not np.allclose(scored.float32(), plain, atol=1e-3), "or there is nothing to be told apart"


def _emu3(size: int) -> Any:
    config = t.Emu3Config(
        text_config=SIZES | {"vocab_size": size, "num_key_value_heads": 2, "head_dim": 8, **IDS},
        vq_config={"codebook_size": 8, "embed_dim": 4, "latent_channels": 4, "base_channels": 32, "hidden_size": 16,
                   "channel_multiplier": [1], "num_res_blocks": 1, "attn_resolutions": [], "num_attention_heads": 1,
                   "temporal_downsample_factor": 1},
        vocabulary_map={"0": 0},
    )  # fmt: skip
    return t.Emu3ForConditionalGeneration(config)


def test_the_writer_of_a_whole_emu3_has_its_own_weights(tmp_path: Path) -> None:
    checkpoint = built(tmp_path, _emu3)
    model = models.load(checkpoint, device="cpu", head="AutoModelForCausalLM")
    assert not model.missing
    whole = t.Emu3ForConditionalGeneration.from_pretrained(tmp_path).eval()
    ids = torch.tensor([model.tokenizer("The quick fox")["input_ids"]])
    with torch.inference_mode():
        torch.testing.assert_close(model.model(ids).logits, whole(ids).logits)


def test_no_head_is_offered_that_the_library_can_not_build_from_the_config(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "musicgen"}))
    assert facts.describe(Checkpoint("musicgen", tmp_path)).heads == ("AutoModelForTextToWaveform",)


@pytest.mark.parametrize("seed", [None, 3])
def test_a_model_that_draws_at_each_pass_says_so(seed: int | None, tmp_path: Path) -> None:
    def reformer(size: int) -> Any:
        config = t.ReformerConfig(
            vocab_size=size, attn_layers=["lsh"], hidden_size=16, num_attention_heads=2, attention_head_size=8,
            feed_forward_size=16, axial_pos_embds=False, is_decoder=True, num_buckets=4, lsh_attn_chunk_length=4,
            max_position_embeddings=64, hash_seed=seed, num_hashes=1, **IDS,
        )  # fmt: skip
        return t.ReformerModelWithLMHead(config)

    model = models.load(built(tmp_path, reformer), device="cpu")
    ids = torch.arange(20, 60)[None]
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(0)
        passes = [model.model(ids, use_cache=False).logits for _ in range(4)]
    alike = all(torch.allclose(passes[0], other, atol=1e-5) for other in passes[1:])
    assert any("anew at each pass" in note for note in model.notes) == (not alike) == (seed is None)


def _openai(size: int) -> Any:
    return t.OpenAIGPTLMHeadModel(t.OpenAIGPTConfig(vocab_size=size, n_positions=64, n_embd=16, n_layer=1, n_head=2))


def _reader(size: int) -> Any:
    config = t.RobertaConfig(vocab_size=size, is_decoder=False, max_position_embeddings=64, **SIZES, **IDS)
    return t.RobertaForCausalLM(config)


def _prophet(size: int) -> Any:
    config = t.ProphetNetConfig(vocab_size=size, hidden_size=16, num_decoder_layers=1, num_encoder_layers=1,
                                num_decoder_attention_heads=2, num_encoder_attention_heads=2, decoder_ffn_dim=16,
                                encoder_ffn_dim=16, max_position_embeddings=64, **IDS)  # fmt: skip
    return t.ProphetNetForCausalLM(config)


@pytest.mark.parametrize(("make", "reason"), [
    (_openai, "keeps nothing"), (_reader, "keeps nothing"), (_prophet, "one new token at a time"), (_roberta, ""),
])  # fmt: skip
def test_guesses_are_offered_where_the_library_can_check_them(make: Any, reason: str, tmp_path: Path) -> None:
    model = models.load(built(tmp_path, make), device="cpu", head="AutoModelForCausalLM")
    why = strategies.supports(model)["prompt_lookup"]
    assert (reason in why) if reason else not why
    text, ways = "the the the the", Strategy(prompt_lookup_num_tokens=2)
    ids = torch.tensor([model.tokenizer(text)["input_ids"]])

    def plain(most: int = 5) -> list[int]:
        made = model.model.generate(ids, do_sample=False, max_new_tokens=most, prompt_lookup_num_tokens=2)
        return made[0, ids.shape[1] :].tolist()

    if reason:
        with pytest.raises((AttributeError, AssertionError)):
            plain(30)
        with pytest.raises(NotSupported, match="can't generate that way"):
            generate.run(model, text, (), GREEDY, strategy=ways)
    else:
        assert list(generate.run(model, text, (), GREEDY, strategy=ways).ids) == plain()
