"""Numbers of a run as people read them."""

from __future__ import annotations

from workbench.engine.values import Best
from workbench.widgets.probability_table import format_percent

#: What a head calls ``f1`` is the mean over labels, over entities or over words, as that head is measured.
TITLES = {
    "loss": "Loss",
    "accuracy": "Accuracy",
    "f1": "F1",
    "macro_f1": "Macro F1",
    "precision": "Precision",
    "recall": "Recall",
    "exact_match": "Exact match",
    "token_accuracy": "Token accuracy",
    "perplexity": "Perplexity",
    "mse": "Squared error",
    "mae": "Absolute error",
    "pearson": "Correlation",
}
_SHARES = ("accuracy", "token_accuracy", "exact_match")


def title(metric: str) -> str:
    """A metric's name as a heading."""
    return TITLES.get(metric, metric)


def shown(metric: str, value: float) -> str:
    """A metric for people: a share of right ones in percent, the others as they are."""
    return format_percent(value, 1) if metric in _SHARES else f"{value:.4g}"


def marked(best: Best | None) -> tuple[float | None, str]:
    """Where a plot of steps marks the best one, and as what."""
    return (None, "") if best is None else (float(best.step), f"best, step {best.step:,}")


def of_best(best: Best) -> str:
    """Which evaluation became the result."""
    return (
        f"best at step {best.step:,}, {TITLES.get(best.metric, best.metric).lower()} {shown(best.metric, best.value)}"
    )


def spoken(seconds: float) -> str:
    """A duration in words, no finer than makes sense."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
