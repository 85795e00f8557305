"""What is seen inside a model is what the library computes, for every family, and the model stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from tests import families
from workbench.engine import generate, inside, models
from workbench.engine.errors import InputError, NotSupported, OutOfMemory
from workbench.engine.generate.inputs import prepare_start
from workbench.engine.inside import Inside, attention, embeddings, given, lens
from workbench.engine.inside.states import Watch
from workbench.engine.models import LoadedModel
from workbench.engine.task import Cancelled, Progress, Silent
from workbench.engine.values import Checkpoint, Start, TaskInput

FOX = "The quick brown fox jumps over the lazy dog."
#: Families whose head does more than multiply: they scale, cap, project or add.
MORE = {
    "gemma3": {"final_logit_softcapping": 3.0, "attn_logit_softcapping": 20.0},
    "granite": {"logits_scaling": 4.0},
    "opt": {"word_embed_proj_dim": 16},
}


def build(llama: LoadedModel, name: str, **given: Any) -> LoadedModel:
    """A tiny model of a family, in memory alone, with the llama's tokenizer."""
    kind, sizes = families.FAMILIES[name]
    config = getattr(transformers, kind)(vocab_size=384, initializer_range=0.2, **(sizes | MORE.get(name, {}) | given))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = transformers.AutoModelForCausalLM.from_config(config).eval()
    return replace(llama, model=net)


@pytest.fixture(scope="module")
def family(llama: LoadedModel) -> Callable[[str], LoadedModel]:
    known: dict[str, LoadedModel] = {}

    def make(name: str) -> LoadedModel:
        if name not in known:
            known[name] = build(llama, name)
        return known[name]

    return make


def plain(model: LoadedModel, text: str = FOX, **asked: bool) -> Any:
    """The library's own pass over the tokenizer's own call."""
    encoded = model.tokenizer(text, return_tensors="pt")
    if model.generates and not model.encoder_decoder:
        encoded.pop("token_type_ids", None)
    with torch.inference_mode():
        return model.model(**encoded, **asked)


def as_it_was(model: LoadedModel) -> bool:
    """Whether nothing of ours is left in it; the library leaves hooks of its own."""
    modules = list(model.model.modules())
    hooks = [hook for module in modules for hook in module._forward_hooks.values()]
    ours = [hook for hook in hooks if isinstance(getattr(hook, "__self__", None), Watch)]
    return not ours and not any("forward" in module.__dict__ for module in modules)


def check_last_row(found: Inside, logits: torch.Tensor) -> None:
    seen = found.lens
    assert seen is not None, found.why_no_lens
    probabilities = logits[0].float().softmax(-1)
    best = probabilities.topk(seen.top_ids.shape[-1])
    assert np.array_equal(seen.top_ids[-1], best.indices.numpy())
    np.testing.assert_allclose(seen.top_probabilities[-1], best.values.numpy(), rtol=1e-5, atol=1e-7)
    entropies = -(probabilities * probabilities.log2()).nansum(-1)
    np.testing.assert_allclose(seen.entropies[-1], entropies.numpy(), rtol=1e-4, atol=1e-5)
    assert np.array_equal(seen.final_ids, logits[0].argmax(-1).numpy())
    assert (seen.final_ranks[-1] == 1).all()


@pytest.mark.parametrize("name", families.FAMILIES)
def test_states_and_the_last_row_of_the_lens_are_the_library_s(family: Callable[[str], LoadedModel], name: str) -> None:
    model = family(name)
    found = inside.look(model, inside.read(model, FOX))
    out = plain(model, output_hidden_states=True)
    (part,) = found.parts
    for ours, theirs in zip(part.states, out.hidden_states, strict=True):
        np.testing.assert_array_equal(ours, theirs[0].numpy())
    norms = torch.stack([state[0].norm(dim=-1) for state in out.hidden_states])
    np.testing.assert_allclose(part.norms, norms.numpy(), rtol=1e-5)
    assert len(part.rows) == len(out.hidden_states)
    assert list(part.ids) == model.tokenizer(FOX)["input_ids"]
    check_last_row(found, out.logits)
    assert as_it_was(model)


