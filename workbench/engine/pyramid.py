"""What LayoutLMv2 sees a page with, by torch's own layers, where detectron2, which the library calls, is missing.

Detectron2 is on no package index. Of all of it the library asks for a ResNet or ResNeXt with a feature pyramid over it,
whose weights are named here as they are in the published checkpoints.

References:
    He et al. 2016, Deep Residual Learning; Xie et al. 2017, Aggregated Residual Transformations (ResNeXt)
    Lin et al. 2017, Feature Pyramid Networks; detectron2, Config References: MODEL.RESNETS, MODEL.FPN
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

#: Blocks of each stage, by the number of layers; from 50 on a block has three layers instead of two.
_STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
_NARROW = 50
_FIRST_STAGE = 2

#: What a config that does not say otherwise means.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "": {"PIXEL_MEAN": [103.53, 116.28, 123.675], "PIXEL_STD": [1.0, 1.0, 1.0], "META_ARCHITECTURE": "GeneralizedRCNN"},
    "FPN": {"IN_FEATURES": ["res2", "res3", "res4", "res5"], "OUT_CHANNELS": 256},
    "RESNETS": {
        "DEPTH": 50, "NUM_GROUPS": 1, "WIDTH_PER_GROUP": 64, "STRIDE_IN_1X1": True, "STEM_OUT_CHANNELS": 64,
        "RES2_OUT_CHANNELS": 256,
    },
}  # fmt: skip

#: What no checkpoint of LayoutLMv2 has otherwise, and what is written here alone.
_ONLY: dict[str, dict[str, Any]] = {
    "BACKBONE": {"NAME": "build_resnet_fpn_backbone"},
    "FPN": {"NORM": "", "FUSE_TYPE": "sum"},
    "RESNETS": {"NORM": "FrozenBN", "RES5_DILATION": 1, "DEFORM_ON_PER_STAGE": [False] * 4},
}


def wanted(config: Mapping[str, Any]) -> bool:
    """Whether a config asks for LayoutLMv2, as those of LayoutXLM do too."""
    return config.get("model_type") == "layoutlmv2"


def stand_in() -> None:
    """Let the library build and run LayoutLMv2 by what is here, from now on; detectron2 goes first where it is."""
    from transformers.models.layoutlmv2 import configuration_layoutlmv2, modeling_layoutlmv2
    from transformers.utils import is_detectron2_available

    if is_detectron2_available():
        return
    both: Any = (configuration_layoutlmv2, modeling_layoutlmv2)
    for module in both:
        module.detectron2 = SimpleNamespace(
            config=SimpleNamespace(get_cfg=_settings),
            layers=SimpleNamespace(FrozenBatchNorm2d=_frozen_norm()),
            modeling=SimpleNamespace(backbone=SimpleNamespace(FPN=_pyramid())),
        )
    modeling_layoutlmv2.META_ARCH_REGISTRY = SimpleNamespace(get=lambda _name: _built)
    modeling_layoutlmv2.requires_backends = lambda *_: None


class _Settings(SimpleNamespace):
    """Settings in sections, each made when it is first named: those of the detector around the pyramid are unread."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        setattr(self, name, _Settings())
        return getattr(self, name)


def _settings() -> _Settings:
    """What stands for ``detectron2.config.get_cfg``."""
    model = _Settings()
    for sections in (_DEFAULTS, _ONLY):
        for section, values in sections.items():
            into = getattr(model, section) if section else model
            for name, value in values.items():
                setattr(into, name, list(value) if isinstance(value, list) else value)
    return _Settings(MODEL=model)


def _built(settings: _Settings) -> SimpleNamespace:
    """What stands for a detector: the one part that the library takes of it."""
    for section, values in _ONLY.items():
        for name, value in values.items():
            if (said := getattr(getattr(settings.MODEL, section), name)) != value:
                raise ValueError(
                    f"Its detectron2_config_args set MODEL.{section}.{name} to {said!r}; {value!r} runs without "
                    "detectron2."
                )
    if settings.MODEL.RESNETS.DEPTH not in _STAGES:
        raise ValueError(f"There is no ResNet of {settings.MODEL.RESNETS.DEPTH} layers.")
    return SimpleNamespace(backbone=_pyramid()(settings.MODEL))


@cache
def _frozen_norm() -> type:
    """Batch normalization whose statistics and weights stay as they were saved; they are all buffers."""
    import torch

    class FrozenBatchNorm2d(torch.nn.Module):
        def __init__(self, num_features: int, eps: float = 1e-5) -> None:
            super().__init__()
            self.num_features, self.eps = num_features, eps
            for name in ("weight", "bias", "running_mean", "running_var"):
                self.register_buffer(name, torch.full((num_features,), float(name in ("weight", "running_var"))))

        def forward(self, maps: Tensor) -> Tensor:
            return torch.nn.functional.batch_norm(
                maps, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )

    return FrozenBatchNorm2d


