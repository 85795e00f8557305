"""A watermark is the library's: in the run, in the trace of any step, in the script, and to the library's detector."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests import tiny_seq2seq
from tests.families import build
from workbench.engine import codegen, generate
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.generate import detecting, strategies
from workbench.engine.generate.inputs import inputs, prepare_start
from workbench.engine.models import LoadedModel, load
from workbench.engine.presets import of_checkpoint
from workbench.engine.sampling import Distribution, Knobs, check, fields
from workbench.engine.task import Silent
from workbench.engine.values import Branch, Checkpoint, Logits, Sampling, Situation, Step, Strategy, Watermark

PROMPT = "The quick brown fox jumps over the lazy dog."
GREEN = Watermark(greenlist_ratio=0.3, bias=2.5)
SELF = Watermark(seeding_scheme="selfhash", context_width=2)
SYNTHID = Watermark(kind="synthid", ngram_len=3, keys=(654, 400, 836, 123))
MARKS = [GREEN, SELF, SYNTHID]
DRAWN = Sampling(temperature=0.9, top_k=40, top_p=0.95, repetition_penalty=1.1, max_new_tokens=24, seed=3)
GREEDY = Sampling(do_sample=False, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=24)


def marked(mark: Watermark | None, knobs: Sampling = DRAWN, **changes: Any) -> Sampling:
    return dataclasses.replace(knobs, watermarking_config=mark, **changes)


def plain(model: LoadedModel, sampling: Sampling, **settings: Any) -> list[list[int]]:
    """New ids that ``model.generate`` gives by itself."""
    given = inputs(model, prepare_start(model, PROMPT))
    with torch.random.fork_rng():
        torch.manual_seed(sampling.seed)
        output = model.model.generate(
            **given.kwargs, **fields(sampling), max_new_tokens=sampling.max_new_tokens, **settings
        )
    return [row[given.length :].tolist() for row in output]


def written(model: LoadedModel, sampling: Sampling, **more: Any) -> generate.Generation:
    return generate.stream(model, prepare_start(model, PROMPT), sampling, **more)


def script(model: LoadedModel, sampling: Sampling, **more: Any) -> tuple[int, ...]:
    """New ids that Show code's script writes."""
    source = codegen.generate(
        model.checkpoint, PROMPT, None, sampling, model.dtype, model.device, head=model.head, **more
    )
    names: dict[str, Any] = {"__name__": "__main__"}
    with torch.random.fork_rng():
        exec(compile(source, "script.py", "exec"), names)
    return tuple(names["new_ids"])


def branch_of(model: LoadedModel, made: generate.Generation, strategy: Strategy | None = None) -> Branch:
    assert made.start is not None
    return Branch(0, "main", None, made.start, made.steps, strategy or Strategy(), model.checkpoint.name)


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("knobs", [DRAWN, GREEDY])
def test_a_marked_text_is_the_library_s_and_the_script_s(llama, mark: Watermark, knobs: Sampling, capsys) -> None:
    sampling = marked(mark, knobs)
    made = written(llama, sampling)
    assert [list(made.ids)] == plain(llama, sampling)
    assert not knobs.do_sample or made.ids != written(llama, knobs).ids
    assert script(llama, sampling) == made.ids


def test_what_a_decoder_writes_bears_the_mark_too(tmp_path: Path, capsys) -> None:
    t5 = load(tiny_seq2seq.build_tiny_t5(tmp_path / "t5"), head="AutoModelForSeq2SeqLM", device="cpu")
    for mark in MARKS:
        sampling = marked(mark, max_new_tokens=10)
        made = written(t5, sampling)
        assert [list(made.ids)] == plain(t5, sampling)
        assert script(t5, sampling) == made.ids
        step = made.steps[-1]
        assert step.logits is not None
        trace = Distribution(step.logits, branch_of(t5, made).situation(step.index)).trace(sampling)
        assert trace.probabilities[step.token_id] == pytest.approx(step.after, abs=1e-6)


@pytest.mark.parametrize("mark", MARKS)
def test_the_trace_of_every_step_shows_the_mark_as_the_library_s_processor_made_it(llama, mark: Watermark) -> None:
    sampling = marked(mark, renormalize_logits=True)
    made = written(llama, sampling)
    branch = branch_of(llama, made)
    given = inputs(llama, prepare_start(llama, PROMPT))
    with torch.random.fork_rng():
        torch.manual_seed(sampling.seed)
        output = llama.model.generate(
            **given.kwargs,
            **fields(sampling),
            max_new_tokens=sampling.max_new_tokens,
            output_scores=True,
            return_dict_in_generate=True,
        )
    for step, scores in zip(made.steps, output.scores, strict=True):
        assert step.logits is not None
        distribution = Distribution(step.logits, branch.situation(step.index))
        trace = distribution.trace(sampling)
        assert [act.name for act in trace.acts][-2:] == ["watermarking_config", "renormalize_logits"]
        np.testing.assert_allclose(trace.probabilities, scores[0].softmax(-1).numpy(), atol=1e-6)
        assert trace.probabilities[step.token_id] == pytest.approx(step.after, abs=1e-6)
        cut = int(np.argmin(np.where(trace.cut > 0, trace.probabilities, 1.0)))
        assert trace.kept <= 40
        assert trace.cut_by(cut) in ("top_k", "top_p")
        assert "remove_invalid" not in trace.why(cut)


