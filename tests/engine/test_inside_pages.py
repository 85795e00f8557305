"""Models that read the words of a page are looked into with their boxes and the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests import tiny_films, tiny_readers, tiny_seq2seq
from workbench.engine import inside
from workbench.engine.codegen import inside as scripts
from workbench.engine.generate import page
from workbench.engine.inside.given import tensors
from workbench.engine.models import LoadedModel, load
from workbench.engine.values import TaskInput


@pytest.fixture(scope="module", params=["layoutlmv2", "layoutlmv3", "lilt", "bros"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "layoutlmv2":
        return load(tiny_readers.layoutlmv2(folder, "TokenClassification"), device="cpu")
    builds = {"layoutlmv3": tiny_films.layoutlmv3, "lilt": tiny_readers.lilt, "bros": tiny_readers.bros}
    return load(builds[request.param](folder), head="AutoModelForTokenClassification", device="cpu")


@pytest.fixture
def asked(tmp_path: Path) -> TaskInput:
    return TaskInput(tiny_readers.PAGE, image=tiny_seq2seq.picture(tmp_path, size=(97, 61)))


def test_states_and_maps_are_the_librarys(model: LoadedModel, asked: TaskInput) -> None:
    fields = inside.reads(model)
    assert fields == (("text", "image") if "layoutlm" in model.facts.model_type else ("text",))
    assert inside.wanted(model) == page.WORDS and not inside.refusal(model)
    assert inside.example(model).text == page.EXAMPLE
    given = inside.take(model, asked)
    assert given.made["bbox"].shape == (1, len(given.tokens), 4)
    (part,) = inside.look(model, given).parts
    with torch.inference_mode():
        out = model.model(**tensors(model, given), output_hidden_states=True)
    for mine, theirs in zip(part.states, out.hidden_states, strict=True):
        np.testing.assert_array_equal(mine, theirs[0].numpy())
    assert len(part.tokens) == out.hidden_states[0].shape[1] >= len(given.tokens)
    assert [token.strip("#Ġ") for token in part.tokens][1:3] != ["", ""]
    found = inside.attend(model, given)
    eager = load(model.checkpoint, head=model.head, device="cpu", attn_implementation="eager")
    with torch.inference_mode():
        maps = eager.model(**tensors(model, given), output_attentions=True).attentions
    for mine, theirs in zip(found.kinds[0].maps, maps, strict=True):
        np.testing.assert_allclose(mine, theirs[0].numpy(), atol=1e-5)


def test_the_scripts_give_the_same_numbers(model: LoadedModel, asked: TaskInput, capsys: Any) -> None:
    given = inside.take(model, asked)
    found = inside.look(model, given)
    what = scripts.Asked(model, given, inside.arguments(model, given))
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(scripts.norms(what, found.parts[0]), names)
    np.testing.assert_allclose(names["norms"].numpy(), found.parts[0].norms, rtol=1e-4)
    each = inside.attend(model, given).kinds[0]
    names = {"__name__": "__main__"}
    exec(scripts.attention(what, each.picks[0], 1, 2), names)
    np.testing.assert_allclose(names["weights"].numpy(), each.maps[0][1, 2], atol=1e-5)
    assert capsys.readouterr().out
