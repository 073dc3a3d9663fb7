"""How fast this computer trains: real updates of the fast fit, for two seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator

from unretouch.settings.train import TrainSettings
from unretouch.tasks.doctor.finding import Finding

SECONDS = 2.0
SIDE = 256
"""Pixels of the pictures it is tried on; an update takes crops, of the same size in any picture."""

PAIRS_PIXELS = 3 * 512 * 512
"""What a guide's worth of pairs holds: three of 512 x 512."""

SLOW = 100
"""Passes over those pairs in ten minutes below which a longer time is advised."""


def examine() -> Iterator[Finding]:
    """Yield how often ten minutes of training go over three pairs of 512 pixels."""
    try:
        pixels = pixels_per_second()
    except ImportError as error:
        yield Finding("speed", f"not known: {error}", "note", "Install torch first")
        return
    passes = pixels * 600 / PAIRS_PIXELS
    value = (
        f"{pixels / 1e6:.2f} megapixels a second: the fast fit goes {passes:.0f} times over three "
        "pairs of 512 pixels in 10 minutes"
    )
    if passes < SLOW:
        advice = "Is another program busy? Else give it longer (--minutes 30), or --size s"
        yield Finding("speed", value, "note", advice)
    else:
        yield Finding("speed", value)


def pixels_per_second() -> float:
    """Return how many pixels of crops the fast fit, in its usual size, learns from in a second."""
    import numpy as np

    from unretouch.pixels.pairs import Pair
    from unretouch.training import device
    from unretouch.training.fast_fit import FastFit

    where = device.choose("auto")
    device.prepare(where)
    settings = TrainSettings(
        dataroot=".", netG="detail", recipe="fast", lambda_GAN=0, lambda_L1=500, preprocess="none",
        no_flip=True, no_dropout=True, precision=device.precision("auto", where), minutes=10,
    )  # fmt: skip
    target = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    fit = FastFit(settings, [Pair("probe", target // 2, target, ())], where)
    fit.update(0, 1, 0, 0.0)  # the first fetches memory
    began, done = time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < SECONDS:
        done += 1
        fit.update(done, 1, 0, 0.0)
    return done * fit.pixels_a_step / spent
