"""An evaluation that writes texts by itself tells the loss of one that does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine.train.test_generated import spec  # noqa: F401
from workbench.engine.train import fine_tune
from workbench.engine.values import TrainSpec


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_an_evaluation_is_that_of_the_right_words_whether_or_not_texts_are_written(
    spec: TrainSpec,  # noqa: F811
    tmp_path: Path,
    smoothing: float,
) -> None:
    # Full batches: in a writing evaluation the library weighs a shorter last one as if it were full.
    spec = replace(spec, max_steps=2, eval_steps=1, eval_fraction=1 / 3, label_smoothing_factor=smoothing)
    told = []
    for way in ("yes", "no"):
        options = {**spec.head_options, "predict_with_generate": way}
        result = fine_tune(replace(spec, output_dir=tmp_path / way, head_options=options))
        told.append([(point.loss, point.eval_loss) for point in result.points])
        assert ("bleu" in result.points[-1].metrics) == (way == "yes")
    assert told[0] == told[1]
    assert sum(loss is not None for _, loss in told[0]) == 2
