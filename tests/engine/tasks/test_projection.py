"""Vectors become points as scikit-learn has them, and the script draws the same map."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from workbench.engine import codegen, tasks
from workbench.engine.errors import InputError
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks.projection import project
from workbench.engine.values import Checkpoint, TaskInput, TaskOptions

LINES = "\n".join(
    f"{what} is {how}." for what in ("The film", "Paris", "A fox") for how in ("good", "far away", "late")
)


@pytest.fixture(scope="module")
def model(tiny_bert: Checkpoint) -> LoadedModel:
    return load(tiny_bert, device="cpu")


@pytest.mark.parametrize("how", ["pca", "t-sne"])
@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "last"])
def test_the_map_is_the_librarys_and_the_scripts(model, how, pooling, capsys) -> None:
    options = TaskOptions(projection=how, pooling=pooling)
    result = tasks.run(model, "feature-extraction", LINES, options)
    shown = {tensor.name: tensor.values for tensor in result.stages[2].tensors}
    maker = PCA(n_components=2, svd_solver="full") if how == "pca" else TSNE(perplexity=8 / 3, random_state=0)
    expected = maker.fit_transform(shown["embeddings"])
    np.testing.assert_allclose(shown[how], expected, rtol=1e-4, atol=1e-4)
    names: dict = {}
    given = TaskInput(LINES)
    exec(codegen.task(model.checkpoint, "feature-extraction", given, options, model.dtype, "cpu", model.head), names)
    assert capsys.readouterr().out
    np.testing.assert_allclose(names["embeddings"].numpy(), shown["embeddings"], atol=1e-5)
    assert names["places"].shape == (9, 2)
    if how == "pca":
        np.testing.assert_allclose(names["places"], shown[how], atol=1e-4)


@pytest.mark.parametrize(("text", "how"), [("one\ntwo", "pca"), ("one\ntwo", "t-sne"), (LINES, "none")])
def test_two_lines_or_none_wanted_make_no_map(model, text, how) -> None:
    options = TaskOptions(projection=how)
    result = tasks.run(model, "feature-extraction", text, options)
    assert [tensor.name for tensor in result.stages[2].tensors] == ["embeddings", "similarity"]
    assert "places" not in codegen.task(model.checkpoint, "feature-extraction", text, options, "float32", "cpu")


@pytest.mark.parametrize("how", ["pca", "t-sne"])
@pytest.mark.parametrize("count", [3, 4, 40])
def test_any_number_of_points_has_a_map_and_equal_ones_one_place(how, count) -> None:
    vectors = np.random.default_rng(0).standard_normal((count, 8)).astype(np.float32)
    places = project(vectors, how)
    assert places is not None and places.shape == (count, 2) and np.isfinite(places).all()
    equal = project(np.ones((count, 8), np.float32), how)
    assert equal is not None and not equal.any()


def test_an_unknown_projection_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="pca, t-sne, none"):
        project(np.eye(4, dtype=np.float32), "umap")


def test_the_usual_map_does_not_wait_for_scikit_learn() -> None:
    code = (
        "import sys, numpy; from workbench.engine.tasks.projection import project; "
        "project(numpy.eye(3, 8), 'pca'); sys.exit('sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("shape", [(3, 2), (5, 64), (300, 16)])
def test_principal_components_are_those_of_scikit_learn(shape) -> None:
    vectors = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    expected = PCA(n_components=2, svd_solver="full").fit_transform(vectors)
    np.testing.assert_allclose(project(vectors, "pca"), expected, rtol=1e-4, atol=1e-4)
