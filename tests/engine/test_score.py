"""Scores are the library's own numbers, whatever the window; two models are compared where both can be."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench.engine import generate, models, score
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.models import LoadedModel
from workbench.engine.score_difference import compare
from workbench.engine.task import Cancelled, Progress, Silent
from workbench.engine.values import Checkpoint

TEXT = "The quick brown fox jumps over the lazy dog. What a wonderful film, the best I have seen in years!"
FOX = "The quick brown 🦊 jumps"


@pytest.fixture(scope="module")
def twin(llama: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """The same tokenizer, other weights."""
    folder = tmp_path_factory.mktemp("checkpoints") / "twin"
    config = llama.model.config
    with torch.random.fork_rng():
        torch.manual_seed(7)
        type(llama.model)(config).save_pretrained(folder)
    llama.tokenizer.save_pretrained(folder)
    return models.load(Checkpoint("twin", folder), device="cpu")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """Another tokenizer, of whole words and with a bos token in front; and GPT-2's learned positions."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers, processors, trainers
    from tokenizers.models import BPE
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("checkpoints") / "stranger"
    pieces = Tokenizer(BPE())
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    pieces.train_from_iterator([TEXT], trainer)
    pieces.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=pieces, bos_token="<s>", clean_up_tokenization_spaces=False)
    tokenizer.save_pretrained(folder)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=64, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        GPT2LMHeadModel(config).save_pretrained(folder)
    return models.load(Checkpoint("stranger", folder), device="cpu")


class Watched(Silent):
    """Keeps the progress and stops after some reports."""

    def __init__(self, most: int = 1000) -> None:
        self.reports: list[Progress] = []
        self._most = most

    def report(self, progress: Progress) -> None:
        self.reports.append(progress)

    def check(self) -> None:
        if len(self.reports) >= self._most:
            raise Cancelled


def test_each_surprise_is_the_librarys_cross_entropy(llama: LoadedModel) -> None:
    scored = score.score(llama, TEXT)
    ids = torch.tensor([[token.id for token in scored.tokens]])
    with torch.inference_mode():
        output = llama.model(ids, labels=ids)
    losses = torch.nn.functional.cross_entropy(output.logits[0, :-1].float(), ids[0, 1:], reduction="none")
    np.testing.assert_allclose(-scored.logprobs[1:], losses.numpy(), rtol=1e-6, atol=1e-6)
    assert scored.perplexity == pytest.approx(math.exp(output.loss.item()), rel=1e-6)
    assert scored.bits_per_token == pytest.approx(output.loss.item() / math.log(2), rel=1e-6)
    probabilities = output.logits[0, :-1].float().softmax(-1)
    entropies = torch.distributions.Categorical(probs=probabilities).entropy() / math.log(2)
    np.testing.assert_allclose(scored.entropies[1:], entropies.numpy(), rtol=1e-5, atol=1e-5)
    for at in range(1, ids.shape[1]):
        row = output.logits[0, at - 1]
        assert scored.ranks[at] == int((row > row[ids[0, at]]).sum()) + 1
        others = scored.alternatives(at)
        best = probabilities[at - 1].topk(score.ALTERNATIVES)
        assert [other.id for other in others] == best.indices.tolist()
        assert [other.probability for other in others] == pytest.approx(best.values.tolist(), rel=1e-5)


def test_half_precision_is_scored_in_float32(tiny_llama: Checkpoint) -> None:
    model = models.load(tiny_llama, dtype="bfloat16", device="cpu")
    scored = score.score(model, TEXT)
    ids = torch.tensor([[token.id for token in scored.tokens]])
    with torch.inference_mode():
        logits = model.model(ids).logits[0, :-1]
    losses = torch.nn.functional.cross_entropy(logits.float(), ids[0, 1:], reduction="none")
    np.testing.assert_allclose(-scored.logprobs[1:], losses.numpy(), rtol=1e-6, atol=1e-6)


def test_smollm2_reads_a_text_as_the_library_does(smollm2: Checkpoint) -> None:
    model = models.load(smollm2, device="cpu")
    scored = score.score(model, FOX)
    ids = torch.tensor([[token.id for token in scored.tokens]])
    with torch.inference_mode():
        loss = model.model(ids, labels=ids).loss.item()
    assert scored.perplexity == pytest.approx(math.exp(loss), rel=1e-4)
    assert score.usual_window(model) == 8192


