"""Adam, Muon, and what they remember.

They have the names of torch's optimisers but not their base class: its first update imports torch's
compiler, which takes a second or two at every start and is not used here.
"""

from __future__ import annotations

import math
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
    def step(self) -> None:
        """Apply one update; group["lr"] is the rate."""

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
    def step(self) -> None:
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
    def step(self) -> None:
        """Apply one update; group["lr"] is the rate."""
        for group in self.param_groups:
            given = [p for p in group["params"] if p.grad is not None]
            if group["muon"]:
                self._muon_update(given, group)
                continue
            for parameter in given:
                _adam_update(parameter, self.state.setdefault(parameter, {}), group)

    def _muon_update(self, parameters: Sequence[nn.Parameter], group: dict[str, Any]) -> None:
        # Matrices of one shape are made orthogonal together: that keeps all threads busy.
        by_shape: dict[torch.Size, list[tuple[Tensor, Tensor]]] = {}
        for parameter in parameters:
            gradient = parameter.grad
            assert gradient is not None
            state = self.state.setdefault(parameter, {})
            if not state:
                state["momentum"] = torch.zeros_like(gradient)
            momentum = state["momentum"]
            momentum.lerp_(gradient, 1 - group["momentum"])
            wanted = _as_it_lies(gradient.lerp(momentum, group["momentum"]))
            by_shape.setdefault(wanted.shape, []).append((_as_it_lies(parameter), wanted))
        for (rows, *columns), found in by_shape.items():
            # Scaled so that the entries' size does not depend on the matrix' shape.
            scale = max(1.0, rows / math.prod(columns)) ** 0.5
            updates = orthogonal(torch.stack([wanted for _, wanted in found]).flatten(2))
            for (weight, wanted), update in zip(found, updates, strict=True):
                weight.add_(update.view_as(wanted), alpha=-group["lr"] * scale)


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


def orthogonal(matrices: Tensor) -> Tensor:
    """Return about the nearest semi-orthogonal matrices to (N, rows, columns): singular values end
    within 0.7 to 1.2.

    Five quintic Newton-Schulz steps x <- a x + b (x x') x + c (x x')^2 x with the coefficients of
    Jordan et al. 2024. They are taken on the small square matrix x x' alone and multiplied into x
    once at the end: kernels are many times wider than high, so this is a third of the work, and
    float32 is then affordable, which the squared singular values need.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    count, rows, columns = matrices.shape
    if rows > columns:
        return orthogonal(matrices.mT).mT
    blocks = -(-rows // MOST_ROWS)
    while rows % blocks:
        blocks += 1
    x = matrices.float().reshape(count * blocks, rows // blocks, columns)
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    gram = x @ x.mT
    product: Tensor | None = None
    for step in range(5):
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal(dim1=1, dim2=2).add_(a)
        product = factor if product is None else factor @ product
        if step < 4:
            gram = factor @ gram @ factor
    assert product is not None
    found: Tensor = (product @ x).view(count, rows, columns)
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
