"""The whole of a distribution as a file."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from workbench.engine.sampling import Distribution
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.tokens.vocabulary import Vocabulary
from workbench.engine.values import Logits, Sampling, Situation

_CHUNK = 4_096


def write_csv(
    path: Path,
    logits: Logits,
    situation: Situation,
    sampling: Sampling,
    vocabulary: Vocabulary | None,
    guided: Logits | None = None,
    *,
    task: Task | None = None,
) -> Path:
    """Write every entry of the vocabulary: id, text, logit, raw probability, probability after the knobs, cut by what.

    Args:
        path: Where; UTF-8, one row an entry, by rising id.
        logits: Raw.
        situation: What the processors look at.
        sampling: The knobs.
        vocabulary: Spells the ids; without one the text is empty.
        guided: The scores after guidance, which the knobs act on.
        task: Told how many rows are written.

    Returns:
        The path.

    Raises:
        OSError: It can't be written.
        InputError, NotSupported: The knobs leave no distribution.
    """
    task = task or Silent()
    distribution = Distribution(logits, situation, guided)
    trace = distribution.trace(sampling)
    size = distribution.logits.size
    codes, first, inverse = np.unique(trace.cut, return_index=True, return_inverse=True)
    names = [trace.cut_by(int(place)) or "" for place in first[: codes.size]]
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(["id", "text", "logit", "probability", "after", "cut_by"])
        for begin in range(0, size, _CHUNK):
            task.check()
            ids = range(begin, min(begin + _CHUNK, size))
            part = slice(ids.start, ids.stop)
            texts = vocabulary.spell(ids) if vocabulary is not None else [""] * len(ids)
            cuts = [names[code] for code in inverse[part].tolist()]
            numbers = (values[part].tolist() for values in (distribution.logits, distribution.probabilities))
            writer.writerows(zip(ids, texts, *numbers, trace.probabilities[part].tolist(), cuts, strict=True))
            task.report(Progress(ids.stop, size, "rows"))
    return path
