"""Pictures and sounds of a prompt: placed by the checkpoint's template, and made tensors by its processor."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported, first_line
from workbench.engine.facts import BLIND
from workbench.engine.generate import hearing
from workbench.engine.processors import PICTURED
from workbench.engine.task import Silent, Task
from workbench.engine.tokens import chat, encode
from workbench.engine.tokens.positions import Pieces, slow_tokens
from workbench.engine.values import Encoding, Message, Start, TokenizerOptions

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor
    from transformers import BatchFeature, ProcessorMixin

    from workbench.engine.models import LoadedModel

#: What is opened; other formats of Pillow start programs (EPS) or are read by code that few look at.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
#: Pixels of the largest picture that is opened; decoded it takes three bytes each.
_PIXELS = 50_000_000
_FILE_BYTES = 200_000_000
#: The largest value of 8 bits.
_WHITE = 255
#: What stands for a picture where the processor leaves all of it to the template, which writes it whatever is said.
_WRITTEN = {"PPChart2TableProcessor": ("<img>", re.compile(r"<img>(<imgpad>)+</img>"))}
#: What the names of arguments begin with that are as long as the prompt only by chance.
_OWN_MASKS = ("qformer", "input_features", "feature", "padding", "audio")
#: Processors that refuse a mark which does not stand between those of where a picture begins and ends.
_FRAMED = ("HunYuanVLProcessor",)


def attach(messages: Sequence[Message], images: Sequence[Path], sounds: Sequence[Path] = ()) -> tuple[Message, ...]:
    """Show pictures and sounds with the last turn of the user.

    Raises:
        InputError: There is no such turn.
    """
    turns = list(messages)
    if not (images or sounds):
        return tuple(turns)
    for index in range(len(turns) - 1, -1, -1):
        if turns[index].role == "user":
            turn = turns[index]
            turns[index] = replace(turn, images=(*turn.images, *images), sounds=(*turn.sounds, *sounds))
            return tuple(turns)
    raise InputError(
        f"The {'picture' if images else 'sound'} belongs to no turn.",
        why="The conversation has no turn of the user to show it with.",
        remedy="Write a turn of the user first.",
    )


def encode_shown(
    model: LoadedModel,
    text: str,
    messages: Sequence[Message],
    images: Sequence[Path],
    sounds: Sequence[Path] = (),
    *,
    task: Task,
) -> Encoding:
    """Encode a prompt for a model that takes pictures or sounds, with or without some.

    Args:
        model: A model that sees or hears.
        text: A plain prompt; unless it marks the places of the files itself, they come first.
        messages: The turns of a chat instead, with their files.
        images: All pictures, in order.
        sounds: All sounds, in order.
        task: Asked whether to stop.

    Returns:
        The text with one mark for each file, and all tokens, those that the files become included.

    Raises:
        NotSupported: The model takes no such files, or there are messages without a chat template.
        InputError: A file can't be read, or the text marks another number of them.
    """
    text = placed(model, text, messages, images, sounds)
    processor = _reader(model, images, sounds)
    if not (images or sounds or interleaved(processor)):
        return encode(
            processor.tokenizer, text, TokenizerOptions(add_special_tokens=_adds_special(processor, text)), task=task
        )
    task.check()
    made = _run(processor, text, images, sounds, task)
    ids, mask = made["input_ids"][0].tolist(), made["attention_mask"][0].tolist()
    # The processor tokenizes a text in which each mark became many, so the places in this one are not known.
    return Encoding(text, slow_tokens(Pieces(processor.tokenizer), ids, mask, None, task))


def placed(
    model: LoadedModel, text: str, messages: Sequence[Message], images: Sequence[Path], sounds: Sequence[Path] = ()
) -> str:
    """The text that the checkpoint's processor is given, with one mark for each file.

    Args:
        model: As for `encode_shown`.
        text: As for `encode_shown`.
        messages: As for `encode_shown`.
        images: As for `encode_shown`.
        sounds: As for `encode_shown`.

    Raises:
        NotSupported: As for `encode_shown`.
        InputError: The text marks another number of files than there are, or the template refuses the conversation.
    """
    processor = _reader(model, images, sounds)
    said = [turn.content for turn in messages] if messages else [text]
    sounded = _marked(said, hearing.mark_of(processor), len(sounds), "sound") if sounds else False
    mark = _mark(processor)
    marked = _marked(said, mark, len(images), "picture")
    if messages:
        turns = [turn if not sounded else replace(turn, sounds=()) for turn in messages]
        text = render(processor, hearing.spoken(processor, turns), not marked)
    else:
        pictured = _placeholders(processor, len(images)) if images and not marked else ""
        heard = "" if sounded else _heard(processor, len(sounds))
        text = pictured + heard + text
    if images and type(processor).__name__ in _WRITTEN and text.count(mark) != len(images):
        raise InputError(
            f"The prompt has {mark} {text.count(mark)} times, for {_count(len(images), 'picture')}.",
            why="This checkpoint's processor places no pictures: its chat template writes one with every turn.",
            remedy="Give one picture with each turn of the user, in a checkpoint that has its chat template.",
        )
    return text


def _marked(said: Sequence[str], mark: str, count: int, what: str) -> bool:
    """Whether texts mark the places of so many files themselves.

    Raises:
        InputError: They mark another number.
    """
    marked = sum(each.count(mark) for each in said)
    if marked not in (0, count):
        raise InputError(
            f"The text has {mark} {marked} times, for {_count(count, what)}.",
            why=f"Each {mark} stands for one {what}.",
            remedy=f"Remove {mark} from the text, or give a {what} for each.",
        )
    return marked > 0


def tensors(model: LoadedModel, start: Start, more: Sequence[int] = ()) -> dict[str, Any]:
    """The arguments of ``generate`` for a start with pictures or sounds.

    Args:
        model: A model that sees or hears.
        start: With at least one file.
        more: Ids that were written after it, of shape ``(new,)``.

    Raises:
        NotSupported: The model takes no such files.
        InputError: A file can't be read any more, or is another one now.
    """
    import torch

    reader = _reader(model, start.images, start.sounds)
    made = _run(reader, start.encoding.text, start.images, start.sounds, Silent())
    check_same(made["input_ids"], start)
    kwargs = dict(made.to(device=model.model.device, dtype=model.model.dtype))
    if start.decoder_start:
        kwargs["decoder_input_ids"] = torch.tensor([[*start.decoder_start, *more]], device=model.model.device)
        return kwargs
    return followed(kwargs, more)


def check_same(ids: Tensor, start: Start) -> None:
    """Refuse ids ``(1, seq)`` that files became, where they are no longer those of the prompt.

    Raises:
        InputError: They are others.
    """
    if tuple(ids[0].tolist()) != start.encoding.input_ids:
        raise InputError(
            f"The {'sounds' if start.sounds else 'pictures'} are no longer those of the prompt.",
            why="They became another number of tokens, so a file was changed since.",
            remedy="Prepare the prompt again.",
        )


def followed(kwargs: dict[str, Any], more: Sequence[int]) -> dict[str, Any]:
    """The arguments of ``generate`` with more ids behind the prompt, and what goes along with them.

    Args:
        kwargs: ``input_ids`` of shape ``(1, seq)``, and masks and types of tokens of that shape.
        more: Ids of shape ``(new,)``.
    """
    import torch

    if not more:
        return kwargs
    along = kwargs["input_ids"].shape
    tail = torch.tensor([list(more)], device=kwargs["input_ids"].device)
    fills = {"input_ids": tail, "attention_mask": torch.ones_like(tail)}
    return {
        name: torch.cat([value, fills.get(name, torch.zeros_like(tail)).to(value.dtype)], dim=1)
        if getattr(value, "shape", None) == along
        and name.endswith(("_ids", "_mask"))
        and not name.startswith(_OWN_MASKS)
        else value
        for name, value in kwargs.items()
    }


def read(path: Path) -> Image:
    """Open a picture as transformers does: turned upright, in RGB.

    Args:
        path: A PNG, JPEG, WebP, BMP, GIF (its first frame) or TIFF of at most 50 million pixels.

    Raises:
        InputError: There is no such file, it is no picture of these formats, it is damaged, it is too large, or its
            points have more than 8 bits.
    """
    import numpy
    from PIL import Image, ImageOps, UnidentifiedImageError

    what = f"The picture {path.name} can't be used."
    if not path.is_file():
        raise InputError(what, why=f"There is no file {path}.", remedy="Choose it again.")
    large = InputError(
        what,
        why=f"It is larger than {_PIXELS // 1_000_000} million pixels or {_FILE_BYTES // 1_000_000} MB.",
        remedy="Make it smaller; models look at a few hundred pixels a side.",
    )
    if path.stat().st_size > _FILE_BYTES:
        raise large
    # Pillow only warns of what unpacks to far more than it should; nobody here wants to go on from there.
    warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
    try:
        with Image.open(path, formats=FORMATS) as picture:
            if picture.width * picture.height > _PIXELS:
                raise large
            if picture.mode == "F" or (picture.mode[0] == "I" and numpy.asarray(picture).max() > _WHITE):
                raise InputError(
                    what,
                    why=f"Its points have more than 8 bits, and the library takes all from {_WHITE} on for white.",
                    remedy="Save it with 8 bits for each colour, as PNG or JPEG.",
                )
            return ImageOps.exif_transpose(picture).convert("RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise large from error
    except UnidentifiedImageError as error:
        raise InputError(
            what, why="It is no PNG, JPEG, WebP, BMP, GIF or TIFF.", remedy="Save it as PNG or JPEG."
        ) from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise InputError(
            what,
            why=f"The file is damaged or can't be read: {error}.",
            remedy="Open and save it again, or take another.",
        ) from error


def processor_of(model: LoadedModel) -> ProcessorMixin:
    """What makes inputs of pictures and text.

    Raises:
        NotSupported: The model takes no pictures.
    """
    if model.processor is not None:
        return model.processor
    if model.head not in PICTURED:
        why = f"It was loaded as {model.head}, which reads text alone."
        remedy = "Remove the picture, or load an image-text-to-text checkpoint."
    elif "AutoModelForImageTextToText" not in model.facts.heads:
        # It stands among those of all kinds for what it hears.
        why = f"{type(model.model).__name__} sees nothing where it goes on behind a prompt."
        remedy = "Remove the picture, or show it one in Tasks, where it takes any."
    elif model.facts.model_type in BLIND:
        why = f"{type(model.model).__name__} reads text alone, although the library lists it among those that see."
        remedy = "Remove the picture, or load a checkpoint that has its vision model, such as Mistral 3's."
    else:
        why = next((note for note in model.notes if "processor" in note), "Its folder has no processor.")
        again = "download the checkpoint again with its preprocessor_config.json"
        remedy = f"Remove the picture, or {'install it' if 'not installed' in why else again}."
    raise NotSupported(f"{model.checkpoint.name} takes no pictures.", why=why, remedy=remedy)


def _mark(processor: ProcessorMixin) -> str:
    if written := _WRITTEN.get(type(processor).__name__):
        return written[0]
    # Qianfan-OCR's texts have another mark than the token that the processor puts there many times.
    named = (getattr(processor, name, None) for name in ("image_placeholder_token", "image_token"))
    return str(next(filter(None, named), "<image>"))


def _placeholders(processor: ProcessorMixin, count: int) -> str:
    """What the checkpoint's template writes for so many pictures, or bare marks without a template."""
    mark, written = _mark(processor), _WRITTEN.get(type(processor).__name__)
    if _template(processor) is not None:
        said = "·picture·"
        shown = render(processor, (Message("user", said, (Path(),)),), True).split(said)[0]
        plain = render(processor, (Message("user", said),), True).split(said)[0]
        added = _added(shown, plain)
        if mark in added:
            return added * count
        if written and (found := written[1].search(plain)):
            return found[0] * count
    if written:
        return ""
    mark = framed(processor, mark)
    # Apart, since some models take marks in a row for one picture.
    return "\n".join([mark] * count)


