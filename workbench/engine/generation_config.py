"""What a checkpoint says of how it generates, made usable where its generation_config.json is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel

FILE = "generation_config.json"
"""Where it stands in the folder of a checkpoint."""

_IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")


def contradiction(path: Path) -> str:
    """What the library finds wrong with the file of a folder, for which it refuses the whole checkpoint; or nothing."""
    from transformers import GenerationConfig

    try:
        GenerationConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    except OSError:
        # It is not there, or torn: the library does without it then.
        return ""
    except (TypeError, ValueError) as error:
        return str(error).partition("\n")[0]
    return ""


def mended(model: PreTrainedModel, path: Path) -> tuple[str, ...]:
    """Take what is no id for none in the ids of a loaded model, and say what of its file could not be used.

    Args:
        model: As it was loaded.
        path: Of the folder it is from.
    """
    if not model.can_generate():
        return ()
    notes = []
    file = path / FILE
    try:
        readable = not file.is_file() or isinstance(json.loads(file.read_bytes()), dict)
    except (OSError, ValueError, RecursionError):
        readable = False
    if not readable:
        notes.append(f"Its {FILE} can't be read, so it generates by its config and the library's own settings.")
    for name in _IDS:
        value = getattr(model.generation_config, name, None)
        if value is not None and not _is_id(value):
            own = getattr(model.config, name, None)
            setattr(model.generation_config, name, own if _is_id(own) else None)
            notes.append(f"{name} in its {FILE} is {value!r}, which is no id; it is left out.")
            without_idle(model.generation_config)
    return tuple(notes)


def without_idle(config: GenerationConfig) -> tuple[str, ...]:
    """Leave out settings without effect, such as a temperature where nothing is drawn.

    The library generates beside them, and refuses to save them once anything else was changed: a fine-tune, which
    changes the ids, would be lost at its end.

    Returns:
        The names of what was left out.
    """
    from transformers import GenerationConfig

    if _saves(config):
        return ()
    wanted: dict[str, Any] = config.to_diff_dict()
    plain = GenerationConfig()
    kept = GenerationConfig()
    left, before = set(wanted), len(wanted) + 1
    # Some have an effect beside others alone, which may come later.
    while len(left) < before:
        before = len(left)
        for name in sorted(left):
            setattr(kept, name, wanted[name])
            if _saves(kept):
                left.remove(name)
            else:
                setattr(kept, name, getattr(plain, name, None))
    for name in left:
        setattr(config, name, getattr(plain, name, None))
    return tuple(sorted(left))


def _saves(config: GenerationConfig) -> bool:
    try:
        config.validate(strict=True)
    except (TypeError, ValueError):
        return False
    return True


def _is_id(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, list) and all(isinstance(each, int) for each in value))
