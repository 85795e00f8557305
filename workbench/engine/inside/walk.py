"""What a pass returned: its hidden states and attention maps, wherever in the output the library has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_SIDES = {
    "hidden_states": "model",
    "attentions": "model",
    "text_model_output": "text",
    "vision_model_output": "vision",
    "vision_outputs": "vision",
    "audio_model_output": "audio",
    "language_model_outputs": "text",
    "cross_attentions": "decoder to encoder",
}

#: What reads comes before what writes; others stand between them.
_ORDER = ("encoder", "model", "decoder", "decoder to encoder")


@dataclass(frozen=True, eq=False, slots=True)
class Found:
    """Tensors of one stack of layers.

    Attributes:
        name: ``model``, ``encoder``, ``decoder``, ``decoder to encoder``, ``vision`` …
        path: Where they are in the output, such as ``vision_model_output.hidden_states``.
        tensors: One a layer, each with its place behind the path, such as ``[0]``.
        watched: Whether these are what the layers of that path in the model returned, as the output has none.
    """

    name: str
    path: str
    tensors: tuple[tuple[str, Any], ...]
    watched: bool = False

    @property
    def sides(self) -> tuple[str, str]:
        """The part whose positions look, and the one whose are looked at."""
        side, _, other = self.name.partition(" to ")
        return side, other or side


def walk(output: Any, ending: str) -> list[Found]:
    """Every tuple of tensors in an output whose name ends so: ``hidden_states`` or ``attentions``."""
    found: dict[int, Found] = {}
    for names, value in _tuples(output, ending, ()):
        tensors = tuple(_flat(value, ""))
        # Some outputs hold those of an output inside once more.
        if tensors and id(tensors[0][1]) not in found:
            found[id(tensors[0][1])] = Found(_name(names, ending), ".".join(names), tensors)
    return sorted(found.values(), key=lambda each: _ORDER.index(each.name) if each.name in _ORDER else 1)


def _tuples(output: Any, ending: str, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in output.items():
        if isinstance(value, (tuple, list)) and key.endswith(ending) and not key.startswith("reshaped"):
            yield (*names, key), value
        elif hasattr(value, "items"):
            yield from _tuples(value, ending, (*names, key))


def _flat(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, (tuple, list)):
        for number, each in enumerate(value):
            yield from _flat(each, f"{place}[{number}]")
    elif hasattr(value, "ndim"):
        yield place, value


def _name(names: tuple[str, ...], ending: str) -> str:
    last = names[-1]
    if last in _SIDES and len(names) == 1:
        return _SIDES[last]
    own = "" if last == ending else _SIDES.get(last, last.removesuffix(ending).strip("_").replace("_", " "))
    outer = [
        _SIDES.get(name, name.removesuffix("_outputs").removesuffix("_output").replace("_", " ")) for name in names[:-1]
    ]
    if outer == ["text"] and own in _ORDER:
        # A language model inside, with an encoder and a decoder of its own.
        return own
    return " ".join([*outer, *([own] if own else [])])