def _added(longer: str, plain: str) -> str:
    """What a text has that another lacks, where both begin and end alike."""
    start = next((i for i, (a, b) in enumerate(zip(longer, plain, strict=False)) if a != b), len(plain))
    return longer[start : len(longer) - (len(plain) - start)]


def framed(processor: Any, mark: str) -> str:
    """The mark of a picture with those of where it begins and ends, where a processor refuses it alone."""
    if type(processor).__name__ not in _FRAMED:
        return mark
    return f"{processor.image_start_token}{mark}{processor.image_end_token}"


def _template(processor: ProcessorMixin) -> str | None:
    # Older checkpoints have it with the tokenizer alone, where the processor does not look.
    for owner in (processor, processor.tokenizer):
        found = getattr(owner, "chat_template", None)
        found = found.get("default") if isinstance(found, dict) else found
        if found:
            return str(found)
    return None


def _heard(processor: ProcessorMixin, count: int) -> str:
    """What the checkpoint's template writes for so many sounds, or bare marks where it places none."""
    mark, said = hearing.mark_of(processor), "·sound·"
    if not count:
        return ""
    if _template(processor) is not None:
        sounded = render(processor, (Message("user", said, sounds=(Path(),) * count),), True).split(said)[0]
        plain = render(processor, (Message("user", said),), True).split(said)[0]
        added = _added(sounded, plain)
        if added.count(mark) == count:
            return added
    return mark * count