def test_the_chunks_a_pass_is_worked_out_in_do_not_show(llama: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = score.score(llama, TEXT)
    monkeypatch.setattr(score, "_CHUNK", 4 * 384 * 3)
    parts = score.score(llama, TEXT)
    for name in ("logprobs", "ranks", "entropies", "top_ids", "top_logprobs"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-6)


def test_without_a_bos_token_the_first_token_is_absent_and_not_zero(llama: LoadedModel) -> None:
    scored = score.score(llama, FOX)
    assert math.isnan(scored.logprobs[0])
    assert scored.ranks[0] == 0
    assert scored.probability(0) is None
    assert scored.alternatives(0) == ()
    assert next(scored.records())["surprise_bits"] is None
    assert scored.scored == len(scored.tokens) - 1
    first = scored.tokens[0].text
    assert scored.scored_text == FOX[len(first) :]
    assert scored.bits_per_byte == pytest.approx(scored.total_bits / len(FOX[len(first) :].encode()))


def test_after_a_bos_token_the_whole_text_is_scored(stranger: LoadedModel) -> None:
    scored = score.score(stranger, "The quick")
    assert scored.tokens[0].special
    assert scored.scored == len(scored.tokens) - 1
    assert scored.scored_text == "The quick"
    assert scored.bits_per_character == pytest.approx(scored.total_bits / len("The quick"))
    bare = score.score(stranger, "The quick", add_special_tokens=False)
    assert bare.scored == scored.scored - 1


def test_a_text_that_begins_inside_a_character_counts_the_character(llama: LoadedModel) -> None:
    scored = score.score(llama, "🦊 fox")
    assert scored.scored_text == "🦊 fox"


@pytest.mark.parametrize(("count", "window", "overlap"), [(2, 2, 1), (10, 4, 1), (10, 4, 3), (100, 32, 16), (9, 64, 1)])
def test_windows_score_each_token_once_with_enough_context(count: int, window: int, overlap: int) -> None:
    cut = score.windows(count, window, overlap)
    assert [at for each in cut for at in range(each.first, each.end)] == list(range(1, count))
    assert all(each.end - each.begin <= window for each in cut)
    assert all(each.first - each.begin >= overlap for each in cut[1:])
    assert cut[0].begin == 0


def test_windows_give_what_each_pass_of_the_library_gives(stranger: LoadedModel) -> None:
    text = " ".join([TEXT] * 6)
    scored = score.score(stranger, text, overlap=20)
    assert len(scored.windows) > 3
    assert scored.windows[0].end == 64
    ids = torch.tensor([token.id for token in scored.tokens])
    wanted = np.full(len(ids), np.nan, np.float32)
    for cut in scored.windows:
        labels = ids[cut.begin : cut.end].clone()
        with torch.inference_mode():
            logits = stranger.model(ids[None, cut.begin : cut.end]).logits[0, :-1]
        losses = torch.nn.functional.cross_entropy(logits, labels[1:], reduction="none")
        wanted[cut.first : cut.end] = -losses[cut.first - cut.begin - 1 :]
    np.testing.assert_allclose(scored.logprobs, wanted, rtol=1e-5, atol=1e-5)


def test_a_longer_context_needs_fewer_windows_and_a_smaller_memory_more(
    llama: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert score.usual_window(llama) == generate.context_of(llama) == 256
    assert len(score.score(llama, TEXT).windows) == 1
    assert len(score.score(llama, TEXT, window=16, overlap=8).windows) > 1
    monkeypatch.setattr(score, "context_of", lambda model: None)
    assert score.usual_window(llama) == score.LOGITS_BUDGET // (384 * 4)


def test_alternatives_stay_within_their_budget(llama: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    assert score.score(llama, TEXT).top_ids.shape[1] == score.ALTERNATIVES
    count = len(score.score(llama, TEXT).tokens)
    monkeypatch.setattr(score, "ALTERNATIVES_BUDGET", 8 * count * 3)
    few = score.score(llama, TEXT)
    assert few.top_ids.nbytes + few.top_logprobs.nbytes <= score.ALTERNATIVES_BUDGET
    assert len(few.alternatives(1)) == 3


def test_progress_counts_tokens_and_a_stop_comes_between_windows(llama: LoadedModel) -> None:
    watched = Watched()
    scored = score.score(llama, TEXT, window=16, overlap=8, task=watched)
    assert [report.done for report in watched.reports[1::2]] == [cut.end for cut in scored.windows]
    assert {report.total for report in watched.reports} == {len(scored.tokens)}
    stopped = Watched(most=4)
    with pytest.raises(Cancelled):
        score.score(llama, TEXT, window=16, overlap=8, task=stopped)
    assert len(stopped.reports) == 4


def test_records_are_plain_and_whole(llama: LoadedModel) -> None:
    scored = score.score(llama, FOX)
    records = json.loads(json.dumps(list(scored.records()), allow_nan=False))
    assert [record["id"] for record in records] == [token.id for token in scored.tokens]
    assert len(records[1]["alternatives"]) == score.ALTERNATIVES


def test_the_pad_token_in_a_text_is_read_like_any_other(llama: LoadedModel) -> None:
    scored = score.score(llama, "<|endoftext|>The quick<|endoftext|>")
    ids = torch.tensor([[token.id for token in scored.tokens]])
    with torch.inference_mode():
        loss = llama.model(ids, attention_mask=torch.ones_like(ids), labels=ids).loss.item()
    assert scored.perplexity == pytest.approx(math.exp(loss), rel=1e-5)


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("", {}, "nothing to score"),
        ("a", {}, "nothing to score"),
        ("half \ud83d", {}, "can't be encoded"),
        (TEXT, {"window": 1}, "window of 1"),
        (TEXT, {"window": 257}, "window of 257"),
        (TEXT, {"window": 8, "overlap": 8}, "overlap of 8"),
        (TEXT, {"overlap": 0}, "overlap of 0"),
    ],
)
def test_what_can_not_be_scored_is_refused_in_words(llama: LoadedModel, text: str, options: dict, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        score.score(llama, text, **options)
    assert caught.value.why
    assert caught.value.remedy


def test_models_that_have_no_left_to_right_probability_say_why(
    llama: LoadedModel, tiny_bert: Checkpoint, tmp_path: Path
) -> None:
    from transformers import T5Config, T5ForConditionalGeneration

    masked = models.load(tiny_bert, device="cpu")
    assert "masked" in score.supports(masked)
    with pytest.raises(NotSupported, match="both sides"):
        score.score(masked, TEXT)
    config = T5Config(vocab_size=384, d_model=16, d_kv=4, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0)
    T5ForConditionalGeneration(config).save_pretrained(tmp_path)
    llama.tokenizer.save_pretrained(tmp_path)
    t5 = models.load(Checkpoint("t5", tmp_path), device="cpu")
    assert "encoder-decoder" in score.supports(t5)
    with pytest.raises(NotSupported):
        score.score(t5, TEXT)
    assert "AutoModel;" in score.supports(models.load(tiny_bert, head="AutoModel", device="cpu"))
    assert "tokenizer" in score.supports(replace(llama, tokenizer=None))
    assert score.supports(llama) == ""


def test_an_encoder_under_a_causal_head_is_found_out(tiny_bert: Checkpoint) -> None:
    model = models.load(tiny_bert, head="AutoModelForCausalLM", device="cpu")
    assert score.supports(model) == ""
    with pytest.raises(NotSupported, match="behind a position"):
        score.score(model, "a film")


def test_a_decoder_whose_config_denies_it_is_scored(llama: LoadedModel, tmp_path: Path) -> None:
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    config = GPTNeoXConfig(
        vocab_size=384, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    GPTNeoXForCausalLM(config).save_pretrained(tmp_path)
    llama.tokenizer.save_pretrained(tmp_path)
    model = models.load(Checkpoint("neox", tmp_path), device="cpu")
    assert not model.model.config.is_decoder
    assert score.score(model, TEXT).scored > 10


def test_nan_is_said_and_not_shown(tiny_llama: Checkpoint) -> None:
    model = models.load(tiny_llama, device="cpu")
    with torch.no_grad():
        model.model.model.norm.weight.fill_(math.nan)
    with pytest.raises(NotSupported, match="NaN"):
        score.score(model, TEXT)


def test_ids_beyond_the_model_are_refused(llama: LoadedModel, stranger: LoadedModel) -> None:
    mixed = replace(stranger, tokenizer=llama.tokenizer)
    high = llama.tokenizer.convert_ids_to_tokens(len(llama.tokenizer) - 1)
    text = f"The {llama.tokenizer.convert_tokens_to_string([high])} The"
    with pytest.raises(NotSupported, match="can't read this text"):
        score.score(mixed, f"{text} {TEXT}")


def test_with_the_same_ids_the_difference_is_by_token(llama: LoadedModel, twin: LoadedModel) -> None:
    first, second = score.score(llama, FOX), score.score(twin, FOX)
    found = compare(first, second)
    assert found.same_ids
    assert len(found.spans) == len(first.tokens)
    assert found.spans[0].difference is None
    for at, span in enumerate(found.spans[1:], 1):
        assert span.difference == pytest.approx(first.surprises[at] - second.surprises[at])
        assert span.first == span.second == (at, at + 1)
    assert found.bits == pytest.approx((first.total_bits, second.total_bits))
    assert found.shared_bytes == len(first.scored_text.encode())
    assert all(span.difference in (None, 0.0) for span in compare(first, first).spans)


def test_with_other_tokenizers_the_difference_is_by_what_both_cut(llama: LoadedModel, stranger: LoadedModel) -> None:
    text = f"{TEXT} {FOX} über"
    first, second = score.score(llama, text), score.score(stranger, text)
    found = compare(first, second)
    assert not found.same_ids
    assert "".join(span.text for span in found.spans) == text
    assert found.spans[0].first_bits is None
    assert found.spans[0].second_bits is not None
    assert found.spans[0].difference is None
    for scored, which in ((first, "first"), (second, "second")):
        places = [getattr(span, which) for span in found.spans]
        assert [begin for begin, _ in places[1:]] == [end for _, end in places[:-1]]
        assert places[-1][1] == len(scored.tokens)
        for span in found.spans:
            begin, end = getattr(span, which)
            own = scored.tokens[begin:end]
            assert {span.start, span.end} == {own[0].offsets[0], own[-1].offsets[1]}
            bits = getattr(span, f"{which}_bits")
            assert bits is None or bits == pytest.approx(scored.surprises[begin:end].sum())
    both = text[found.spans[0].end :]
    assert found.shared_bytes == len(both.encode())
    assert found.bits[1] == pytest.approx(second.total_bits - found.spans[0].second_bits)


def test_scores_of_two_texts_are_not_compared(llama: LoadedModel) -> None:
    with pytest.raises(InputError):
        compare(score.score(llama, TEXT), score.score(llama, FOX))