def test_moving_the_mark_redraws_a_step_and_off_is_off(llama) -> None:
    made = written(llama, DRAWN)
    step = made.steps[4]
    assert step.logits is not None
    distribution = Distribution(step.logits, branch_of(llama, made).situation(4))
    before = distribution.trace(DRAWN)
    assert "watermarking_config" not in [act.name for act in before.acts]
    after = distribution.trace(marked(GREEN))
    stronger = distribution.trace(marked(dataclasses.replace(GREEN, bias=8.0)))
    assert after.kept == before.kept == stronger.kept
    green = after.probabilities / np.where(before.probabilities > 0, before.probabilities, np.inf)
    more = stronger.probabilities / np.where(after.probabilities > 0, after.probabilities, np.inf)
    assert set(np.flatnonzero(more > 1)) <= set(np.flatnonzero(green > 1))
    np.testing.assert_array_equal(distribution.trace(DRAWN).probabilities, before.probabilities)


def test_the_mark_stands_for_the_whole_run_though_knobs_move(llama, capsys) -> None:
    for mark in MARKS:
        knobs = Knobs(marked(mark, seed=5))
        moved = marked(None, temperature=1.4, top_k=0, seed=5)

        class Moving(Silent):
            def send(self, part: object) -> None:
                if isinstance(part, Step) and part.index == 8:
                    knobs.current = moved  # noqa: B023

        made = generate.stream(llama, prepare_start(llama, PROMPT), knobs, task=Moving())
        assert {step.sampling.watermarking_config for step in made.steps} == {mark}
        assert {step.sampling.temperature for step in made.steps} == {0.9, 1.4}
        assert script(llama, moved, steps=made.steps) == made.ids
        branch = branch_of(llama, made)
        for step in made.steps[7:12]:
            assert step.logits is not None
            trace = Distribution(step.logits, branch.situation(step.index)).trace(step.sampling)
            assert trace.probabilities[step.token_id] == pytest.approx(step.after, abs=1e-6)


def test_a_branch_bears_the_mark_as_generate_gives_it_from_there(llama) -> None:
    for mark in MARKS:
        sampling = marked(mark, max_new_tokens=12)
        made = written(llama, sampling)
        assert made.start is not None
        again = generate.branch(llama, made.start, made.steps[:5], None, sampling)
        ids = torch.tensor([[*made.start.context_ids, *made.ids[:5]]])
        with torch.random.fork_rng():
            torch.manual_seed(sampling.seed)
            output = llama.model.generate(
                ids, attention_mask=torch.ones_like(ids), **fields(sampling), max_new_tokens=12
            )
        assert list(again.ids) == output[0, ids.shape[1] :].tolist()


def test_sequences_beams_and_guesses_bear_it_as_in_the_library(llama) -> None:
    for mark in MARKS:
        sampling = marked(mark, max_new_tokens=10)
        made = written(llama, sampling, strategy=Strategy(num_return_sequences=3))
        for steps, row in zip(made.sequences, plain(llama, sampling, num_return_sequences=3), strict=True):
            assert [step.token_id for step in steps] == row[: len(steps)]
    for strategy, settings in (
        (Strategy(num_beams=3), {"num_beams": 3}),
        (Strategy(prompt_lookup_num_tokens=3), {"prompt_lookup_num_tokens": 3}),
        (Strategy(assistant_early_exit=1, num_assistant_tokens=3), {"assistant_early_exit": 1}),
    ):
        sampling = marked(GREEN, GREEDY, max_new_tokens=10)
        assert [list(written(llama, sampling, strategy=strategy).ids)] == plain(llama, sampling, **settings)
        with pytest.raises(InputError, match="go together"):
            written(llama, marked(SYNTHID), strategy=strategy)