@pytest.mark.parametrize("name", families.FAMILIES)
def test_the_other_rows_are_what_the_model_says_when_its_last_layer_returns_that_state(
    family: Callable[[str], LoadedModel], name: str
) -> None:
    model = family(name)
    found = inside.look(model, inside.read(model, FOX))
    assert found.lens is not None
    (part,) = found.parts
    layers = model.model.get_submodule(part.path)
    for row, state in enumerate(part.states[:-1]):
        whole = torch.from_numpy(state)[None]
        hook = layers[-1].register_forward_hook(
            lambda module, args, out, whole=whole: (whole, *out[1:]) if isinstance(out, tuple) else whole
        )
        logits = plain(model).logits[0]
        hook.remove()
        probabilities = logits.softmax(-1)
        np.testing.assert_allclose(
            found.lens.top_probabilities[row], probabilities.topk(10).values.numpy(), rtol=1e-4, atol=1e-6
        )
        answers = torch.from_numpy(found.lens.final_ids).long()[:, None]
        np.testing.assert_allclose(
            found.lens.final_probabilities[row], probabilities.gather(-1, answers)[:, 0].numpy(), rtol=1e-4, atol=1e-7
        )
        ranks = (logits > logits.gather(-1, answers)).sum(-1) + 1
        assert np.array_equal(found.lens.final_ranks[row], ranks.numpy())


