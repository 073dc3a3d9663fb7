"""Muon: an optimiser that lets every direction of a hidden layer learn at one pace."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


class Muon(torch.optim.Optimizer):
    """Muon for hidden convolutions, Adam for everything else, in one optimiser.

    Muon: momentum whose matrix (outputs x inputs of the kernel) is replaced by the nearest
    semi-orthogonal one before it is applied, by a Newton-Schulz iteration (Jordan et al. 2024,
    https://kellerjordan.github.io/posts/muon/). Every direction then learns at one pace, and the
    size of an update does not depend on the size of the gradient.
    """

    def __init__(self, hidden: Iterable[nn.Parameter], other: Iterable[nn.Parameter],
                 rate: float, adam_rate: float, momentum: float = 0.95,
                 betas: tuple[float, float] = (0.9, 0.99), eps: float = 1e-8) -> None:  # fmt: skip
        groups: list[dict[str, Any]] = [
            {"params": list(hidden), "muon": True, "lr": rate, "base_lr": rate},
            {"params": list(other), "muon": False, "lr": adam_rate, "base_lr": adam_rate},
        ]
        super().__init__(groups, {"momentum": momentum, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Apply one update; group["lr"] is the rate."""
        for group in self.param_groups:
            update = _muon_update if group["muon"] else _adam_update
            for parameter in group["params"]:
                if parameter.grad is not None:
                    update(parameter, self.state[parameter], group)


def _muon_update(parameter: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    gradient = parameter.grad
    assert gradient is not None
    if not state:
        state["momentum"] = torch.zeros_like(gradient)
    momentum = state["momentum"]
    momentum.lerp_(gradient, 1 - group["momentum"])
    matrix = gradient.lerp(momentum, group["momentum"]).flatten(1)
    # Scaled so that the entries' size does not depend on the matrix' shape.
    scale = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
    parameter.add_(orthogonal(matrix).view_as(parameter), alpha=-group["lr"] * scale)


def _adam_update(parameter: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    gradient = parameter.grad
    assert gradient is not None
    if not state:
        state["step"] = 0
        state["mean"] = torch.zeros_like(gradient)
        state["square"] = torch.zeros_like(gradient)
    state["step"] += 1
    beta1, beta2 = group["betas"]
    mean, square = state["mean"], state["square"]
    mean.lerp_(gradient, 1 - beta1)
    square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    size = (square / (1 - beta2 ** state["step"])).sqrt_().add_(group["eps"])
    parameter.addcdiv_(mean, size, value=-group["lr"] / (1 - beta1 ** state["step"]))


def orthogonal(matrix: Tensor) -> Tensor:
    """Return about the nearest semi-orthogonal matrix: singular values end within 0.7 to 1.2.

    Five quintic Newton-Schulz steps x <- a x + b (x x') x + c (x x')^2 x with the coefficients of
    Jordan et al. 2024. They are taken on the small square matrix x x' alone and multiplied into x
    once at the end: kernels are many times wider than high, so this is a third of the work, and
    float32 is then affordable, which the squared singular values need.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix).float()
    x = x / (x.norm() + 1e-7)
    gram = x @ x.T
    product: Tensor | None = None
    for step in range(5):
        factor = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal().add_(a)
        product = factor if product is None else factor @ product
        if step < 4:
            gram = factor @ gram @ factor
    assert product is not None
    x = product @ x
    result: Tensor = x.T if tall else x
    return result
