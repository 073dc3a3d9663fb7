"""Adam, Muon, and what they remember.

They have the names of torch's optimisers but not their base class: its first update imports torch's
compiler, which takes a second or two at every start and is not used here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from unretouch.base.errors import CheckpointError
from unretouch.runs.weights import check_tensor


class Optimiser(ABC):
    """Parameters in groups with options of their own, and what is remembered of each of them: by
    the names in group["remembers"]."""

    def __init__(self, param_groups: list[dict[str, Any]]) -> None:
        self.param_groups = param_groups
        self.state: dict[nn.Parameter, dict[str, Any]] = {}

    @abstractmethod
    def step(self, number: int = 0) -> None:
        """Apply one update, the one of this number; group["lr"] is the rate."""

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None


class Adam(Optimiser):
    """Adam (Kingma and Ba 2015, https://arxiv.org/abs/1412.6980) by torch's fused kernel: to the
    bit what torch.optim.Adam(..., fused=True) does."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float, betas: tuple[float, float]
    ) -> None:
        names = {"step", "exp_avg", "exp_avg_sq"}
        group = {"params": list(parameters), "lr": lr, "betas": betas, "remembers": names}
        super().__init__([group])

    @torch.no_grad()
    def step(self, number: int = 0) -> None:
        """Apply one update; group["lr"] is the rate."""
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if not parameters:
                continue
            states = [self._remembered(parameter) for parameter in parameters]
            steps = [state["step"] for state in states]
            torch._foreach_add_(steps, 1)
            torch._fused_adam_(
                parameters,
                [parameter.grad for parameter in parameters],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [],
                steps,
                lr=group["lr"],
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                weight_decay=0.0,
                eps=1e-8,
                amsgrad=False,
                maximize=False,
            )

    def _remembered(self, parameter: nn.Parameter) -> dict[str, Any]:
        if parameter not in self.state:
            self.state[parameter] = {
                "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
        return self.state[parameter]


class Muon(Optimiser):
    """Muon for hidden convolutions, Adam for everything else, in one optimiser.

    Muon: momentum whose matrix (outputs x inputs of the kernel) is replaced by the nearest
    semi-orthogonal one before it is applied, by a Newton-Schulz iteration (Jordan et al. 2024,
    https://kellerjordan.github.io/posts/muon/). Every direction then learns at one pace, and the
    size of an update does not depend on the size of the gradient.

    Kernels of LARGE values take most of that work and little of the network's: each is made
    orthogonal, and moved as far as otherwise, in every TURNS-th update, one after the other.
    """

    def __init__(self, hidden: Iterable[nn.Parameter], other: Iterable[nn.Parameter],
                 rate: float, adam_rate: float, momentum: float = 0.95,
                 betas: tuple[float, float] = (0.9, 0.99), eps: float = 1e-8) -> None:  # fmt: skip
        super().__init__(
            [
                {
                    "params": list(hidden), "muon": True, "lr": rate, "base_lr": rate,
                    "momentum": momentum, "remembers": {"momentum"},
                },
                {
                    "params": list(other), "muon": False, "lr": adam_rate, "base_lr": adam_rate,
                    "betas": betas, "eps": eps, "remembers": {"step", "mean", "square"},
                },
            ]
        )  # fmt: skip

    @torch.no_grad()
    def step(self, number: int = 0) -> None:
        """Apply one update; group["lr"] is the rate. By `number` large kernels take turns."""
        for group in self.param_groups:
            given = [p for p in group["params"] if p.grad is not None]
            if group["muon"]:
                self._muon_update(given, group, number)
                continue
            for parameter in given:
                _adam_update(parameter, self.state.setdefault(parameter, {}), group)

    def _muon_update(
        self, parameters: Sequence[nn.Parameter], group: dict[str, Any], number: int
    ) -> None:
        # Matrices of one shape are made orthogonal together: that keeps all threads busy.
        by_shape: dict[torch.Size, list[nn.Parameter]] = {}
        for place, parameter in enumerate(parameters):
            gradient = parameter.grad
            assert gradient is not None
            state = self.state.setdefault(parameter, {})
            if not state:
                state["momentum"] = torch.zeros_like(gradient)
            state["momentum"].lerp_(gradient, 1 - group["momentum"])
            if parameter.numel() < LARGE or (number + place) % TURNS == 0:
                by_shape.setdefault(parameter.shape, []).append(parameter)
        for shape, found in by_shape.items():
            wanted = found[0].new_empty((len(found), *_as_it_lies(found[0]).shape))
            for out, parameter in zip(wanted, found, strict=True):
                assert parameter.grad is not None
                gradient, momentum = parameter.grad, self.state[parameter]["momentum"]
                torch.lerp(_as_it_lies(gradient), _as_it_lies(momentum), group["momentum"], out=out)
            # Scaled so that the entries' size does not depend on the matrix' shape.
            scale = max(1.0, shape[0] / shape[1:].numel()) ** 0.5
            turns = 1 if shape.numel() < LARGE else TURNS
            for parameter, update in zip(found, orthogonal(wanted.flatten(2)), strict=True):
                weight = _as_it_lies(parameter)
                weight.add_(update.view_as(weight), alpha=-group["lr"] * scale * turns)


def _as_it_lies(kernel: Tensor) -> Tensor:
    """Return a kernel in the order of its memory, channels last: else every look at it as a matrix
    would copy it. The order of the columns is all the same to `orthogonal`."""
    return kernel.permute(0, 2, 3, 1)


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


MOST_ROWS: Final = 192
"""Of a matrix that is made orthogonal as a whole. Larger ones are in blocks of rows: what it costs
grows with the third power."""


LARGE: Final = 1_000_000
"""Values of a kernel that is made orthogonal by turns."""
TURNS: Final = 3
"""Updates from one such turn to the next."""
STEPS: Final = (
    (8.0934, -23.6204, 17.4462),
    (3.6366, -2.7219, 0.5365),
    (2.6613, -1.9772, 0.4526),
    (1.9562, -1.3375, 0.3839),
)
"""Coefficients a, b, c of `orthogonal`: each step is the polynomial that leaves the least distance
from 1 to singular values which were anywhere between 0.01 and 1 before the first (Amsel et al.
2025, https://arxiv.org/abs/2505.16932)."""


def orthogonal(matrices: Tensor) -> Tensor:
    """Return about the nearest semi-orthogonal matrices to (N, rows, columns): singular values of
    at least a twentieth of the largest end within 0.98 to 1.02, smaller ones below.

    Quintic Newton-Schulz steps x <- a x + b (x x') x + c (x x')^2 x with the coefficients STEPS.
    They are taken on the small square matrix x x' alone and multiplied into x once at the end:
    kernels are many times wider than high, so this is a third of the work, and float32 is then
    affordable, which the squared singular values need.
    """
    count, rows, columns = matrices.shape
    if rows > columns:
        return orthogonal(matrices.mT).mT
    blocks = -(-rows // MOST_ROWS)
    while rows % blocks:
        blocks += 1
    x = matrices.float().reshape(count * blocks, rows // blocks, columns)
    gram = x @ x.mT
    # No less than the square of the largest singular value, and far nearer to it than their sum.
    size = torch.linalg.matrix_norm(gram, keepdim=True) + 1e-14
    gram = gram / size
    product: Tensor | None = None
    for step, (a, b, c) in enumerate(STEPS):
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal(dim1=1, dim2=2).add_(a)
        product = factor if product is None else factor @ product
        if step + 1 < len(STEPS):
            gram = factor @ gram @ factor
    assert product is not None
    found: Tensor = ((product / size.sqrt()) @ x).view(count, rows, columns)
    return found


# --- what is saved of them --------------------------------------------------------------------


def remembered(optimiser: Optimiser) -> dict[int, dict[str, Any]]:
    """Return what `optimiser` remembers of each parameter, by the parameter's number.

    Its options (rate, betas) are no part of that: they follow from the settings and the step.
    """
    state = optimiser.state
    return {
        number: dict(state[parameter])
        for number, parameter in enumerate(_parameters(optimiser))
        if state.get(parameter)
    }


def restore_optimiser(
    optimiser: Optimiser, state: dict[int, dict[str, Any]], where: object
) -> None:
    """Give `optimiser` back what `remembered` returned.

    Raises CheckpointError for wrong shapes or values, and for what another optimiser remembered.
    """
    parameters = _parameters(optimiser)
    expected = [group["remembers"] for group in optimiser.param_groups for _ in group["params"]]
    own: dict[nn.Parameter, dict[str, Any]] = {}
    for index, values in state.items():
        if not 0 <= index < len(parameters) or values.keys() != expected[index]:
            raise CheckpointError("holds the optimiser of another network", where)
        parameter = parameters[index]
        own[parameter] = dict(values)
        for name, value in values.items():
            if not isinstance(value, torch.Tensor):
                continue
            check_tensor(value, f"optimiser {name} {index}", where)
            if name == "step":
                own[parameter][name] = value.to(parameter.device, torch.float32, copy=True)
                continue
            if value.shape != parameter.shape:
                raise CheckpointError(f"optimiser {name} {index} has a wrong shape", where)
            # Fused kernels walk parameter and moments side by side: their memory must lie alike.
            own[parameter][name] = torch.empty_like(parameter, requires_grad=False).copy_(value)
    optimiser.state.clear()
    optimiser.state.update(own)


def _parameters(optimiser: Optimiser) -> list[nn.Parameter]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]
