"""The part of a script that gives a model a picture beside its text, where no mark in the text places it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, call, model_type_of, numbers
from workbench.engine.facts import read_config
from workbench.engine.generate.captions import ALONE, ASKING, FRAMES, INSIDE, PAGED, TYPES
from workbench.engine.generate.page import told, words
from workbench.engine.processors import PICTURED

if TYPE_CHECKING:
    from workbench.engine.values import Checkpoint

_MODEL = "model.generation_config"

CUTS = [
    "pixels = processor.image_processor",
    "cut = pixels.patchify_image",
    'if type(pixels).__name__.endswith("Pil"):  # written for arrays, and handed tensors',
    "    pixels.patchify_image = lambda image, patch_size: torch.from_numpy(cut(image.numpy(), patch_size))",
]
"""Lines that let Fuyu's image processor of Pillow cut patches."""


def shown(kind: str, picture: str) -> str:
    """The argument of a processor that is the picture, or a film of it alone.

    Args:
        kind: One of `workbench.engine.generate.captions.TYPES`.
        picture: The name of the picture.
    """
    return f"images=numpy.stack([{picture}] * {FRAMES[kind]})" if kind in FRAMES else f"images=[{picture}]"


def interleaved(text: str, pictures: str) -> list[str]:
    """``pieces``: what stands between the marks of a text, with the pictures in their places, as Idefics 1 wants it.

    Args:
        text: The name of the text.
        pictures: The name of the list of pictures.
    """
    return [
        f'first, *rest = {text}.split("<image>")',
        f"pieces = [first, *(each for pair in zip({pictures}, rest) for each in pair)]",
        "pieces = [each for each in pieces if each]",
    ]


