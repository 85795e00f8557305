"""Every script runs as it stands, gives what the engine gives, is laid out as ruff does, and can't be broken out of."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench.engine import codegen, generate, tasks
from workbench.engine.codegen.hub import FOLDERS, PATTERNS
from workbench.engine.codegen.script import assign, checkpoint_lines, comment, literal
from workbench.engine.errors import NotSupported
from workbench.engine.models import LoadedModel, load
from workbench.engine.sampling import Distribution
from workbench.engine.tokens import encode, encode_batch
from workbench.engine.values import Checkpoint, Logits, Message, Sampling, Situation, TaskOptions, TokenizerOptions

NASTY = (
    "",
    'she said "no"',
    "it's",
    "both ' and \"",
    "\"\"\"'''",
    "back\\slash \\n",
    "line\nbreak\r\n\ttab",
    "nul\0",
    "\u2028 \u202e \u200d \ufeff",
    "👩‍👩‍👧 שלום 漢字" * 12,
    "\ud83d",
    'x"); import os; os.abort()  # ',
    "{0} {name} %s",
    "word " * 60,
    "x" * 300,
    "漢" * 70,
    "a line\n" * 30,
    "x" * 104,
    "x" * 108,
    "'" * 59 + '"' * 58,
)


@pytest.fixture(scope="module")
def llama(tiny_llama: Checkpoint) -> LoadedModel:
    return load(tiny_llama, device="cpu")


def run(source: str) -> dict:
    """Run a script as a program would be run, and give its variables."""
    names = {"__name__": "__main__"}
    exec(compile(source, "script.py", "exec"), names)
    return names


def scripts(llama: Checkpoint, bert: Checkpoint, text: str) -> list[str]:
    """A script of each kind about one text, with few and with many settings."""
    every = Sampling(temperature=0.5, top_k=3, top_p=0.5, min_p=0.1, repetition_penalty=1.2)
    found = [
        codegen.load(llama, "AutoModelForCausalLM", "auto", "cpu"),
        codegen.load(bert, "AutoModelForSequenceClassification", "bfloat16", "cuda:0"),
        codegen.load(llama, "AutoModelForCausalLM", "auto", "spread", attention="eager"),
        codegen.load(bert, "AutoModelForSequenceClassification", "auto", "cuda:0", bits=4),
        codegen.load(llama, "AutoModelForCausalLM", "auto", "cuda:0", bits=8),
        codegen.download(text or "author/name", "main"),
        codegen.tokenizer(llama, (text,), TokenizerOptions()),
        codegen.tokenizer(llama, (text, text), TokenizerOptions(False, "max_length", True, 16, "left")),
        codegen.generate(llama, text, None, Sampling(do_sample=False), "float32", "cpu"),
        codegen.generate(llama, text, None, every, "float32", "cpu"),
        codegen.generate(llama, "", [Message("system", "Be brief."), Message("user", text)], every, "float32", "cpu"),
        codegen.probabilities(llama, list(range(300)), every, "float32", "cpu"),
        codegen.probabilities(llama, [1], Sampling(do_sample=False), "float32", "cpu"),
    ]
    for name, _ in tasks.TASKS:
        for options in (
            TaskOptions(),
            TaskOptions(
                top_k=None,
                threshold=0.3,
                aggregation="none",
                pooling="cls",
                normalize=False,
                do_sample=True,
                max_length=64,
            ),
            TaskOptions(threshold=0.3, pooling="last", max_length=64),
            TaskOptions(
                function="sigmoid", targets=("fox", text), ignore_labels=("O", text), stride=16, chunk_length=5
            ),
        ):
            found.append(codegen.task(bert, name, text, options, "float32", "cuda:0"))
    return found


@pytest.mark.parametrize("text", NASTY)
def test_a_literal_is_the_value_and_nothing_else(text: str) -> None:
    source = f"value = {literal(text)}"
    assert ast.literal_eval(literal(text)) == text
    assert source.isprintable()
    source.encode()
    (statement,) = ast.parse("\n".join(assign("value", text))).body
    assert isinstance(statement, ast.Assign)
    assert ast.literal_eval(statement.value) == text
    (statement,) = ast.parse("\n".join(assign("values", [text] * 3))).body
    assert isinstance(statement, ast.Assign)
    assert ast.literal_eval(statement.value) == [text] * 3


def test_scripts_are_laid_out_as_ruff_does(tiny_llama: Checkpoint, tiny_bert: Checkpoint, tmp_path: Path) -> None:
    hub = Checkpoint("HuggingFaceTB/SmolLM2-135M", Path("/cache") / ("snapshot" * 14), "hub", "0123abc")
    count = 0
    for checkpoint in (tiny_llama, hub):
        for text in NASTY:
            for source in scripts(checkpoint, tiny_bert, text):
                (tmp_path / f"script_{count}.py").write_text(source, "utf-8", newline="\n")
                count += 1
    ruff = [
        sys.executable,
        "-m",
        "ruff",
        "format",
        "--isolated",
        "--line-length=120",
        "--diff",
        "--quiet",
        str(tmp_path),
    ]
    found = subprocess.run(ruff, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[:3000]
    ruff = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--line-length=120",
        "--select=F,I,B,UP",
        "--ignore=B905",
        str(tmp_path),
    ]
    found = subprocess.run(ruff, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[:3000]


def test_every_script_loads_by_path_and_trusts_nothing(tiny_llama: Checkpoint, tiny_bert: Checkpoint) -> None:
    for source in scripts(tiny_llama, tiny_bert, "text"):
        for line in ast.walk(ast.parse(source)):
            if (
                isinstance(line, ast.Call)
                and isinstance(line.func, ast.Attribute)
                and line.func.attr == "from_pretrained"
            ):
                keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in line.keywords}
                assert keywords["trust_remote_code"] == "False"
                assert ast.unparse(line.args[0]) == "checkpoint"
                if "dtype" in keywords:
                    assert keywords["use_safetensors"] == "True"
        assert "workbench" not in source.replace(str(tiny_llama.path), "").replace(str(tiny_bert.path), "")
        assert "torch_dtype" not in source


def test_a_hub_id_is_told_in_a_comment_and_a_strange_name_is_not() -> None:
    hub = Checkpoint("author/name", Path("folder"), "hub", "0123abc")
    assert checkpoint_lines(hub) == ["# author/name on the Hub, revision 0123abc", 'checkpoint = "folder"']
    strange = Checkpoint("x\nimport os", Path("folder"), "hub")
    assert checkpoint_lines(strange) == ['checkpoint = "folder"']
    assert comment("one\ntwo\u2028three") == "# one two three"


def test_an_unknown_task_has_no_script(tiny_bert: Checkpoint) -> None:
    with pytest.raises(NotSupported):
        codegen.task(tiny_bert, "summoning", "text", TaskOptions(), "float32", "cpu")


def test_download_takes_what_transformers_reads_and_nothing_else() -> None:
    from huggingface_hub.utils import filter_repo_objects

    source = codegen.download("author/name", "v1")
    assert 'snapshot_download("author/name", revision="v1"' in source
    wanted = ["config.json", "model.safetensors", "model-00001-of-00002.safetensors", "tokenizer.json", "vocab.txt",
              "chat_template.jinja", "README.md", "model.safetensors.index.json"]  # fmt: skip
    others = ["pytorch_model.bin", "onnx/config.json", "onnx/model.onnx", "tf_model.h5", "consolidated.safetensors"]
    kept = filter_repo_objects([*wanted, *others], allow_patterns=list(PATTERNS), ignore_patterns=list(FOLDERS))
    assert list(kept) == wanted


def test_load_prints_what_was_loaded(llama: LoadedModel, capsys: pytest.CaptureFixture[str]) -> None:
    names = run(codegen.load(llama.checkpoint, "AutoModelForCausalLM", llama.dtype, llama.device))
    assert f"{llama.parameters:,} parameters" in capsys.readouterr().out
    assert names["model"].dtype == llama.model.dtype


def test_the_chosen_attention_is_in_the_script(llama: LoadedModel) -> None:
    names = run(codegen.load(llama.checkpoint, "AutoModelForCausalLM", "auto", "cpu", attention="eager"))
    assert names["model"].config._attn_implementation == "eager"


@pytest.mark.parametrize("options", [
    TokenizerOptions(), TokenizerOptions(add_special_tokens=False), TokenizerOptions(padding="longest"),
    TokenizerOptions(padding="max_length", truncation=True, max_length=12, padding_side="left"),
])  # fmt: skip
def test_tokenizer_gives_the_same_ids_and_masks(tiny_bert: Checkpoint, llama: LoadedModel, options, capsys) -> None:
    texts = ("The quick brown fox jumps over the lazy dog.", 'What a "wonderful" film ☃')
    for checkpoint, tokenizer in (
        (tiny_bert, load(tiny_bert, device="cpu").tokenizer),
        (llama.checkpoint, llama.tokenizer),
    ):
        expected = encode_batch(tokenizer, texts, options)
        names = run(codegen.tokenizer(checkpoint, texts, options))
        assert [tuple(ids) for ids in names["encoded"]["input_ids"]] == [row.input_ids for row in expected]
        assert [tuple(mask) for mask in names["encoded"]["attention_mask"]] == [row.attention_mask for row in expected]
        assert repr(tokenizer.decode(list(expected[0].input_ids))) in capsys.readouterr().out


@pytest.mark.parametrize("sampling", [
    Sampling(do_sample=False, max_new_tokens=20), Sampling(max_new_tokens=20, seed=5),
    Sampling(temperature=1.3, top_k=0, top_p=1.0, min_p=0.05, repetition_penalty=1.3, max_new_tokens=20, seed=1),
    Sampling(do_sample=False, repetition_penalty=1.5, max_new_tokens=20),
])  # fmt: skip
@pytest.mark.parametrize("chat", [False, True])
def test_generate_gives_the_same_ids(llama: LoadedModel, sampling: Sampling, chat: bool, capsys) -> None:
    messages = [Message("user", "What a film?")] if chat else []
    made = generate.stream(llama, generate.prepare(llama, "The quick", messages), sampling)
    names = run(codegen.generate(llama.checkpoint, "The quick", messages, sampling, llama.dtype, llama.device))
    assert tuple(names["new_ids"]) == made.ids
    text = llama.tokenizer.decode(made.ids, skip_special_tokens=True)
    assert text.rstrip("�") in capsys.readouterr().out


def test_generate_from_nothing_begins_with_the_bos_token(llama: LoadedModel) -> None:
    sampling = Sampling(max_new_tokens=8)
    made = generate.stream(llama, generate.prepare(llama, ""), sampling)
    names = run(codegen.generate(llama.checkpoint, "", None, sampling, llama.dtype, llama.device))
    assert tuple(names["new_ids"]) == made.ids


@pytest.mark.parametrize("sampling", [
    Sampling(do_sample=False), Sampling(temperature=0.6, top_k=20, top_p=0.8, min_p=0.02, repetition_penalty=1.2),
])  # fmt: skip
def test_probabilities_are_those_of_the_distribution(llama: LoadedModel, sampling: Sampling, capsys) -> None:
    ids = encode(llama.tokenizer, "The quick brown fox jumps over the").input_ids
    names = run(codegen.probabilities(llama.checkpoint, ids, sampling, llama.dtype, llama.device))
    logits = Logits(names["logits"][0].numpy(), "float32")
    trace = Distribution(logits, ids).trace(sampling)
    np.testing.assert_allclose(names["after"].numpy(), trace.probabilities, atol=1e-6)
    assert len(capsys.readouterr().out.splitlines()) == 10


def test_the_next_token_of_a_half_precision_model_is_as_probable_as_generating_made_it(tiny_llama: Checkpoint) -> None:
    model = load(tiny_llama, dtype="bfloat16")
    assert model.keeps_keys
    encoding = encode(model.tokenizer, "The quick brown fox")
    prompt = list(encoding.input_ids)
    out = model.model.generate(
        torch.tensor([prompt]), do_sample=False, max_new_tokens=8, output_logits=True, return_dict_in_generate=True,
        eos_token_id=None,
    )  # fmt: skip
    ids = out.sequences[0].tolist()
    for written in (0, 7):
        situation = Situation(tuple(ids[: len(prompt) + written]), len(prompt))
        source = codegen.probabilities(
            tiny_llama, situation, Sampling(temperature=0.7), "bfloat16", "cpu", cached=model.keeps_keys
        )
        assert torch.equal(run(source)["logits"], out.logits[written].float())


CASES = [
    ("tiny_bert_classifier", "text-classification", TaskOptions()),
    ("tiny_bert_classifier", "text-classification", TaskOptions(top_k=1, max_length=8)),
    ("tiny_bert_classifier", "text-classification", TaskOptions(threshold=0.5, top_k=None)),
    *[
        ("tiny_bert_tagger", "token-classification", TaskOptions(aggregation=joined, threshold=least, max_length=cut))
        for joined, least, cut in (
            ("none", 0.0, None), ("none", 0.22, 8), ("simple", 0.0, None), ("average", 0.22, 8), ("max", 0.0, None)
        )
    ],
    ("tiny_bert", "fill-mask", TaskOptions(top_k=3)),
    ("tiny_bert", "fill-mask", TaskOptions(top_k=None, max_length=8)),
    ("tiny_llama", "text-generation", TaskOptions(max_new_tokens=12)),
    ("tiny_llama", "text-generation", TaskOptions(max_new_tokens=12, do_sample=True, seed=4, temperature=1.2)),
    ("tiny_bert", "feature-extraction", TaskOptions()),
    ("tiny_bert", "feature-extraction", TaskOptions(pooling="cls", normalize=False, max_length=8)),
    ("tiny_llama", "feature-extraction", TaskOptions(pooling="last")),
]  # fmt: skip


def test_an_untrained_head_is_the_same_in_the_script(tiny_bert: Checkpoint, capsys) -> None:
    text = "What a film"
    states, items = [], []
    for _ in range(2):
        states.append(torch.random.get_rng_state())
        model = load(tiny_bert, head="AutoModelForSequenceClassification", device="cpu")
        assert model.missing
        items.append([(item.label, item.score) for item in tasks.run(model, "text-classification", text).items])
    assert torch.equal(*states), "loading leaves everybody else's random numbers alone"
    names = run(codegen.task(tiny_bert, "text-classification", text, TaskOptions(), model.dtype, "cpu"))
    assert capsys.readouterr().out
    assert items[0] == items[1] == names["result"]


@pytest.mark.parametrize(("fixture", "name", "options"), CASES)
def test_a_task_gives_the_same_result(fixture: str, name: str, options: TaskOptions, request, capsys) -> None:
    model = load(request.getfixturevalue(fixture), device="cpu")
    text = {
        "fill-mask": "The [MASK] of France is [MASK], and the capital of Italy is Rome.",
        "feature-extraction": "The quick brown fox jumps over the lazy dog.\n\nWhat a film",
    }.get(name, "Angela Merkel met Barack Obama in Berlin, Germany.")
    result = tasks.run(model, name, text, options)
    names = run(codegen.task(model.checkpoint, name, text, options, model.dtype, model.device))
    assert capsys.readouterr().out
    if name == "text-classification":
        assert names["result"] == [(item.label, item.score) for item in result.items]
    elif name == "token-classification":
        assert [
            (label, pytest.approx(score, abs=1e-6), start, end) for label, score, start, end in names["result"]
        ] == [(item.label, item.score, item.start, item.end) for item in result.items]
        assert result.items
    elif name == "fill-mask":
        assert names["result"] == [(item.mask_index, item.token_id, item.score) for item in result.items]
    elif name == "text-generation":
        assert (names["result"],) == result.items
    else:
        np.testing.assert_allclose(names["embeddings"].numpy(), np.array(result.items), atol=1e-6)


def test_a_script_runs_as_a_program_of_its_own(tiny_bert_classifier: Checkpoint, tmp_path: Path) -> None:
    file = tmp_path / "classify.py"
    source = codegen.task(
        tiny_bert_classifier, "text-classification", "What a film 漢\n", TaskOptions(), "float32", "cpu"
    )
    file.write_text(source, "utf-8")
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(line.split()[1] for line in done.stdout.splitlines()) == ["NEGATIVE", "POSITIVE"]
