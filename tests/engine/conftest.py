"""What most of the engine's tests stand on: a tiny model, loaded once a module."""

from __future__ import annotations

import pytest

from workbench.engine import models
from workbench.engine.models import LoadedModel
from workbench.engine.values import Checkpoint


@pytest.fixture(scope="module")
def llama(tiny_llama: Checkpoint) -> LoadedModel:
    return models.load(tiny_llama)