def render(processor: ProcessorMixin, messages: Sequence[Message], with_images: bool) -> str:
    """Write a conversation by the checkpoint's template.

    Args:
        processor: A checkpoint's.
        messages: The turns; the sounds of each are placed in front of what it says.
        with_images: Whether the pictures of each are, too.

    Raises:
        NotSupported: There is none.
        InputError: It refuses the conversation.
    """
    template = _template(processor)
    if template is None:
        raise chat.untold()
    turns: list[dict[str, Any]] = [
        {
            "role": turn.role,
            "content": turn.content
            if hearing.speaks(processor)
            else [
                *({"type": "image"} for _ in (turn.images if with_images else ())),
                *({"type": "audio"} for _ in turn.sounds),
                {"type": "text", "text": turn.content},
            ],
        }
        for turn in messages
    ]
    return chat.write(processor, turns, template=template)


def _adds_special(processor: ProcessorMixin, text: str) -> bool:
    # As apply_chat_template decides: a template may have written the bos token already.
    bos = processor.tokenizer.bos_token
    return bos is None or not text.startswith(str(bos))


def interleaved(processor: ProcessorMixin | None) -> bool:
    """Whether a processor wants the pictures between the pieces of the text, and a text without any too: Idefics 1."""
    return type(processor).__name__ == "IdeficsProcessor"


