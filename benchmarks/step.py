"""Seconds a step and peak memory of the guide's strong command at 512 x 512, beside a plain build.

    python benchmarks/step.py [--rounds 5] [--steps 3] [--size 512] [--json FILE]

The plain build is pix2pix as anyone would write it from the paper: eager, contiguous, float32,
torch.optim.Adam. Each variant runs in a process of its own, in turns (A B C A B C ..), on all
threads; reported are medians over the rounds. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

LAMBDA_L1, RATE, BETAS = 500.0, 0.0001, (0.5, 0.999)
WARM_UP = 2
"""Steps before the clock starts."""

VARIANTS = {
    "plain": "plain build, float32",
    "float32": "unretouch, float32",
    "bf16": "unretouch, bf16-mixed",
    "float32 d2": "unretouch, float32, --d_every 2",
    "bf16 d2": "unretouch, bf16-mixed, --d_every 2",
    "float32 d3": "unretouch, float32, --d_every 3",
    "bf16 d3": "unretouch, bf16-mixed, --d_every 3",
}


class PlainLevel(nn.Module):
    """One level of a U-Net around `inside`, with what came in beside what was made."""

    def __init__(
        self,
        outer: int,
        inner: int,
        inside: nn.Module | None,
        dropout: bool = False,
        picture: int = 0,
    ) -> None:
        super().__init__()
        halve = nn.Conv2d(picture or outer, inner, 4, 2, 1, bias=False)
        double = nn.ConvTranspose2d(
            2 * inner if inside else inner, picture or outer, 4, 2, 1, bias=bool(picture)
        )
        down: list[nn.Module] = [halve] if picture else [nn.LeakyReLU(0.2, True), halve]
        up: list[nn.Module] = [nn.ReLU(True), double]
        if inside and not picture:
            down.append(nn.BatchNorm2d(inner))
        up.append(nn.Tanh() if picture else nn.BatchNorm2d(outer))
        if dropout:
            up.append(nn.Dropout(0.5))
        self.picture = bool(picture)
        self.layers = nn.Sequential(*down, *([inside] if inside else []), *up)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layers(x)
        return y if self.picture else torch.cat([x, y], 1)


def plain_generator() -> nn.Module:
    level = PlainLevel(512, 512, None)
    for _ in range(3):
        level = PlainLevel(512, 512, level, dropout=True)
    for outer, inner in ((256, 512), (128, 256), (64, 128)):
        level = PlainLevel(outer, inner, level)
    return PlainLevel(64, 64, level, picture=3)


def plain_discriminator() -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(6, 64, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for before, after, stride in ((64, 128, 2), (128, 256, 2), (256, 512, 1)):
        layers += [
            nn.Conv2d(before, after, 4, stride, 1, bias=False),
            nn.BatchNorm2d(after),
            nn.LeakyReLU(0.2, True),
        ]
    return nn.Sequential(*layers, nn.Conv2d(512, 1, 4, 1, 1))


def plain(source: torch.Tensor, target: torch.Tensor) -> Callable[[int], None]:
    """Return the step of the plain build."""
    generator, discriminator = plain_generator(), plain_discriminator()
    for net in (generator, discriminator):
        for module in net.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.normal_(module.weight, 0.0, 0.02)
    of_generator = torch.optim.Adam(generator.parameters(), lr=RATE, betas=BETAS)
    of_discriminator = torch.optim.Adam(discriminator.parameters(), lr=RATE, betas=BETAS)
    cross_entropy, l1 = nn.BCEWithLogitsLoss(), nn.L1Loss()

    def judge(picture: torch.Tensor, real: bool) -> torch.Tensor:
        logits = discriminator(torch.cat([source, picture], 1))
        answer = torch.ones_like(logits) if real else torch.zeros_like(logits)
        loss: torch.Tensor = cross_entropy(logits, answer)
        return loss

    def step(_: int) -> None:
        fake = generator(source)
        discriminator.requires_grad_(True)
        of_discriminator.zero_grad()
        loss_fake, loss_real = judge(fake.detach(), False), judge(target, True)
        ((loss_fake + loss_real) * 0.5).backward()
        of_discriminator.step()
        discriminator.requires_grad_(False)
        of_generator.zero_grad()
        loss_gan, loss_l1 = judge(fake, True), LAMBDA_L1 * l1(fake, target)
        (loss_gan + loss_l1).backward()
        of_generator.step()
        for loss in (loss_gan, loss_l1, loss_real, loss_fake):
            loss.item()

    return step


def unretouch(source: torch.Tensor, target: torch.Tensor, variant: str) -> Callable[[int], None]:
    """Return the step as `unretouch train` runs it."""
    from unretouch import networks
    from unretouch.settings.train import TrainSettings
    from unretouch.training import device
    from unretouch.training.step import Batch, Nets, Optimisers, adam, train_step

    device.prepare(torch.device("cpu"))
    name, _, every = variant.partition(" d")
    settings = TrainSettings(
        dataroot="-",
        lambda_L1=LAMBDA_L1,
        lr=RATE,
        precision="bf16-mixed" if name == "bf16" else "32-true",
        d_every=int(every or 1),
    )
    nets = Nets(networks.build_generator(settings), networks.build_discriminator(settings))
    assert nets.discriminator is not None
    optimisers = Optimisers(
        adam(nets.generator, RATE, BETAS[0]), adam(nets.discriminator, RATE, BETAS[0])
    )

    def step(number: int) -> None:
        train_step(
            nets,
            optimisers,
            Batch(source, target),
            settings,
            update_discriminator=number % settings.d_every == 0,
        )

    return step


def measure(variant: str, size: int, steps: int) -> dict[str, float]:
    """Run one variant in this process; return seconds a step and the peak memory in bytes."""
    torch.manual_seed(0)
    source = torch.rand(1, 3, size, size) * 2 - 1
    target = (source + 0.02 * torch.randn_like(source)).clamp(-1, 1)
    step = plain(source, target) if variant == "plain" else unretouch(source, target, variant)
    # Whole periods of --d_every, so that every kind of step counts as often as in a run.
    steps = -(-steps // 6) * 6 if " d" in variant else steps
    for number in range(-WARM_UP, 0):
        step(number)
    began = time.perf_counter()
    for number in range(steps):
        step(number)
    seconds = (time.perf_counter() - began) / steps
    return {"seconds": seconds, "bytes": peak_memory()}


def peak_memory() -> float:
    """Return the largest resident size of this process in bytes; NaN where it cannot be known."""
    try:
        import resource
    except ImportError:
        return float("nan")
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="steps a round and variant")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--measure", choices=list(VARIANTS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.size, options.steps)))
        return

    results: dict[str, list[dict[str, float]]] = {variant: [] for variant in options.variants}
    for number in range(options.rounds):
        for variant in options.variants:
            command = [sys.executable, __file__, "--measure", variant]
            command += ["--size", str(options.size), "--steps", str(options.steps)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            results[variant].append(json.loads(done.stdout))
            print(
                f"round {number + 1}: {variant:12} {results[variant][-1]['seconds']:.3f} s",
                file=sys.stderr,
            )

    middle = {
        variant: {key: statistics.median(run[key] for run in runs) for key in ("seconds", "bytes")}
        for variant, runs in results.items()
    }
    print(
        f"one step at {options.size} x {options.size}, batch 1, {os.cpu_count()} cores,"
        f" torch {torch.__version__}, median of {options.rounds} rounds\n"
    )
    print("| what | s a step | times as fast | peak memory |")
    print("|---|---|---|---|")
    for variant, found in middle.items():
        faster = middle["plain"]["seconds"] / found["seconds"] if "plain" in middle else 0.0
        print(
            f"| {VARIANTS[variant]} | {found['seconds']:.3f} | {faster:.2f} |"
            f" {found['bytes'] / 1e9:.2f} GB |"
        )
    if options.json:
        options.json.write_text(json.dumps({"rounds": results, "median": middle}, indent=2))


if __name__ == "__main__":
    main()