class Beside:
    """Writes it for a checkpoint.

    Args:
        checkpoint: Of an architecture that takes its pictures beside the text; see `of`.
        text: The prompt.
        pictures: Files; the first is shown.
        prefix: Ids that were taken over.

    Attributes:
        settings: The generation config that holds for the model.
        ends: The ids that end a text of it.
        length: Ids in front of the first new one.
        encoder_ids: What its encoder reads, when that is text.
        imports: What the lines need besides.
    """

    def __init__(self, checkpoint: Checkpoint, text: str, pictures: Sequence[Path], prefix: Sequence[int]) -> None:
        self._kind = model_type_of(checkpoint)
        self._text = text if text.strip() else ""
        self._pictures = pictures
        self._prefix = prefix
        config = read_config(checkpoint.path, checkpoint.name)
        self._donut = "donut" in str(config.get("encoder", {}).get("model_type", ""))
        inside_kind = config.get("text_config", {}).get("model_type")
        self._pixels = self._kind in (*ALONE, "pix2struct")
        self._encodes = self._pixels or self._kind in ("florence2", PAGED) or inside_kind == "t5"
        inside = INSIDE.get(self._kind)
        self.settings = f"model.{inside}.generation_config" if inside else _MODEL
        self.ends = f"{self.settings}.eos_token_id"
        if self._kind == "blip":
            self.ends = "model.config.text_config.sep_token_id"
        self.encoder_ids = 'inputs["input_ids"]' if self._encodes and not self._pixels else ""
        self.length = 'inputs["decoder_input_ids"].shape[1]' if self._begins else "1"
        if not self._encodes:
            self.length = 'inputs["input_ids"].shape[1]' + (" - 1" if self._kind == "blip" else "")
        self.imports = [] if self._kind in ALONE else ["import inspect", ""]
        if self._kind in FRAMES:
            self.imports.append("import numpy")
        #: What reads the checkpoint's files.
        self.readers = ["AutoTokenizer", "AutoImageProcessor"] if self._kind in ALONE else ["AutoProcessor"]

    @property
    def _begins(self) -> bool:
        return bool(self._encodes and (self._prefix or (self._pixels and self._text)))

    def lines(self) -> list[str]:
        """From the prompt and the picture to tensors."""
        if self._kind in ALONE:
            made = [
                'pixels = image_processor(images=[picture], return_tensors="pt")["pixel_values"]',
                'inputs = {"pixel_values": pixels.to(model.device, dtype=model.dtype)}',
            ]
        else:
            given = ["text=[prompt]"] if self._text else []
            if self._kind == PAGED:
                given = ["text=[asked]", "text_pair=[words]", "boxes=[boxes]"]
            made = [
                *(self._page() if self._kind == PAGED else []),
                *(CUTS if self._kind == "fuyu" else []),
                *call("inputs = processor(", [shown(self._kind, "picture"), *given, 'return_tensors="pt"']),
                "inputs = inputs.to(model.device, dtype=model.dtype)",
                "takes = inspect.signature(model.forward).parameters",
                "inputs = {name: tensor for name, tensor in inputs.items() if name in takes}",
            ]
        return [
            *assign("file", str(self._pictures[0])),
            'picture = ImageOps.exif_transpose(Image.open(file)).convert("RGB")',
            *made,
            *(self._begun() if self._encodes else self._first()),
        ]

    def _page(self) -> list[str]:
        """What is asked, and the words of the page below it."""
        asked, page = told(self._text)
        boxed = words(page)
        return [
            "processor.image_processor.apply_ocr = False  # the words of the page are those below",
            *assign("asked", asked),
            *assign("words", [word for word, _ in boxed]),
            *assign("boxes", [list(box) for _, box in boxed]),
        ]

    def _begun(self) -> list[str]:
        """What a decoder begins with."""
        if not self._begins:
            return []
        lines = ["begun = []"]
        if self._text and self._kind in ALONE:
            lines = ['begun = tokenizer(prompt, add_special_tokens=False)["input_ids"]']
        elif self._text and self._kind == "pix2struct":
            # A question was written over the picture instead.
            lines = [
                'begun = inputs["decoder_input_ids"][0].tolist() if "decoder_input_ids" in inputs else []',
                'inputs.pop("decoder_attention_mask", None)',
            ]
        if not (self._donut and self._text):
            lines += [
                f"own = {self.settings}",
                "start = own.bos_token_id if own.decoder_start_token_id is None else own.decoder_start_token_id",
                "begun = begun if begun[:1] == [start] else [start, *begun]",
            ]
        if self._prefix:
            said = "# Ids that were written before, and from which this text goes on."
            lines += ["", said, *numbers("kept", self._prefix), "begun += kept"]
        return [*lines, 'inputs["decoder_input_ids"] = torch.tensor([begun], device=model.device)']

    def _first(self) -> list[str]:
        """What a model that goes on behind its prompt is given of ids."""
        lines = []
        if not self._text and self._kind not in ASKING:
            config = "model.config.text_config"
            pictured = "[model.config.image_token_index] * model.config.num_query_tokens"
            first = {
                "blip": f"[{config}.bos_token_id, {config}.sep_token_id]",
                "blip-2": f"{pictured} + [{config}.bos_token_id]",
            }.get(self._kind, "[model.generation_config.bos_token_id]")
            lines = [
                f"first = {first}",
                'inputs["input_ids"] = torch.tensor([first], device=model.device)',
                'inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])',
            ]
        if self._prefix:
            said = "# Ids that were written before, and from which this text goes on."
            lines += [
                "",
                said,
                *numbers("kept", self._prefix),
                "tail = torch.tensor([kept], device=model.device)",
                *self._tail(),
            ]
        return lines

    def _tail(self) -> list[str]:
        if self._kind == "blip":
            return [
                'ids = inputs["input_ids"]  # the model takes the last one off',
                'inputs["input_ids"] = torch.cat([ids[:, :-1], tail, ids[:, -1:]], dim=1)',
                'inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])',
            ]
        return [
            'inputs["input_ids"] = torch.cat([inputs["input_ids"], tail], dim=1)',
            'inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])',
            *(
                [
                    'where = inputs["image_embeds_position_mask"]',
                    'inputs["image_embeds_position_mask"] = torch.cat([where, torch.zeros_like(tail)], dim=1)',
                ]
                if self._kind.startswith("kosmos-2")
                else []
            ),
        ]


def of(checkpoint: Checkpoint, head: str, text: str, pictures: Sequence[Path], prefix: Sequence[int]) -> Beside | None:
    """The writer for a checkpoint, or None where it takes its pictures in the text, or there are none."""
    if not pictures or head not in PICTURED or model_type_of(checkpoint) not in TYPES:
        return None
    return Beside(checkpoint, text, pictures, prefix)