def _reader(model: LoadedModel, images: Sequence[Path], sounds: Sequence[Path]) -> ProcessorMixin:
    """What reads a prompt with such files.

    Raises:
        NotSupported: The model takes none such.
    """
    return processor_of(model) if images or not sounds else hearing.processor_of(model)


def _run(
    processor: ProcessorMixin,
    text: str,
    images: Sequence[Path],
    sounds: Sequence[Path],
    task: Task,
) -> BatchFeature:
    opened = [read(path) for path in images]
    heard = hearing.given(processor, sounds, task)
    shown = {"images": [opened]} if opened else {}
    try:
        if interleaved(processor):
            first, *rest = text.split(_mark(processor))
            pieces = [first, *(each for pair in zip(opened, rest, strict=True) for each in pair)]
            return processor(text=[[each for each in pieces if each]], return_tensors="pt")
        special = _adds_special(processor, text)
        return processor(text=[text], **shown, **heard, add_special_tokens=special, return_tensors="pt")
    except Exception as error:
        what = "sound" if heard else "picture"
        raise InputError(
            f"The {what}s and the text could not be prepared together.",
            why=f"The checkpoint's processor says: {first_line(error)}",
            remedy=f"Try another {what}, or fewer of them.",
        ) from error


def _count(number: int, what: str) -> str:
    return f"one {what}" if number == 1 else f"{number or 'no'} {what}s"