@cache
def _convolution() -> type:
    """A convolution whose normalization is a part of it, as the names of the weights have it."""
    import torch

    class NormedConv2d(torch.nn.Conv2d):
        def __init__(self, inside: int, outside: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
            super().__init__(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False)
            self.norm = _frozen_norm()(outside)

        def forward(self, maps: Tensor) -> Tensor:
            normed: Tensor = self.norm(super().forward(maps))
            return normed

    return NormedConv2d


@cache
def _stem() -> type:
    """The first layer, and the pooling after it: a quarter of the height and width."""
    import torch

    class Stem(torch.nn.Module):
        def __init__(self, colours: int, outside: int) -> None:
            super().__init__()
            self.conv1 = _convolution()(colours, outside, 7, 2)

        def forward(self, maps: Tensor) -> Tensor:
            return torch.nn.functional.max_pool2d(self.conv1(maps).relu(), 3, 2, 1)

    return Stem


@cache
def _block() -> type:
    """Two or three convolutions, and a way around them."""
    import torch

    class Block(torch.nn.Module):
        def __init__(self, inside: int, between: int, outside: int, stride: int, resnet: _Settings) -> None:
            super().__init__()
            conv = _convolution()
            if inside != outside:
                self.shortcut = conv(inside, outside, 1, stride)
            if resnet.DEPTH < _NARROW:
                self.conv1, self.conv2 = conv(inside, outside, 3, stride), conv(outside, outside, 3)
                return
            first, second = (stride, 1) if resnet.STRIDE_IN_1X1 else (1, stride)
            self.conv1 = conv(inside, between, 1, first)
            self.conv2 = conv(between, between, 3, second, resnet.NUM_GROUPS)
            self.conv3 = conv(between, outside, 1)

        def forward(self, maps: Tensor) -> Tensor:
            around = self.shortcut(maps) if hasattr(self, "shortcut") else maps
            maps = self.conv2(self.conv1(maps).relu())
            maps = self.conv3(maps.relu()) if hasattr(self, "conv3") else maps
            return (maps + around).relu()

    return Block


@cache
def _resnet() -> type:
    """The ResNet or ResNeXt: each stage halves height and width, and has twice the channels of the one before."""
    import torch

    class ResNet(torch.nn.Module):
        def __init__(self, model: _Settings) -> None:
            super().__init__()
            resnet, block = model.RESNETS, _block()
            inside, between = resnet.STEM_OUT_CHANNELS, resnet.NUM_GROUPS * resnet.WIDTH_PER_GROUP
            outside = resnet.RES2_OUT_CHANNELS
            self.stem = _stem()(len(model.PIXEL_MEAN), inside)
            last = max(int(name.removeprefix("res")) for name in model.FPN.IN_FEATURES)
            for stage, count in enumerate(_STAGES[resnet.DEPTH][: last - 1], _FIRST_STAGE):
                blocks = [block(inside, between, outside, 1 if stage == _FIRST_STAGE else 2, resnet)]
                blocks += [block(outside, between, outside, 1, resnet) for _ in range(count - 1)]
                self.add_module(f"res{stage}", torch.nn.Sequential(*blocks))
                inside, between, outside = outside, between * 2, outside * 2

        def forward(self, maps: Tensor) -> dict[str, Tensor]:
            found = {}
            for name, part in self.named_children():
                maps = found[name] = part(maps)
            return found

    return ResNet


@cache
def _pyramid() -> type:
    """The feature pyramid: each level is its stage's maps with those of the coarser level added, twice as large."""
    import torch

    class FPN(torch.nn.Module):
        def __init__(self, model: _Settings) -> None:
            super().__init__()
            self.stages = sorted(int(name.removeprefix("res")) for name in model.FPN.IN_FEATURES)
            self.channels = model.FPN.OUT_CHANNELS
            for stage in self.stages:
                inside = model.RESNETS.RES2_OUT_CHANNELS * 2 ** (stage - _FIRST_STAGE)
                self.add_module(f"fpn_lateral{stage}", torch.nn.Conv2d(inside, self.channels, 1))
                self.add_module(f"fpn_output{stage}", torch.nn.Conv2d(self.channels, self.channels, 3, padding=1))
            self.bottom_up = _resnet()(model)

        def output_shape(self) -> dict[str, SimpleNamespace]:
            return {f"p{each}": SimpleNamespace(channels=self.channels, stride=2**each) for each in self.stages}

        def forward(self, maps: Tensor) -> dict[str, Tensor]:
            seen, found = self.bottom_up(maps), {}
            above: Tensor | None = None
            for stage in reversed(self.stages):
                level = self.get_submodule(f"fpn_lateral{stage}")(seen[f"res{stage}"])
                if above is not None:
                    level = level + torch.nn.functional.interpolate(above, scale_factor=2.0, mode="nearest")
                above = level
                found[f"p{stage}"] = self.get_submodule(f"fpn_output{stage}")(level)
            return found

    return FPN
