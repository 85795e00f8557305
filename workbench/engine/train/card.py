"""The model card of a run: what it was made from, on what, how well it did, and how to make it again."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine import hub
from workbench.engine.hub.head import of_card
from workbench.engine.train.heads import HEADS
from workbench.engine.train.heads.prompt_form import FORMS
from workbench.engine.train.record import Record
from workbench.engine.values import Checkpoint, TrainPoint, TrainSpec

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData
    from transformers import PreTrainedModel

#: What the Hub calls tasks of its own name for.
_PIPELINES = {
    "chat": "text-generation",
    "multi-label-classification": "text-classification",
    "text-regression": "text-classification",
}
_WHAT = ("task", "checkpoint", "data", "columns", "output_dir", "evaluation")
#: What a reader looks for, whether or not it is the default.
_ALWAYS = ("max_length", "epochs", "batch_size", "gradient_accumulation_steps", "learning_rate", "lr_scheduler_type",
           "warmup_steps", "weight_decay", "method.kind", "seed")  # fmt: skip


def write_card(record: Record, points: Sequence[TrainPoint], model: PreTrainedModel, folder: Path) -> Path:
    """Write ``README.md`` with the head that the Hub reads.

    Nothing in it names a path of this machine: the card is what is shared.

    Args:
        record: What made the run.
        points: Its curve.
        model: The result; its class and size are named.
        folder: Where to.

    Raises:
        OSError: It can't be written.

    References:
        huggingface_hub, Model Cards: ModelCardData
    """
    path = folder / "README.md"
    head = _head(record, points).to_yaml()
    path.write_text(f"---\n{head}\n---\n\n{_body(record, points, model)}", encoding="utf-8")
    return path


def _head(record: Record, points: Sequence[TrainPoint]) -> ModelCardData:
    from huggingface_hub import EvalResult, ModelCardData

    spec, last = record.spec, evaluation_of(record, points)
    results = [
        EvalResult(
            task_type=spec.task,
            dataset_type=spec.data.repo or Path(spec.data.name).suffix.lstrip(".") or "data",
            dataset_name=spec.data.name,
            metric_type=name,
            metric_value=value,
        )
        for name, value in _measured(last)
    ]
    return ModelCardData(
        model_name=spec.output_dir.name,
        library_name="transformers",
        **_licence(spec.checkpoint),
        pipeline_tag=_PIPELINES.get(spec.task, spec.task),
        base_model=spec.checkpoint.name if spec.checkpoint.source == "hub" else None,
        datasets=[spec.data.repo] if spec.data.repo else None,
        tags=["transformers-workbench", "generated_from_trainer"],
        eval_results=results or None,
    )


def _licence(checkpoint: Checkpoint) -> dict[str, str]:
    """What the head of a card says of a licence: that of the checkpoint, whose weights these were."""
    about: dict[str, Any] = {}
    with contextlib.suppress(OSError):
        about = of_card((checkpoint.path / "README.md").read_text(encoding="utf-8", errors="replace"))
    if about.get("license") == "other" and about.get("license_name"):
        return {"license": "other", "license_name": str(about["license_name"])}
    licence = hub.look_local(checkpoint).licence
    return {"license": licence} if licence else {}


def _body(record: Record, points: Sequence[TrainPoint], model: PreTrainedModel) -> str:
    spec, last = record.spec, evaluation_of(record, points)
    steps = [point for point in points if point.loss is not None]
    lines = [
        f"# {spec.output_dir.name}",
        "",
        f"{spec.checkpoint.name}, fine-tuned on {spec.data.name} to learn {HEADS[spec.task].learns}: "
        f"{type(model).__name__}, {model.num_parameters():,} weights.",
        "",
        "## Data",
        "",
        f"- {spec.data.name}" + (f", {spec.data.config}" if spec.data.config else ""),
        *([f"- revision {spec.data.revision}"] if spec.data.revision else []),
        f"- SHA-256 `{record.fingerprint}`",
        f"- columns: {', '.join(f'{column} as {role}' for role, column in spec.columns.items())}",
        f"- {record.train_rows:,} rows trained on, {_evaluated_on(record)}"
        + (f", {record.unused_rows:,} left out" if record.unused_rows else ""),
        *([f"- labels: {', '.join(record.labels)}"] if record.labels else []),
        *_forms(spec),
        "",
        "## Results",
        "",
    ]
    if last is not None:
        best = f", the best by its {record.best.metric}" if record.best is not None else ""
        lines += [f"On the rows held out, after step {last.step:,} of {last.total:,}{best}:", ""]
        lines += _table(_measured(last))
    else:
        lines += ["It was not evaluated."]
    if steps:
        lines += [
            "",
            f"Training loss: {steps[0].loss:.4f} at first, {steps[-1].loss:.4f} after step {steps[-1].step:,}.",
        ]
    lines += [
        "",
        "These rows are of the same source as those it learned from; other texts may give other results.",
        "",
        "## Training",
        "",
        *_table(_told(spec)),
        "",
        "## Versions",
        "",
        *(f"- {name} {version}" for name, version in record.versions.items()),
        "",
    ]
    return "\n".join(lines)


def _forms(spec: TrainSpec) -> list[str]:
    """How prompts were written, where a row has an input: whoever asks the checkpoint writes them so."""
    if spec.task != "chat" or not spec.columns.get("input"):
        return []
    lines = ["", "Prompts were written in these forms, with and without an input:"]
    for form in FORMS:
        lines += ["", "````", *str(HEADS[spec.task].option(spec, form.name)).splitlines(), "````"]
    return lines


def _evaluated_on(record: Record) -> str:
    source = record.spec.evaluation
    if source is None:
        return f"{record.eval_rows:,} held out (drawn with seed {record.spec.seed})"
    return f"{record.eval_rows:,} of {source.name} (SHA-256 `{record.evaluation_fingerprint}`) evaluated on"


def settings_of(spec: TrainSpec) -> dict[str, Any]:
    """The settings of a run by the names of their fields, those of a method as ``method.rank``.

    Data, checkpoint and folder are left out, and so is what is empty.
    """
    found: dict[str, Any] = {}
    for name in (field.name for field in dataclasses.fields(spec) if field.name not in _WHAT):
        value = getattr(spec, name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = dataclasses.asdict(value)
        within = value.items() if isinstance(value, Mapping) else ()
        found |= {f"{name}.{key}": one for key, one in within} or {name: value}
    return {name: value for name, value in found.items() if value not in ("", None, {}, (), [])}


def evaluation_of(record: Record, points: Sequence[TrainPoint]) -> TrainPoint | None:
    """The evaluation that tells of a run's result: the best one where it was kept, else the last one; or None."""
    if record.best is None:
        return last_evaluation(points)
    kept = [point for point in points if point.eval_loss is not None and point.step == record.best.step]
    return kept[-1] if kept else None


def last_evaluation(points: Sequence[TrainPoint]) -> TrainPoint | None:
    """The last evaluation of a curve, or None."""
    return next((point for point in reversed(points) if point.eval_loss is not None), None)


def _told(spec: TrainSpec) -> list[tuple[str, Any]]:
    plain = TrainSpec(spec.task, spec.checkpoint, spec.data, {}, spec.output_dir)
    usual = settings_of(plain)
    told = settings_of(spec)
    forms = {f"head_options.{form.name}" for form in FORMS}
    differ = [(name, value) for name, value in told.items() if name in _ALWAYS or usual.get(name) != value]
    return [(name, value) for name, value in differ if name not in forms]


def _measured(point: TrainPoint | None) -> list[tuple[str, float]]:
    if point is None or point.eval_loss is None:
        return []
    return [("loss", point.eval_loss), *point.metrics.items()]


def _table(rows: Sequence[tuple[str, Any]]) -> list[str]:
    return ["| | |", "|---|---|", *(f"| {name} | {_cell(value)} |" for name, value in rows)]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value).replace("|", "\\|")
