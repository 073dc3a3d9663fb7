"""A model run by torch: what `load` makes of .pth and .safetensors files."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import nn

from unretouch import networks
from unretouch.model.interface import TILE, Floats, ModelInfo, Part, Window
from unretouch.networks.classic import EPSILON, InstanceNorm
from unretouch.networks.detail import in_channels
from unretouch.networks.generator import Draw
from unretouch.networks.prediction import PartPredictor, PredictMode, padded, predict_picture
from unretouch.networks.prediction import Window as PictureWindow
from unretouch.pixels.pairs import Pair
from unretouch.pixels.spaces import Rgb
from unretouch.settings.train import PrecisionName, TrainSettings
from unretouch.training import device
from unretouch.training.training_pairs import at_scale

DEEP_TILE = 2_000_000
"""Pixels that a network of further levels takes at once. It looks further around a tile; of its
narrower first level these need no more memory."""


class TorchModel:
    """See interface.Model; with `predict` and `at_scale` for pairs at the scale of training.

    `precision` auto takes bf16 where the device has it and the source keeps its depth in it.
    """

    def __init__(
        self,
        net: networks.Generator,
        settings: TrainSettings,
        info: ModelInfo,
        where: torch.device,
        precision: PrecisionName = "auto",
    ) -> None:
        # What looks at the whole picture first (look_at) needs little around a tile.
        finest = net.networks[-1]
        self.info = replace(info, multiple=finest.size_multiple, margin=finest.margin)
        self.settings = settings
        kind = networks.GENERATORS[settings.netG]
        self.tile = DEEP_TILE if kind.further_levels(settings) else TILE
        self._where = where
        if precision == "auto" and not kind.takes_bf16:
            precision = "32-true"
        self._bf16 = device.precision(precision, where) != "32-true"
        net.to(where, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.generator = self._ready = net.eval()
        self._mode: PredictMode = "evaluate"

    def at_scale(self, pair: Pair) -> Pair:
        """Return the pair as it is seen in training: its size, and grey where the network is."""
        return at_scale(self.settings, pair)

    def predict(self, rgb: Rgb, mode: PredictMode = "evaluate") -> Floats:
        """Return the prediction for a picture at the scale of training, file space (H, W, 3), as
        levels (H, W, 3), unrounded. Large ones go through local generators tile by tile."""
        with self._precision():
            return predict_picture(self.generator, rgb, mode)

    def expected(self, rgb: Rgb, window: PictureWindow) -> tuple[Floats, Floats]:
        """Return the most likely prediction for a part of a picture, levels (h, w, 3), and how far
        its luma may be off in each band of texture, a deviation in levels, (h, w, bands)."""
        before = self.generator.draw
        self.generator.set_draw(Draw(0.0))
        try:
            with self._precision():
                prediction = PartPredictor(self.generator, rgb).at(window)
        finally:
            self.generator.set_draw(before)
        return prediction, self.deviations(rgb, window)

    def deviations(self, rgb: Rgb, window: PictureWindow) -> Floats:
        """Return how far the luma of a part may be off in each band of texture, (h, w, bands)."""
        with self._precision():
            return PartPredictor(self.generator, rgb).spread(window)

    def look_at(self, height: int, rows: Callable[[slice], Floats]) -> None:
        """Take a look at the picture whose parts `change` is about to see."""
        with self._precision():
            self._ready = self.generator.look(height, lambda part: self._network_space(rows(part)))

    def change(
        self, picture: Floats, top: int = 0, left: int = 0, wanted: Part | None = None
    ) -> Floats:
        """Return prediction - source, float32 (H, W, 3), for float32 (H, W, 3) in 0..1."""
        source = self._network_space(picture)
        height, width = picture.shape[:2]
        if not self._ready.may_change(top, left, height, width).any():
            return np.zeros((height, width, 3), np.float32)
        net = self._ready.part_at(top, left, wanted)
        with torch.inference_mode(), self._precision():
            prediction = networks.predict(net, source, self._mode)
            change = (prediction - source).mul_(0.5)
        if change.shape[1] == 1:
            change = change.expand(-1, 3, -1, -1)
        result: Floats = change[0].permute(1, 2, 0).float().cpu().numpy()
        return result

    def draw(self, strength: float, seed: int) -> None:
        """See interface.Model."""
        self.generator.set_draw(Draw(strength, seed))

    def spread(self, picture: Floats, top: int, left: int, wanted: Part) -> Floats:
        """See interface.Model."""
        source, (height, width) = self._network_space(picture), picture.shape[:2]
        net = self._ready.part_at(top, left, wanted)
        with torch.inference_mode(), self._precision():
            spread = net.spread(padded(source, self.info.multiple))
        deviation = spread.square().sum(1).sqrt()[0, :height, :width, None].mul(0.5)
        result: Floats = deviation.cpu().numpy()
        return result

    def fix_statistics(self, windows: Callable[[], Iterator[Window]]) -> None:
        """Normalise by fixed statistics: those over all `windows`, measured layer after layer.

        What comes to a layer depends on the statistics of those before it, so there is one pass
        over the windows for each, and it goes no further than that layer.
        """
        _make_instance_norms_fixable(self.generator)
        norms = [m for m in self.generator.modules() if isinstance(m, nn.BatchNorm2d)]
        for norm in norms:
            norm.running_mean = norm.running_var = None
        while norms:
            norm, moments = self._first_reached(norms), _Moments()
            hook = norm.register_forward_pre_hook(moments.note)
            try:
                for window in windows():
                    moments.look_at(window)
                    self._run_until_noted(window.picture)
            finally:
                hook.remove()
            norm.running_mean, norm.running_var = moments.mean_and_variance()
            norms.remove(norm)
        self._mode = "running"

    def free_statistics(self) -> None:
        """Normalise by the statistics of each picture again."""
        self._mode = "evaluate"

    def _first_reached(self, norms: list[nn.BatchNorm2d]) -> nn.BatchNorm2d:
        """Return which of `norms` a picture meets first."""
        met: list[nn.BatchNorm2d] = []

        def meet(norm: nn.Module, _: object) -> None:
            met.append(cast(nn.BatchNorm2d, norm))
            raise _Noted

        hooks = [norm.register_forward_pre_hook(meet) for norm in norms]
        try:
            self._run_until_noted(np.zeros((self.info.multiple, self.info.multiple, 3), np.float32))
        finally:
            for hook in hooks:
                hook.remove()
        return met[0]

    def _run_until_noted(self, picture: Floats) -> None:
        source = padded(self._network_space(picture), self.info.multiple)
        with torch.inference_mode(), self._precision(), contextlib.suppress(_Noted):
            self.generator(source)

    def _network_space(self, picture: Floats) -> torch.Tensor:
        source = torch.from_numpy(np.ascontiguousarray(picture)).to(self._where)
        return in_channels(source.permute(2, 0, 1)[None].mul(2).sub_(1), self.settings.input_nc)

    @contextlib.contextmanager
    def _precision(self) -> Iterator[None]:
        with torch.autocast(self._where.type, torch.bfloat16, enabled=self._bf16):
            yield


class _Noted(Exception):
    """Ends a pass through the network where nothing behind that point is needed."""


class _Moments:
    """Mean and variance of each channel over all that comes to a layer, in float64."""

    def __init__(self) -> None:
        self._count = 0
        self._sum: torch.Tensor | float = 0.0
        self._squares: torch.Tensor | float = 0.0
        self._window: Window | None = None

    def look_at(self, window: Window) -> None:
        """Count only what belongs to this part of the next picture."""
        self._window = window

    def note(self, norm: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        x = inputs[0]
        if self._window is not None:
            height, width = self._window.picture.shape[:2]
            rows = _scaled(self._window.rows, x.shape[2], height)
            columns = _scaled(self._window.columns, x.shape[3], width)
            x = x[:, :, rows, columns]
        x = x.float()
        variance, mean = torch.var_mean(x, (0, 2, 3), unbiased=False)
        mean, variance = mean.double(), variance.double()
        count = x.numel() // x.shape[1]
        self._count += count
        self._sum = self._sum + count * mean
        self._squares = self._squares + count * (variance + mean**2)
        raise _Noted

    def mean_and_variance(self) -> tuple[torch.Tensor, torch.Tensor]:
        mean = torch.as_tensor(self._sum / self._count)
        squares = torch.as_tensor(self._squares / self._count)
        return mean.float(), (squares - mean**2).clamp_min(0).float()


def _scaled(part: slice, size: int, full: int) -> slice:
    """Return `part` of `full` as a part of `size`, at least one wide."""
    start = min(size - 1, round(part.start * size / full))
    return slice(start, max(start + 1, round(part.stop * size / full)))


def normalises_by_picture(net: nn.Module) -> bool:
    """Return whether `net`, as trained, normalises by the statistics of each picture."""
    return any(isinstance(module, nn.BatchNorm2d | InstanceNorm) for module in net.modules())


def _make_instance_norms_fixable(net: nn.Module) -> None:
    """Put batch normalisation, which is the same for one picture, for instance normalisation."""
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, InstanceNorm):
                same = nn.BatchNorm2d(1, EPSILON, affine=False, track_running_stats=False)
                setattr(module, name, same)
