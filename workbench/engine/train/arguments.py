"""Every field of the installed ``TrainingArguments``: what it is, what it says of itself, and who sets it."""

from __future__ import annotations

import ast
import dataclasses
import enum
import functools
import inspect
import types
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError
from workbench.engine.task import Silent, Task
from workbench.engine.train.accelerate_state import keep_apart

if TYPE_CHECKING:
    from transformers import TrainingArguments

_FORM = "It has a control of its own among the settings"
_KEPT = "The workbench keeps the curve, the checkpoints and the run's folder itself"
_HUB = "The workbench pushes a finished run; here, the token would be pickled into training_args.bin"
_OUTSIDE = "It spreads a run over several devices; a run in this window has one process"
_UNUSED = "Trainer itself makes no use of it"
_TRACKED = "It reports to a service; the workbench draws the curve itself"

#: Fields that can't be given in ``TrainSpec.arguments``, and why.
LOCKED: dict[str, str] = {
    **dict.fromkeys(
        ("num_train_epochs", "max_steps", "per_device_train_batch_size", "gradient_accumulation_steps",
         "learning_rate", "lr_scheduler_type", "warmup_steps", "weight_decay", "bf16", "fp16", "eval_strategy",
         "eval_steps", "activation_checkpointing", "torch_compile", "label_smoothing_factor", "neftune_noise_alpha",
         "seed", "metric_for_best_model", "load_best_model_at_end", "train_sampling_strategy"),
        f"{_FORM}.",
    ),
    **dict.fromkeys(
        ("output_dir", "logging_strategy", "logging_steps", "logging_first_step", "save_strategy", "save_steps",
         "save_total_limit", "save_only_model", "save_on_each_node",
         "resume_from_checkpoint", "ignore_data_skip", "restore_callback_states_from_checkpoint", "disable_tqdm",
         "include_num_input_tokens_seen"),
        f"{_KEPT}.",
    ),
    **dict.fromkeys(
        ("push_to_hub", "hub_token", "hub_model_id", "hub_private_repo", "hub_strategy", "hub_always_push",
         "hub_revision"),
        f"{_HUB}.",
    ),
    **dict.fromkeys(
        ("fsdp", "fsdp_config", "deepspeed", "parallelism_config", "local_rank", "ddp_find_unused_parameters",
         "ddp_bucket_cap_mb", "ddp_broadcast_buffers", "ddp_static_graph", "ddp_backend", "ddp_timeout",
         "log_on_each_node", "average_tokens_across_devices"),
        f"{_OUTSIDE}.",
    ),
    **dict.fromkeys(("do_train", "do_eval", "do_predict"), f"{_UNUSED}."),
    **dict.fromkeys(
        ("report_to", "run_name", "project", "trackio_space_id", "trackio_bucket_id", "trackio_static_space_id"),
        f"{_TRACKED}.",
    ),
    "logging_nan_inf_filter": "With it, a step whose loss is not a number would be drawn as loss 0.",
    "data_seed": "It is the seed of the run, or the order of the rows would come from torch's global seed.",
    "greater_is_better": "It goes by the metric.",
    "use_cpu": "It is on where there is no accelerator.",
    "prediction_loss_only": "It goes by the head: whether an evaluation needs the logits.",
    "include_for_metrics": "It goes by the head: what its metrics read.",
    "batch_eval_metrics": "The metrics are computed from a whole evaluation.",
    "eval_do_concat_batches": "The metrics are computed from a whole evaluation.",
    "label_names": "It goes by the head.",
    "remove_unused_columns": "The rows hold what the model takes and nothing else.",
    "enable_jit_checkpoint": "It installs a signal handler, which only a main thread may; a run has its own thread.",
    "gradient_checkpointing": "It is the former name of activation_checkpointing.",
    "gradient_checkpointing_kwargs": "It is the former name of activation_checkpointing_kwargs.",
    "auto_find_batch_size": "It starts the run anew with half the batch when memory runs out; the curve would lie.",
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Argument:
    """A field of ``TrainingArguments``.

    Attributes:
        name: As transformers spells it.
        kind: ``bool``, ``int``, ``float``, ``str``, or ``any`` for lists and dicts.
        optional: Whether None is a value of it.
        default: What holds where nothing is given.
        help: What the library says of it.
        choices: Its values where it has only some.
        locked: Why it can't be given here, or an empty string.
    """

    name: str
    kind: str
    optional: bool
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    locked: str = ""


def arguments(*, task: Task | None = None) -> tuple[Argument, ...]:
    """All fields of the installed version, in its order. Imports transformers.

    Args:
        task: May stop it before.

    References:
        transformers, Trainer: TrainingArguments
    """
    (task or Silent()).check()
    from transformers import TrainingArguments

    hints = typing.get_type_hints(TrainingArguments)
    return tuple(_argument(field, hints[field.name]) for field in dataclasses.fields(TrainingArguments) if field.init)


def _argument(field: dataclasses.Field[Any], hint: Any) -> Argument:
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    parts = set(typing.get_args(hint)) if union else {hint}
    optional = type(None) in parts
    parts -= {type(None)}
    default = None
    if field.default is not dataclasses.MISSING:
        default = field.default
    elif field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    choices = field.metadata.get("choices") or next(
        ([one.value for one in part] for part in parts if inspect.isclass(part) and issubclass(part, enum.Enum)), ()
    )
    if isinstance(default, enum.Enum):
        default = default.value
    kind = next((name for name, known in _KINDS if parts == {known}), "any")
    if choices and kind == "any":
        kind = "str"
    text = " ".join(str(field.metadata.get("help") or "").replace("%%", "%").split())
    return Argument(
        field.name, kind, optional or default is None, default, text, tuple(map(str, choices)),
        LOCKED.get(field.name, ""),
    )  # fmt: skip


_KINDS = (("bool", bool), ("int", int), ("float", float), ("str", str))


def spell(value: Any) -> str:
    """A value as it is written into the table and read back by `parse`."""
    return value if isinstance(value, str) and value and not _looks_otherwise(value) else repr(value)


def parse(argument: Argument, text: str) -> Any:
    """The value that a text stands for.

    Args:
        argument: Whose value it is.
        text: A number, ``True``, ``None``, a list or dict as Python writes them; anything else is text.

    Raises:
        InputError: It is none that this field takes.
    """
    try:
        value: Any = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = text.strip()
        if value.lower() in ("true", "false"):
            value = value.lower() == "true"
    return checked(argument, value)


def checked(argument: Argument, value: Any) -> Any:
    """The value itself, a whole number as a float where the field is one.

    Raises:
        InputError: It is none that this field takes, or the field is locked.
    """
    what = f"Could not set {argument.name}."
    if argument.locked:
        raise InputError(what, why=argument.locked, remedy="Leave it out of the further arguments.")
    if value is None and argument.optional:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {
        "bool": isinstance(value, bool),
        "int": number and int(value) == value if number else False,
        "float": number,
        "str": isinstance(value, str),
        "any": True,
    }[argument.kind]
    if not fits:
        wanted = {"bool": "True or False", "int": "a whole number", "float": "a number", "str": "text"}[argument.kind]
        raise InputError(
            what, why=f"It takes {wanted}{' or None' * argument.optional}, not {value!r}.", remedy="Correct the value."
        )
    if argument.choices and str(value) not in argument.choices:
        raise InputError(what, why=f"“{value}” is none of its values.", remedy=f"Choose {', '.join(argument.choices)}.")
    return {"int": int, "float": float}.get(argument.kind, lambda same: same)(value)


def further(given: Mapping[str, Any]) -> dict[str, Any]:
    """Further arguments of a run, each looked at; nothing is imported where there are none.

    Raises:
        InputError: The installed version has no such field, it is locked, or the value does not fit.
    """
    if not given:
        return {}
    known = _known()
    for name in given:
        if name not in known:
            raise InputError(
                f"Could not set {name}.",
                why="The installed transformers has no such field of TrainingArguments.",
                remedy="Leave it out; it may belong to another version.",
            )
    return {name: checked(known[name], value) for name, value in given.items()}


@functools.cache
def _known() -> dict[str, Argument]:
    return {argument.name: argument for argument in arguments()}


def arguments_of(given: Mapping[str, Any]) -> TrainingArguments:
    """The library's object of a run's keyword arguments: with those of Seq2SeqTrainer where texts are generated."""
    import transformers

    kind = transformers.Seq2SeqTrainingArguments if generates(given) else transformers.TrainingArguments
    return kind(**given)


def generates(given: Mapping[str, Any]) -> bool:
    """Whether evaluations with these keyword arguments write texts, for which Seq2SeqTrainer is there."""
    return bool(given.get("predict_with_generate"))


def try_out(given: dict[str, Any], *, task: Task | None = None) -> None:
    """Make ``TrainingArguments`` of them, which is how the library itself looks at them. Writes nothing.

    Args:
        given: All keyword arguments of a run.
        task: May stop it before.

    Raises:
        InputError: The library refuses them.
    """
    (task or Silent()).check()
    keep_apart()
    try:
        arguments_of(given)
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise InputError(
            "Could not make TrainingArguments of these settings.",
            why=lines[0][:400],
            remedy="Correct the setting it names.",
        ) from error


def _looks_otherwise(text: str) -> bool:
    try:
        return not isinstance(ast.literal_eval(text), str)
    except (ValueError, SyntaxError):
        return text.lower() in ("true", "false") or text != text.strip()
