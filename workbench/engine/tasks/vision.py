"""What tasks on pictures share: a picture as pixel values, one pass, and the processor's own postprocessing."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported, first_line
from workbench.engine.generate import pictures
from workbench.engine.tasks.inputs import Inputs, Outcome, Request
from workbench.engine.tasks.processors import image_processor, missing

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

PICTURE = (("image", "Picture"),)
"""The input of a task on one picture."""


class Outputs(dict[str, Any]):
    """The outputs of a model as the processors read them: by key and by attribute, None where there is none."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)


def picture(request: Request) -> Image:
    """The picture that was given, turned upright, in RGB.

    Raises:
        InputError: There is none, or it can't be read.
    """
    if request.given.image is None:
        raise InputError(
            "There is no picture yet.",
            why="No file was chosen.",
            remedy="Drop one on the pane, choose one, paste one, or take the example.",
        )
    return pictures.read(request.given.image)


def pixels(request: Request) -> Inputs:
    """The picture as the checkpoint's processor prepares it; aside ``target_size``, its own height and width.

    Raises:
        InputError: There is no picture, it can't be read, or the processor can't prepare it.
        NotSupported: The checkpoint has no image processor that works here.
    """
    import torch

    opened = picture(request)
    tensors = prepared(image_processor(request.model), images=[opened])
    return Inputs(tensors, {"target_size": torch.tensor([[opened.height, opened.width]])})


def prepared(processor: Any, **arguments: Any) -> dict[str, Tensor]:
    """The tensors that an image processor makes, the pixel values first; a list of tensors of one shape becomes one.

    Raises:
        InputError: The processor can't prepare the picture.
    """
    import torch

    try:
        made = processor(**arguments, return_tensors="pt")
    except (ValueError, TypeError, IndexError, ZeroDivisionError, RuntimeError) as error:
        raise InputError(
            "The picture could not be prepared.",
            why=f"The checkpoint's image processor says: {first_line(error)}",
            remedy="Try another picture; a very small or very long one can be too much for it.",
        ) from error
    # Idefics' gives its pixels alone.
    made = {"pixel_values": made} if isinstance(made, torch.Tensor) else made
    names = sorted(made, key=lambda name: name != "pixel_values")
    tensors = {name: _stacked(made[name]) for name in names}
    return {name: tensor for name, tensor in tensors.items() if isinstance(tensor, torch.Tensor)}


def _stacked(value: Any) -> Any:
    import torch

    alike = isinstance(value, list) and value and all(isinstance(each, torch.Tensor) for each in value)
    return torch.stack(value) if alike and len({each.shape for each in value}) == 1 else value


def passed(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass: every output that is a tensor, in full precision, on the CPU."""
    return passed_by(request, inputs, "__call__")


def passed_by(request: Request, inputs: Inputs, method: str) -> dict[str, Tensor]:
    """One pass through a method of the model: every output that is a tensor, in full precision, on the CPU."""
    import torch

    output = getattr(request.model.model, method)(**request.on_device(inputs.tensors))
    return {
        name: (tensor.float() if tensor.is_floating_point() else tensor).cpu()
        for name, tensor in output.items()
        if isinstance(tensor, torch.Tensor)
    }


def finisher(request: Request, names: tuple[str, ...]) -> Any:
    """The first of some ``post_process_…`` methods that the checkpoint's processor has.

    Raises:
        NotSupported: It has none.
    """
    processor = image_processor(request.model)
    for name in names:
        if hasattr(processor, name):
            return partial(_finished, request, getattr(processor, name))
    raise NotSupported(
        f"The outputs of {request.model.checkpoint.name} can't be read.",
        why=f"Its image processor ({type(processor).__name__}) has no {' or '.join(names)}.",
        remedy="Load another checkpoint, or another setting of what parts are.",
    )


def _finished(request: Request, finish: Any, *arguments: Any, **named: Any) -> Any:
    try:
        return finish(*arguments, **named)
    except (NameError, ImportError) as error:
        # Some processors for Pillow name torchvision all the same, ZoeDepth's among them.
        raise missing(f"The outputs of {request.model.checkpoint.name} can't be read.", error) from error


def size(inputs: Inputs) -> tuple[int, int]:
    """Height and width of the picture."""
    height, width = inputs.aside["target_size"][0].tolist()
    return int(height), int(width)


def field(request: Request, inputs: Inputs, outputs: dict[str, Tensor], method: str, name: str) -> Outcome:
    """Three numbers a pixel, as the processor makes them in the size of the picture.

    Args:
        request: Whose processor makes them.
        inputs: Aside, the picture's size.
        outputs: Of the model.
        method: The processor's ``post_process_…`` method.
        name: Of the tensor ``(3, height, width)`` it gives.
    """
    finish = finisher(request, (method,))
    # Where the picture was filled up, what belongs to it is cut out first.
    sizes = "source_sizes" if image_processor(request.model).do_pad else "target_sizes"
    (found,) = finish(Outputs(outputs), **{sizes: [size(inputs)]})
    values = found[name].float().cpu()
    return Outcome({name: values}, (values.permute(1, 2, 0).numpy(),))
