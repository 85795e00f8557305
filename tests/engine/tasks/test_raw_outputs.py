"""Heads for pretraining and encoders alone run as they are, and show every tensor that the library gives."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests import tiny, tiny_seq2seq, tiny_tasks
from tests.tiny_tasks import _SIZES, _save
from workbench.engine import codegen, tasks
from workbench.engine.models import LoadedModel, load
from workbench.engine.values import Checkpoint, TaskInput, TaskOptions

RAW = "raw-outputs"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("raw")


@pytest.fixture(scope="module")
def masked(folder) -> LoadedModel:
    """A masked autoencoder of pictures, in pretraining."""
    import transformers as t
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    config = t.ViTMAEConfig(
        **_SIZES, image_size=32, patch_size=8, decoder_num_attention_heads=2, decoder_hidden_size=16,
        decoder_num_hidden_layers=1, decoder_intermediate_size=16,
    )  # fmt: skip
    _save(t.ViTMAEForPreTraining, config, folder / "mae")
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder / "mae")
    return load(Checkpoint("tiny-mae", folder / "mae"), device="cpu")


@pytest.fixture(scope="module")
def hearing(folder) -> LoadedModel:
    """Wav2Vec2 in pretraining."""
    import transformers as t

    config = t.Wav2Vec2Config(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=48, conv_dim=(16, 16, 16),
        conv_stride=(10, 8, 4), conv_kernel=(10, 8, 4), num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4,
        layerdrop=0.0, codevector_dim=16, proj_codevector_dim=16, num_codevectors_per_group=8,
    )  # fmt: skip
    _save(t.Wav2Vec2ForPreTraining, config, folder / "wav2vec2")
    t.Wav2Vec2FeatureExtractor(sampling_rate=tiny_tasks.RATE).save_pretrained(folder / "wav2vec2")
    return load(Checkpoint("tiny-wav2vec2", folder / "wav2vec2"), device="cpu")


def script(model: LoadedModel, name: str, given: TaskInput) -> dict:
    names: dict = {"__name__": "__main__"}
    exec(
        codegen.task(model.checkpoint, name, given, tasks.defaults(name), model.dtype, model.device, model.head), names
    )
    return names


def shown(model: LoadedModel, given: TaskInput | str, seed: int = 0) -> dict[str, torch.Tensor]:
    result = tasks.run(model, RAW, given, TaskOptions(seed=seed))
    assert list(result.items) == [view.name for view in result.stages[1].tensors]
    return {view.name: torch.from_numpy(view.values) for view in result.stages[1].tensors}


def test_pretraining_of_a_text_model_shows_both_heads(tiny_bert) -> None:
    model = load(tiny_bert, head="AutoModelForPreTraining", device="cpu")
    text = "The capital of France is [MASK]."
    found = shown(model, text)
    with torch.inference_mode():
        output = model.model(**model.tokenizer(text, return_tensors="pt"))
    assert set(found) == {"prediction_logits", "seq_relationship_logits"}
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, output[name])


@pytest.mark.parametrize(("kind", "starts"), [("t5", True), ("bart", False)])
def test_a_decoder_that_makes_nothing_of_the_text_itself_is_given_its_first_token(folder, capsys, kind, starts) -> None:
    build = tiny_seq2seq.build_tiny_t5 if kind == "t5" else tiny_seq2seq.build_tiny_bart
    model = load(build(folder / kind), head="AutoModel", device="cpu")
    found = shown(model, "The fox")
    inputs = dict(model.tokenizer("The fox", return_tensors="pt"))
    inputs.pop("token_type_ids", None)
    if starts:
        inputs["decoder_input_ids"] = torch.tensor([[model.model.config.decoder_start_token_id]])
    with torch.inference_mode():
        output = model.model(**inputs)
    torch.testing.assert_close(found["last_hidden_state"], output.last_hidden_state)
    torch.testing.assert_close(
        script(model, RAW, TaskInput("The fox"))["result"]["last_hidden_state"], found["last_hidden_state"]
    )
    assert capsys.readouterr().out


def test_what_a_masked_autoencoder_hides_is_drawn_by_the_seed(masked, tmp_path, capsys) -> None:
    assert (masked.head, tasks.infer(masked.facts)) == ("AutoModelForPreTraining", RAW)
    given = TaskInput(image=tiny_seq2seq.picture(tmp_path))
    before = torch.random.get_rng_state()
    first, again, other = (shown(masked, given, seed)["mask"] for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())
    with torch.random.fork_rng():
        made = script(masked, RAW, given)["result"]
    for name, tensor in shown(masked, given).items():
        torch.testing.assert_close(tensor.float(), made[name].float())
    assert capsys.readouterr().out


def test_vectors_of_a_masked_autoencoder_are_the_same_each_time(masked, tmp_path, capsys) -> None:
    model = load(masked.checkpoint, head="AutoModel", device="cpu")
    given = TaskInput(image=tiny_seq2seq.picture(tmp_path))
    first, again = (tasks.run(model, "image-feature-extraction", given).items for _ in range(2))
    assert first == again
    with torch.random.fork_rng():
        made = script(model, "image-feature-extraction", given)["embeddings"]
    torch.testing.assert_close(made, torch.tensor(first))
    assert capsys.readouterr().out


def test_pretraining_of_a_model_that_hears_shows_its_codes(hearing, tmp_path) -> None:
    assert (hearing.head, tasks.infer(hearing.facts)) == ("AutoModelForPreTraining", RAW)
    found = shown(hearing, TaskInput(audio=tiny_tasks.sound(tmp_path)))
    assert {"projected_states", "projected_quantized_states", "codevector_perplexity"} <= set(found)


def test_a_checkpoint_without_any_head_runs_as_it_is(hearing, tmp_path) -> None:
    model = load(hearing.checkpoint, head="AutoModel", device="cpu")
    assert tasks.supports(model, RAW)
    sound = TaskInput(audio=tiny_tasks.sound(tmp_path))
    assert "last_hidden_state" in shown(model, sound)


def test_the_encoder_alone_makes_vectors_of_texts(folder, capsys) -> None:
    import transformers as t

    both = tiny_seq2seq.build_tiny_t5(folder / "both")
    tiny_seq2seq.build_tiny_t5(folder / "t5")
    t.T5EncoderModel.from_pretrained(folder / "both").save_pretrained(folder / "t5")
    model = load(Checkpoint("tiny-t5", folder / "t5"), device="cpu")
    assert (model.head, tasks.infer(model.facts)) == ("AutoModelForTextEncoding", "feature-extraction")
    given = tasks.example("feature-extraction", model)
    result = tasks.run(model, "feature-extraction", given)
    whole = load(both, head="AutoModel", device="cpu")
    assert result.items == tasks.run(whole, "feature-extraction", given).items
    first = given.text.splitlines()[0]
    with torch.inference_mode():
        hidden = model.model(**model.tokenizer(first, return_tensors="pt")).last_hidden_state[0]
    mean = torch.nn.functional.normalize(hidden.mean(dim=0), dim=-1)
    torch.testing.assert_close(torch.tensor(result.items[0]), mean, atol=1e-5, rtol=1e-4)
    made = script(model, "feature-extraction", given)
    torch.testing.assert_close(made["embeddings"], torch.tensor(result.items), atol=1e-5, rtol=1e-4)
    assert capsys.readouterr().out


def test_pretraining_is_offered_last_and_only_where_no_other_head_is_the_same(tiny_bert, tiny_llama) -> None:
    from workbench.engine import facts

    assert facts.describe(tiny_bert).heads[-2:] == ("AutoModelForPreTraining", "AutoModel")
    assert "AutoModelForPreTraining" not in facts.describe(tiny_llama).heads
    assert "AutoModelForTextEncoding" not in facts.describe(tiny_bert).heads


def test_weights_of_pretraining_load_with_the_head_that_people_want(folder) -> None:
    import transformers as t

    checkpoint = tiny.build_tiny_bert(folder / "bert", "AutoModelForPreTraining")
    assert t.AutoConfig.from_pretrained(checkpoint.path).architectures == ["BertForPreTraining"]
    model = load(checkpoint, device="cpu")
    assert (model.head, model.missing) == ("AutoModelForMaskedLM", ())
    assert tasks.infer(model.facts) == "fill-mask"


@pytest.mark.parametrize("kind", ["Electra", "Funnel"])
def test_a_discriminator_tells_which_tokens_were_replaced(folder, kind) -> None:
    import transformers as t

    tiny.build_tiny_bert(folder / kind)
    sizes = {"Electra": {**_SIZES, "embedding_size": 16}, "Funnel": {"d_model": 32, "n_head": 2, "d_head": 16}}[kind]
    more = {"block_sizes": [1], "num_decoder_layers": 1, "d_inner": 32} if kind == "Funnel" else {}
    size = len(t.AutoTokenizer.from_pretrained(folder / kind))
    config = getattr(t, f"{kind}Config")(**sizes, **more, vocab_size=size)
    _save(getattr(t, f"{kind}ForPreTraining"), config, folder / kind)
    model = load(Checkpoint("tiny", folder / kind), device="cpu")
    # Loaded to fill masks, its head would be drawn at random.
    assert (model.head, model.missing, tasks.infer(model.facts)) == ("AutoModelForPreTraining", (), RAW)
    with torch.inference_mode():
        expected = model.model(**model.tokenizer("The fox", return_tensors="pt")).logits
    torch.testing.assert_close(shown(model, "The fox")["logits"], expected)
