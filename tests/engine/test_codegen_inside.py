"""The scripts that look into a model print the numbers that the engine gives."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import tiny_seq2seq
from workbench.engine import inside, models
from workbench.engine.codegen import inside as scripts
from workbench.engine.codegen.inside import Asked
from workbench.engine.generate.inputs import prepare_start
from workbench.engine.models import LoadedModel
from workbench.engine.tasks.projection import project
from workbench.engine.values import Checkpoint

FOX = "The quick brown 🦊 jumps over the lazy dog."


@pytest.fixture(scope="module")
def loaded(
    llama: LoadedModel, tiny_bert: Checkpoint, tiny_bert_tagger: Checkpoint, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, LoadedModel]:
    t5 = tiny_seq2seq.build_tiny_t5(tmp_path_factory.mktemp("checkpoints") / "t5")
    return {
        "llama": llama,
        "bert": models.load(tiny_bert),
        "tagger": models.load(tiny_bert_tagger),
        "t5": models.load(t5),
    }


def asked(model: LoadedModel, written: tuple[int, ...] = ()) -> Asked:
    looked = inside.read(model, FOX)
    if written:
        looked = inside.follow(model, prepare_start(model, FOX), written)
    return Asked(model, looked, inside.arguments(model, looked))


def run(source: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, "script.py", "exec"), names)
    return names


CASES = (("llama", ()), ("llama", (30, 31)), ("bert", ()), ("tagger", ()), ("t5", (20, 30, 40)))


@pytest.mark.parametrize(("name", "written"), CASES)
def test_the_lens_is_the_same(
    loaded: dict[str, LoadedModel], name: str, written: tuple[int, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    what = asked(loaded[name], written)
    found = inside.look(what.model, what.given)
    part, lens = found.parts[-1], found.lens
    assert lens is not None
    names = run(scripts.lens(what, part, 2))
    shares = names["probabilities"]
    assert shares.shape[:2] == lens.entropies.shape
    np.testing.assert_allclose(shares.max(-1).values.numpy(), lens.top_probabilities[..., 0], rtol=1e-4)
    np.testing.assert_allclose(names["entropies"].numpy(), lens.entropies, rtol=1e-4, atol=1e-5)
    assert np.array_equal(names["ranks"].numpy(), lens.final_ranks)
    printed = capsys.readouterr().out.splitlines()
    firsts = lens.spell(lens.top_ids[:, 2, 0].tolist())
    assert [ast.literal_eval(line.split(" ", 6)[6]) for line in printed[-len(lens.rows) :]] == firsts


@pytest.mark.parametrize(("name", "written"), CASES)
def test_norms_and_attention_are_the_same(
    loaded: dict[str, LoadedModel], name: str, written: tuple[int, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    what = asked(loaded[name], written)
    for part in inside.look(what.model, what.given).parts:
        names = run(scripts.norms(what, part))
        np.testing.assert_allclose(names["norms"].numpy(), part.norms, rtol=1e-5)
    for kind in inside.attend(what.model, what.given).kinds:
        for head, expected in ((1, kind.maps[0][1]), (None, kind.maps[0].mean(0))):
            names = run(scripts.attention(what, kind.picks[0], head, 2))
            np.testing.assert_allclose(names["weights"].numpy(), expected[2], rtol=1e-4, atol=1e-6)
    assert capsys.readouterr().out


@pytest.mark.parametrize(("name", "written"), [("llama", ()), ("t5", (20, 30, 40))])
@pytest.mark.parametrize("row", [inside.EMBEDDING, 1])
def test_neighbours_and_map_are_the_same(
    loaded: dict[str, LoadedModel], name: str, written: tuple[int, ...], row: int, capsys: pytest.CaptureFixture[str]
) -> None:
    what = asked(loaded[name], written)
    for part in inside.look(what.model, what.given).parts:
        names = run(scripts.embeddings(what, part, row, 1, 6, "pca"))
        vectors = inside.vectors(what.model, part, row)
        near = inside.neighbours(what.model, vectors[1], count=6)
        assert names["best"].indices.tolist() == [each.id for each in near]
        assert names["best"].values.tolist() == pytest.approx([each.cosine for each in near], rel=1e-5)
        places = project(vectors, "pca")
        assert places is not None
        np.testing.assert_allclose(names["places"], places, rtol=1e-3, atol=1e-4)
    assert capsys.readouterr().out


def test_the_scripts_are_laid_out_as_ruff_does_and_trust_nothing(
    loaded: dict[str, LoadedModel], tmp_path: Path
) -> None:
    sources = []
    for name, written in (*CASES, ("llama", tuple(range(3, 90)))):
        what = asked(loaded[name], written)
        part = inside.look(what.model, what.given).parts[-1]
        sources += [
            scripts.norms(what, part),
            scripts.lens(what, part, 1),
            scripts.attention(what, "attentions[0][0]", None, 1),
            *(scripts.embeddings(what, part, 1, 1, 20, how) for how in ("pca", "t-sne")),
        ]
    for number, source in enumerate(sources):
        assert "trust_remote_code=False" in source
        assert "workbench" not in source.replace(str(tmp_path.parents[1]), "")
        (tmp_path / f"script_{number}.py").write_text(source, "utf-8", newline="\n")
    for options in (["format", "--diff"], ["check", "--select=F,I,B,UP", "--ignore=B905"]):
        ruff = [sys.executable, "-m", "ruff", *options, "--isolated", "--line-length=120", "--quiet", str(tmp_path)]
        found = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stdout[:3000]
