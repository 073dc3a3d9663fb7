"""How a batch is split over processes, and how the processes of a run are found."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unretouch.base.errors import UsageError
from unretouch.settings.train import TrainSettings
from unretouch.training.launching import Layout, is_first, layout, ranks
from unretouch.training.team import Team


def member(rank: int, size: int) -> Team:
    team = Team()
    team.rank, team.size = rank, size
    return team


@given(st.integers(1, 8), st.integers(1, 40))
def test_parts_are_the_batch_and_shares_are_one(size: int, count: int) -> None:
    team = [member(rank, size) for rank in range(size)]
    counted = [m for m in team if m.share(count)]
    assert [slot for m in counted for slot in m.part(count)] == list(range(count))
    for m in counted:
        assert m.share(count) == len(m.part(count)) / count
    assert sum(Fraction(m.share(count)).limit_denominator(count) for m in team) == 1
    # Who has no part computes one all the same, as a gradient of every weight is waited for.
    assert all(list(m.part(count)) == [0] for m in team if not m.share(count))


TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4", "RANK": "5",
}  # fmt: skip
SRUN = {
    "SLURM_NTASKS": "6", "SLURM_NNODES": "2", "SLURM_PROCID": "0", "SLURM_JOB_NAME": "train",
}  # fmt: skip
MACHINES = {"MASTER_ADDR": "a", "MASTER_PORT": "1", "NODE_RANK": "0"}


@pytest.mark.parametrize(
    ("asked", "environ", "found"),
    [
        ((1, 1), {}, None),
        ((2, 1), {}, Layout(2, 1)),
        ((2, 3), MACHINES, Layout(2, 3)),
        ((1, 1), TORCHRUN, Layout(4, 2, "torchrun")),
        ((4, 2), TORCHRUN, Layout(4, 2, "torchrun")),
        ((1, 1), {**TORCHRUN, "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}, None),
        ((1, 1), SRUN, Layout(3, 2, "SLURM")),
        ((1, 1), {**SRUN, "SLURM_NTASKS": "1", "SLURM_NNODES": "1"}, None),
        ((1, 1), {**SRUN, "SLURM_JOB_NAME": "bash"}, None),
    ],
)
def test_layout(asked: tuple[int, int], environ: dict[str, str], found: Layout | None) -> None:
    settings = TrainSettings(dataroot="d", devices=asked[0], num_nodes=asked[1])
    assert layout(settings, environ) == found


@pytest.mark.parametrize(
    ("asked", "environ", "said"),
    [
        ((2, 1), TORCHRUN, "torchrun started 4 on 2"),
        ((1, 1), {"TORCHELASTIC_RUN_ID": "none"}, "LOCAL_WORLD_SIZE"),
        ((1, 1), {**SRUN, "SLURM_NTASKS": "5"}, "5 tasks on 2 machines"),
        ((1, 2), {"MASTER_ADDR": "a"}, "MASTER_PORT, NODE_RANK not set"),
    ],
)
def test_a_layout_that_cannot_be(
    asked: tuple[int, int], environ: dict[str, str], said: str
) -> None:
    settings = TrainSettings(dataroot="d", devices=asked[0], num_nodes=asked[1])
    with pytest.raises(UsageError, match=said):
        layout(settings, environ)


@pytest.mark.parametrize(
    ("environ", "first"),
    [
        ({}, True), (TORCHRUN, False), (SRUN, True), ({**SRUN, "SLURM_PROCID": "1"}, False),
        ({**MACHINES, "NODE_RANK": "1"}, False),
    ],
)  # fmt: skip
def test_who_speaks(environ: dict[str, str], first: bool) -> None:
    assert is_first(environ) == first


@pytest.mark.parametrize(
    ("plan", "environ", "found"),
    [
        (Layout(2, 3), {**MACHINES, "NODE_RANK": "2", "LOCAL_RANK": "1"}, (5, 1)),
        (Layout(4, 2, "torchrun"), {**TORCHRUN, "LOCAL_RANK": "1"}, (5, 1)),
        (Layout(3, 2, "SLURM"), {**SRUN, "SLURM_PROCID": "4", "SLURM_LOCALID": "1",
                                 "SLURM_JOB_ID": "70123"}, (4, 1)),
    ],
)  # fmt: skip
def test_which_process_this_is(
    plan: Layout, environ: dict[str, str], found: tuple[int, int]
) -> None:
    assert ranks(plan, environ) == found


@pytest.mark.parametrize(
    ("machines", "first"),
    [
        ("alpha", "alpha"), ("alpha,beta", "alpha"), ("alpha beta", "alpha"),
        ("node[05-08,11]", "node05"), ("node[3,5],other", "node3"), ("node[7]-ib", "node7-ib"),
    ],
)  # fmt: skip
def test_tasks_of_slurm_meet_at_the_first_machine(machines: str, first: str) -> None:
    environ = {**SRUN, "SLURM_LOCALID": "0", "SLURM_JOB_ID": "70123", "SLURM_NODELIST": machines}
    ranks(Layout(3, 2, "SLURM"), environ)
    assert (environ["MASTER_ADDR"], environ["MASTER_PORT"]) == (first, "15123")
    environ["MASTER_PORT"] = "4000"  # somebody's choice stays
    ranks(Layout(3, 2, "SLURM"), environ)
    assert environ["MASTER_PORT"] == "4000"


def test_a_place_that_is_not_told() -> None:
    with pytest.raises(UsageError, match="LOCAL_RANK"):
        ranks(Layout(4, 2, "torchrun"), dict(TORCHRUN))