def test_the_script_of_one_step_has_the_mark(llama, capsys) -> None:
    for mark in MARKS:
        sampling = marked(mark)
        made = written(llama, sampling)
        situation = branch_of(llama, made).situation(6)
        source = codegen.probabilities(llama.checkpoint, situation, sampling, llama.dtype, llama.device)
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(source, "script.py", "exec"), names)
        step = made.steps[6]
        assert step.logits is not None
        trace = Distribution(step.logits, situation).trace(sampling)
        np.testing.assert_allclose(names["after"].numpy(), trace.probabilities, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "ink"}, "green or synthid"),
        ({"greenlist_ratio": 0.0}, "between 0 and 1"),
        ({"greenlist_ratio": 1.0}, "between 0 and 1"),
        ({"bias": float("nan")}, "-100 to 100"),
        ({"hashing_key": 0}, "from 1 to"),
        ({"seeding_scheme": "righthash"}, "lefthash or selfhash"),
        ({"context_width": 0}, "1 or more"),
        ({"kind": "synthid", "ngram_len": 1}, "2 or more"),
        ({"kind": "synthid", "keys": ()}, "1 to 64 numbers"),
        ({"kind": "synthid", "keys": (-1,)}, "numbers from 0"),
    ],
)
def test_a_mark_past_its_limits_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        check(marked(dataclasses.replace(Watermark(), **change)))


def test_a_tournament_among_no_tokens_is_told_as_such() -> None:
    logits = Logits(np.zeros(8, dtype=np.float32), "float32")
    sampling = marked(SYNTHID, suppress_tokens=tuple(range(8)), top_k=0, top_p=1.0, repetition_penalty=1.0)
    assert Distribution(logits, Situation((1, 2), 2)).trace(sampling).kept == 0


def test_knobs_that_cut_every_token_end_a_marked_run_by_their_name(llama) -> None:
    size = llama.model.config.vocab_size
    for mark in MARKS:
        with pytest.raises(InputError, match="leave no token") as caught:
            written(llama, marked(mark, suppress_tokens=tuple(range(size))))
        assert "suppress_tokens" in caught.value.why


def test_a_green_list_that_misses_all_it_looks_at_says_so(llama) -> None:
    rare = dataclasses.replace(SELF, greenlist_ratio=0.003)
    with pytest.raises(InputError, match="put on this step") as caught:
        written(llama, marked(rare))
    assert "lefthash" in caught.value.remedy
    logits = Logits(np.arange(384, dtype=np.float32), "float32")
    with pytest.raises(InputError, match="put on this step"):
        Distribution(logits, Situation((1, 2, 3), 3)).trace(marked(rare))


def test_a_model_that_scores_another_number_of_tokens_can_t_bear_it(tiny_llama: Checkpoint, tmp_path) -> None:
    model = load(build("llama", tmp_path / "llama", tiny_llama), device="cpu")
    assert strategies.supports(model)["watermarking_config"] == ""
    model.model.config.vocab_size += 1
    assert "another number" in strategies.supports(model)["watermarking_config"]
    with pytest.raises(NotSupported, match="can't generate that way"):
        written(model, marked(GREEN))


def test_the_checkpoint_s_own_mark_is_in_its_preset(llama) -> None:
    from transformers import SynthIDTextWatermarkingConfig, WatermarkingConfig

    own = llama.model.generation_config
    try:
        own.watermarking_config = WatermarkingConfig(bias=1.5, context_width=2)
        assert of_checkpoint(llama)[0].watermarking_config == Watermark(bias=1.5, context_width=2)
        own.watermarking_config = SynthIDTextWatermarkingConfig(ngram_len=4, keys=[1, 2])
        assert of_checkpoint(llama)[0].watermarking_config == Watermark(kind="synthid", ngram_len=4, keys=(1, 2))
    finally:
        own.watermarking_config = None


def test_the_verdict_is_the_library_s_detector_s(llama) -> None:
    from transformers import WatermarkDetector, WatermarkingConfig

    for mark in (GREEN, SELF):
        settings = {name: getattr(mark, name) for name in ("greenlist_ratio", "bias", "seeding_scheme")}
        config = WatermarkingConfig(**settings, context_width=mark.context_width)
        detector = WatermarkDetector(llama.model.config, "cpu", config)
        for sampling in (marked(mark, max_new_tokens=60), dataclasses.replace(DRAWN, max_new_tokens=60)):
            ids = written(llama, sampling, strategy=Strategy(eos_token_ids=())).ids
            said = detector(torch.tensor([ids]), return_dict=True)
            verdict = detecting.detect(mark, ids, llama.model.config.vocab_size)
            assert (verdict.tokens, verdict.green) == (said.num_tokens_scored[0], said.num_green_tokens[0])
            assert (verdict.z, verdict.p) == (said.z_score[0], said.p_value[0])
            assert verdict.found == bool(said.prediction[0]) == (sampling.watermarking_config is not None)


def test_a_verdict_that_can_t_be_given_says_why(llama) -> None:
    with pytest.raises(InputError, match="too short"):
        detecting.detect(GREEN, (5,), 384)
    with pytest.raises(NotSupported, match="trained"):
        detecting.detect(SYNTHID, (5, 6, 7, 8), 384)