@pytest.mark.parametrize(
    ("name", "norm", "after"),
    [
        ("llama", "model.norm", lambda logits: logits),
        ("gpt2", "transformer.ln_f", lambda logits: logits),
        ("granite", "model.norm", lambda logits: logits / 4.0),
        ("gemma3", "model.norm", lambda logits: 3.0 * torch.tanh(logits / 3.0)),
    ],
)
def test_the_lens_is_final_norm_and_head_as_the_papers_write_it(
    family: Callable[[str], LoadedModel], name: str, norm: str, after: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    model = family(name)
    found = inside.look(model, inside.read(model, FOX))
    assert found.lens is not None
    states = plain(model, output_hidden_states=True).hidden_states
    for row, state in enumerate(states[:-1]):
        with torch.inference_mode():
            logits = after(model.model.get_output_embeddings()(model.model.get_submodule(norm)(state)))[0]
        np.testing.assert_allclose(
            found.lens.top_probabilities[row], logits.softmax(-1).topk(10).values.numpy(), rtol=1e-4, atol=1e-6
        )


#: Layers that are shared, return lists or hold several streams a position; and what is behind the class of their names.
ODD = {
    "Albert": ("ForMaskedLM", {"embedding_size": 16}),
    "OpenAIGPT": ("LMHeadModel", {}),
    "DeepseekV4": ("ForCausalLM", {}),
}


@pytest.mark.parametrize("name", ODD)
def test_layers_of_other_makes_are_read_too(llama: LoadedModel, name: str) -> None:
    behind, more = ODD[name]
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = getattr(transformers, f"{name}Config")(vocab_size=384, initializer_range=0.2, **(sizes | more))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = getattr(transformers, name + behind)(config).eval()
    head = "AutoModelForMaskedLM" if name == "Albert" else "AutoModelForCausalLM"
    model = replace(llama, model=net, head=head)
    found = inside.look(model, inside.read(model, FOX))
    encoded = model.tokenizer(FOX, return_tensors="pt")
    with torch.inference_mode():
        out = net(**encoded, output_hidden_states=True)
    (part,) = found.parts
    for ours, theirs in zip(part.states, out.hidden_states, strict=True):
        # Several streams stand side by side.
        np.testing.assert_array_equal(ours, theirs[0].flatten(1).numpy())
    check_last_row(found, out.logits)
    assert part.rows[:2] == ("embeddings", "layer 1")
    names: dict[str, Any] = {}
    exec(
        "\n".join(["states = out.hidden_states", f"states = [{part.layout or 'state'} for state in states]"]),
        {"out": out},
        names,
    )
    assert names["states"][0].shape == (1, *part.states[0].shape)
    assert as_it_was(model)


def test_rows_are_named_by_what_gave_them(family: Callable[[str], LoadedModel], tiny_bert: Checkpoint) -> None:
    def rows(model: LoadedModel) -> tuple[str, ...]:
        return inside.look(model, inside.read(model, FOX)).parts[0].rows

    assert rows(family("llama")) == ("embeddings", "layer 1", "layer 2 + norm")
    assert rows(models.load(tiny_bert, device="cpu")) == ("embeddings", "layer 1", "layer 2")
    # Mamba returns no embeddings, but both what its last layer gives and what the norm makes of that.
    assert rows(family("mamba")) == ("layer 1", "layer 2", "norm")


def test_bfloat16_is_read_in_its_own_precision(llama: LoadedModel, tiny_llama: Checkpoint) -> None:
    half = models.load(tiny_llama, device="cpu", dtype="bfloat16")
    found = inside.look(half, inside.read(half, FOX))
    check_last_row(found, plain(half).logits)
    assert found.parts[0].states[0].dtype == np.float32


def test_logits_some_positions_at_a_time_are_the_same(llama: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = inside.look(llama, inside.read(llama, FOX)).lens
    monkeypatch.setattr(lens, "_CHUNK", 4 * 384 * 5)
    parts = inside.look(llama, inside.read(llama, FOX)).lens
    assert whole is not None
    assert parts is not None
    np.testing.assert_array_equal(whole.final_ranks, parts.final_ranks)
    np.testing.assert_allclose(whole.top_probabilities, parts.top_probabilities, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(whole.entropies, parts.entropies, rtol=1e-5)


# Encoders, and encoders with a decoder.


def test_a_masked_model_answers_at_the_position_itself(tiny_bert: Checkpoint) -> None:
    bert = models.load(tiny_bert, device="cpu")
    found = inside.look(bert, inside.read(bert, FOX))
    check_last_row(found, plain(bert).logits)
    assert not found.writes


def test_a_tagger_is_read_by_its_labels(tiny_bert_tagger: Checkpoint) -> None:
    tagger = models.load(tiny_bert_tagger, device="cpu")
    found = inside.look(tagger, inside.read(tagger, FOX))
    check_last_row(found, plain(tagger).logits)
    assert found.lens is not None
    assert set(found.lens.spell(found.lens.top_ids[0, 0].tolist())) == set(tagger.facts.labels)


def test_without_answers_by_position_the_reason_is_said_and_the_states_are_there(
    tiny_bert: Checkpoint, tiny_bert_classifier: Checkpoint
) -> None:
    bare = models.load(tiny_bert, head="AutoModel", device="cpu")
    judge = models.load(tiny_bert_classifier, device="cpu")
    for model, reason in ((bare, "no words or labels by position"), (judge, "one answer for the whole text")):
        found = inside.look(model, inside.read(model, FOX))
        assert found.lens is None
        assert reason in found.why_no_lens
        assert len(found.parts[0].states) == 3


@pytest.mark.parametrize(
    "head", ["AutoModelForQuestionAnswering", "AutoModelForMultipleChoice", "AutoModelForNextSentencePrediction"]
)
def test_models_of_other_tasks_show_states_and_attention(tmp_path: Path, head: str) -> None:
    from tests import tiny_tasks

    model = models.load(tiny_tasks.build_tiny_head(tmp_path / "model", head), device="cpu")
    looked = inside.read(model, FOX)
    found = inside.look(model, looked)
    assert found.why_no_lens
    encoded = model.tokenizer(FOX, return_tensors="pt")
    with torch.inference_mode():
        out = model.model.base_model(**encoded, output_hidden_states=True)
    for ours, theirs in zip(found.parts[0].states, out.hidden_states, strict=True):
        np.testing.assert_array_equal(ours, theirs[0].numpy())
    (kind,) = inside.attend(model, looked).kinds
    assert np.shape(kind.maps[0]) == (4, len(looked.tokens), len(looked.tokens))


@pytest.fixture(scope="module", params=["t5", "bart"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    from tests import tiny_seq2seq

    build = {"t5": tiny_seq2seq.build_tiny_t5, "bart": tiny_seq2seq.build_tiny_bart}[request.param]
    return models.load(build(tmp_path_factory.mktemp("checkpoints") / request.param), device="cpu")


def test_encoder_and_decoder_are_shown_apart(both: LoadedModel) -> None:
    start = prepare_start(both, FOX)
    looked = inside.follow(both, start, (20, 30, 40))
    found = inside.look(both, looked)
    encoder, decoder = found.parts
    assert (encoder.name, decoder.name) == ("encoder", "decoder")
    assert encoder.ids == start.encoding.input_ids
    assert decoder.ids == (*start.decoder_start, 20, 30, 40)
    ids = torch.tensor([encoder.ids])
    with torch.inference_mode():
        out = both.model(
            input_ids=ids, attention_mask=torch.ones_like(ids), decoder_input_ids=torch.tensor([decoder.ids]),
            output_hidden_states=True,
        )  # fmt: skip
    for part, states in ((encoder, out.encoder_hidden_states), (decoder, out.decoder_hidden_states)):
        for ours, theirs in zip(part.states, states, strict=True):
            np.testing.assert_array_equal(ours, theirs[0].numpy())
    check_last_row(found, out.logits)
    kinds = {kind.name: kind for kind in inside.attend(both, looked).kinds}
    assert {name: np.shape(kind.maps[0])[1:] for name, kind in kinds.items()} == {
        "encoder": (len(encoder.ids), len(encoder.ids)),
        "decoder": (len(decoder.ids), len(decoder.ids)),
        "decoder to encoder": (len(decoder.ids), len(encoder.ids)),
    }
    assert as_it_was(both)


def test_heads_that_shift_the_input_themselves_have_both_parts(both: LoadedModel) -> None:
    bare = replace(both, model=both.model.model if hasattr(both.model, "model") else both.model, head="AutoModel")
    found = inside.look(bare, inside.read(bare, FOX))
    assert [part.name for part in found.parts] == ["encoder", "decoder"]
    assert found.parts[1].ids[0] == both.model.config.decoder_start_token_id


# Attention.


@pytest.mark.parametrize("name", [name for name in families.FAMILIES if name != "mamba"])
def test_attention_maps_are_those_of_a_model_loaded_with_eager_attention(
    family: Callable[[str], LoadedModel], name: str
) -> None:
    model = family(name)
    before = model.model.config._attn_implementation
    found = inside.attend(model, inside.read(model, FOX))
    assert model.model.config._attn_implementation == before
    config = type(model.model.config).from_dict(model.model.config.to_dict())
    config._attn_implementation = "eager"
    other = replace(model, model=type(model.model)(config).eval())
    other.model.load_state_dict(model.model.state_dict())
    theirs = [each for each in plain(other, output_attentions=True).attentions if each is not None]
    (kind,) = found.kinds
    assert len(kind.maps) == len(theirs)
    for ours, wanted in zip(kind.maps, theirs, strict=True):
        np.testing.assert_allclose(ours, wanted[0].numpy(), rtol=1e-4, atol=1e-6)
    assert kind.tokens == kind.others
    assert as_it_was(model)


def test_a_layer_without_attention_is_not_counted_as_one(family: Callable[[str], LoadedModel]) -> None:
    (kind,) = inside.attend(family("lfm2"), inside.read(family("lfm2"), FOX)).kinds
    assert (kind.layers, kind.picks) == (("layer 2",), ("attentions[0][0]",))


def test_what_was_not_computed_is_absent_and_never_zero(family: Callable[[str], LoadedModel]) -> None:
    mamba = family("mamba")
    with pytest.raises(NotSupported, match="no attention maps"):
        inside.attend(mamba, inside.read(mamba, FOX))


def test_maps_that_are_too_many_are_kept_for_one_layer_alone(
    llama: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = inside.read(llama, FOX)
    (whole,) = inside.attend(llama, looked).kinds
    monkeypatch.setattr(attention, "KEPT", 1)
    for layer in (0, 1, -1):
        (kind,) = inside.attend(llama, looked, kind="model", layer=layer).kinds
        assert [maps is not None for maps in kind.maps] == [place == layer % 2 for place in range(2)]
        np.testing.assert_array_equal(kind.maps[layer], whole.maps[layer])


def test_maps_that_are_too_large_are_refused_before_the_pass(
    llama: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = inside.read(llama, FOX)
    needed = inside.estimate(llama, len(looked.tokens)).attention
    (kind,) = inside.attend(llama, looked).kinds
    assert needed == sum(maps.nbytes for maps in kind.maps if maps is not None)
    monkeypatch.setattr(attention, "ATTENTION_BUDGET", needed - 1)
    with pytest.raises(InputError, match=f"Look at {len(looked.tokens) - 1} positions or fewer"):
        inside.attend(llama, looked)


# Embeddings.


def test_neighbours_are_those_of_the_library_s_cosine(llama: LoadedModel) -> None:
    found = inside.look(llama, inside.read(llama, FOX))
    (part,) = found.parts
    matrix = llama.model.get_input_embeddings().weight.detach()
    own = inside.vectors(llama, part, inside.EMBEDDING)
    np.testing.assert_array_equal(own, matrix[list(part.ids)].numpy())
    np.testing.assert_array_equal(inside.vectors(llama, part, 1), part.states[1])
    for vector in (own[3], part.states[1][3]):
        cosines = torch.nn.functional.cosine_similarity(matrix, torch.from_numpy(vector)[None])
        near = inside.neighbours(llama, vector, count=7)
        assert [each.cosine for each in near] == pytest.approx(cosines.topk(7).values.tolist(), rel=1e-5)
        assert [each.id for each in near] == cosines.topk(7).indices.tolist()
    assert inside.neighbours(llama, own[3])[0].id == part.ids[3]


def test_the_vocabulary_is_compared_some_rows_at_a_time(llama: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    vector = llama.model.get_input_embeddings().weight[5].detach().numpy()
    whole = inside.neighbours(llama, vector)
    monkeypatch.setattr(embeddings, "_ROWS", 50)
    assert inside.neighbours(llama, vector) == whole


def test_a_vector_without_direction_or_of_another_length_is_refused(llama: LoadedModel) -> None:
    for vector, reason in ((np.zeros(32), "no direction"), (np.full(32, np.nan), "no direction"), (np.ones(7), "7")):
        with pytest.raises(InputError, match=reason):
            inside.neighbours(llama, vector.astype(np.float32))


# What goes in.


def test_a_long_text_is_cut_and_says_so(llama: LoadedModel) -> None:
    looked = inside.read(llama, FOX, most=5)
    assert looked.input_ids == tuple(llama.tokenizer(FOX)["input_ids"][:5])
    assert looked.cut == len(llama.tokenizer(FOX)["input_ids"]) - 5
    # The model attends to 256 positions, whatever is asked for.
    assert len(inside.read(llama, FOX * 50, most=1000).input_ids) == 256


def test_what_was_generated_is_looked_at_with_its_prompt(llama: LoadedModel) -> None:
    start = Start(generate.prepare(llama, FOX))
    looked = inside.follow(llama, start, (30, 31, 32))
    assert looked.input_ids == (*start.encoding.input_ids, 30, 31, 32)
    part = inside.look(llama, looked).parts[0]
    assert part.ids == looked.input_ids
    assert part.tokens[-3:] == tuple(llama.tokenizer.decode([each]) for each in (30, 31, 32))
    count = len(start.encoding.tokens)
    cut = inside.follow(llama, start, (30, 31, 32), most=count + 1)
    assert (cut.input_ids, cut.cut) == (looked.input_ids[: count + 1], 2)


@pytest.mark.parametrize(("text", "most"), [("", 10), (FOX, 0), (FOX, inside.MOST + 1)])
def test_bad_input_is_refused(llama: LoadedModel, text: str, most: int) -> None:
    with pytest.raises(InputError):
        inside.read(llama, text, most=most)


def test_what_can_not_be_looked_into_says_why(llama: LoadedModel) -> None:
    mute = replace(llama, tokenizer=None)
    assert "tokenizer" in inside.refusal(mute)
    with pytest.raises(NotSupported, match="tokenizer"):
        inside.read(mute, FOX)
    assert inside.refusal(llama) == ""
    drawn = transformers.VitsConfig(vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    assert "no tokenizer" in inside.refusal(replace(mute, model=transformers.VitsModel(drawn)))
    with pytest.raises(NotSupported, match="no tokenizer"):
        inside.take(mute, TaskInput(FOX))


def test_a_tokenizer_of_another_vocabulary_is_refused(llama: LoadedModel) -> None:
    small = transformers.AutoModelForCausalLM.from_config(
        transformers.LlamaConfig(vocab_size=10, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
    )
    with pytest.raises(NotSupported, match="10 ids"):
        inside.read(replace(llama, model=small), FOX)


def test_no_room_is_said_before_the_pass(llama: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "free", lambda device: 1000)
    with pytest.raises(OutOfMemory, match="fewer positions"):
        inside.look(llama, inside.read(llama, FOX))


class Impatient(Silent):
    """A person who stops after some layers."""

    def __init__(self, patience: int) -> None:
        self.left = patience
        self.heard: list[Progress] = []

    def report(self, progress: Progress) -> None:
        self.heard.append(progress)

    def check(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled


@pytest.mark.parametrize("patience", [0, 1, 3, 4, 5])
def test_a_stop_leaves_the_model_as_it_was(llama: LoadedModel, patience: int) -> None:
    looked, before = inside.read(llama, FOX), plain(llama).logits
    impatient = Impatient(patience)
    with pytest.raises(Cancelled):
        inside.look(llama, looked, task=impatient)
    if patience < 2:
        with pytest.raises(Cancelled):
            inside.attend(llama, looked, task=Impatient(patience))
    assert as_it_was(llama)
    assert llama.model.config._attn_implementation == "sdpa"
    assert torch.equal(plain(llama).logits, before)


def test_progress_counts_layers(llama: LoadedModel) -> None:
    patient = Impatient(1000)
    inside.look(llama, inside.read(llama, FOX), task=patient)
    passed = [(each.done, each.total) for each in patient.heard if each.note == "one pass" and each.total]
    assert passed == [(1, 2), (2, 2)]
    assert patient.heard[-1].done == patient.heard[-1].total == 3


@pytest.mark.parametrize("name", ["smollm2", "minilm"])
def test_real_checkpoints(request: pytest.FixtureRequest, name: str) -> None:
    model = models.load(request.getfixturevalue(name), device="cpu", head="AutoModel" if name == "minilm" else None)
    looked = inside.read(model, "The capital of France is")
    found = inside.look(model, looked)
    out = plain(model, "The capital of France is", output_hidden_states=True)
    for ours, theirs in zip(found.parts[0].states, out.hidden_states, strict=True):
        np.testing.assert_array_equal(ours, theirs[0].float().numpy())
    if name == "smollm2":
        assert found.lens is not None
        assert found.lens.spell([int(found.lens.final_ids[-1])]) == [" Paris"]
        assert np.array_equal(found.lens.final_ids, out.logits[0].argmax(-1).numpy())
    (kind,) = inside.attend(model, looked).kinds
    assert len(kind.maps) == model.model.config.num_hidden_layers
