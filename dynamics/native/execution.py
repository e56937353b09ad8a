"""The compiled functions over all frames of all bodies, on all cores; NumPy arrays in and out.

Arrays have a leading axis of bodies (B, of one topology) and one of frames (F): (B, F, nq), and parameters
(B, n). All are C-contiguous and of one float type.
"""

from __future__ import annotations

import concurrent.futures
import functools
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from . import library
from .layout import DOF, KIND, PARENT_SLOT, dof_count, turned_nodes
from .library import Compiled, aligned_empty
from .loops import SIZES

# Below so many frames a second thread costs more than it saves.
_LEAST_FRAMES = 512
# More pieces than threads: a core that others use too then holds nobody up.
_PIECES_A_THREAD = 4


def forward(nodes: np.ndarray, parameters: np.ndarray, states: Sequence[np.ndarray], tau: np.ndarray) -> int:
    """Write tau (B, F, nv); returns flags (loops.NOT_FINITE, NOT_UNIT) of all frames together.

    Args:
        nodes: layout.node_table.
        parameters: (B, n), layout.parameters.
        states: qpos, qvel, qacc, and force and torque (B, F, nbody, 3) if there is a wrench.
        tau: where to write.
    """
    compiled = library.forward(tau.dtype, len(states) == 5)
    return _over_frames(compiled, nodes, parameters, states, [tau])


def adjoint(
    nodes: np.ndarray,
    parameters: np.ndarray,
    states: Sequence[np.ndarray],
    tau_bar: np.ndarray,
    states_bar: Sequence[np.ndarray],
    parameters_bar: np.ndarray | None,
) -> int:
    """Write the derivatives of `sum(tau * tau_bar)` in the states, and in the parameters if there is room.

    Args:
        nodes, parameters, states: as in `forward`.
        tau_bar: (B, F, nv).
        states_bar: where to write, like states.
        parameters_bar: (B, n) where to write the sums over frames, or None.
    """
    compiled = library.adjoint(tau_bar.dtype, len(states) == 5, parameters_bar is not None)
    return _over_frames(compiled, nodes, parameters, [*states, tau_bar], states_bar, parameters_bar)


def jacobian(
    nodes: np.ndarray,
    parameters: np.ndarray,
    states: Sequence[np.ndarray],
    derivatives: Sequence[np.ndarray],
) -> int:
    """Write d tau / d (q, qvel, qacc), (B, F, nv, nv) each, row by row of tau; returns flags.

    Args:
        nodes, parameters, states: as in `forward`.
        derivatives: where to write.
    """
    compiled = library.jacobian(derivatives[0].dtype, len(states) == 5)
    return _over_frames(compiled, nodes, parameters, states, derivatives, tables=reach(nodes))


def reach(nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dof_nodes, below and below_starts of `jacobian.JacobianLoops`, from the node table."""
    carried: list[list[int]] = [[] for _ in nodes]
    for i in range(len(nodes)):
        above = int(nodes[i, PARENT_SLOT]) - 1
        while above >= 0:
            carried[above].append(i)
            above = int(nodes[above, PARENT_SLOT]) - 1
    starts = np.cumsum([0, *map(len, carried)])
    below = [i for some in carried for i in some]
    dofs = [(int(row[DOF]), i) for i, row in enumerate(nodes) for _ in range(dof_count(int(row[KIND])))]
    tables = [node for _, node in sorted(dofs)], below, starts
    return tuple(np.ascontiguousarray(table, np.int32) for table in tables)  # type: ignore[return-value]


def _over_frames(
    compiled: Compiled,
    nodes: np.ndarray,
    parameters: np.ndarray,
    read: Sequence[np.ndarray],
    written: Sequence[np.ndarray],
    sums: np.ndarray | None = None,
    tables: Sequence[np.ndarray] = (),
) -> int:
    """Call the function on pieces of the frames, in threads if there are many."""
    bodies, frames = read[0].shape[:2]
    nq, nv = read[0].shape[2], read[1].shape[2]
    sizes = tree_sizes(nodes, nq, nv, int(nodes[:, -1].max()) + 1)
    completed = turned_nodes(nodes, parameters)
    pieces = _pieces(bodies, frames, compiled.width)
    partial = None if sums is None else aligned_empty((len(pieces), parameters.shape[1]), compiled.dtype)

    # Addresses once a call: NumPy takes a microsecond for each.
    arrays = [(a.ctypes.data, a.strides[0]) for a in (parameters, *read, *written)]
    fixed = [table.ctypes.data for table in tables]
    nodes_at, numbers = completed.ctypes.data, tuple(sizes.values())
    sums_at, sums_step = (0, 0) if partial is None else (partial.ctypes.data, partial.strides[0])

    def run(mine: Iterable[int]) -> int:
        scratch, flags = compiled.scratch(**sizes), 0
        scratch_at = scratch.ctypes.data
        for k in mine:
            body, first, last = pieces[k]
            pointers = [start + body * step for start, step in arrays] + fixed
            if partial is not None:
                pointers.append(sums_at + k * sums_step)
            flags |= compiled.call(first, last, *numbers, nodes_at, *pointers, scratch_at)
        return flags

    flags = _in_threads(run, len(pieces), bodies * frames)
    if sums is not None and partial is not None:
        sums[...] = 0
        for (body, *_), part in zip(pieces, partial):
            sums[body] += part
    return flags


def tree_sizes(nodes: np.ndarray, nq: int, nv: int, nbody: int) -> dict[str, int]:
    """The integer arguments of the compiled functions."""
    return dict(zip(SIZES, (len(nodes), nq, nv, nbody, nv * nv), strict=True))


def piece_lengths(bodies: int, frames: int, width: int) -> tuple[int, int]:
    """(pieces of a body, frames of a piece): whole tiles, so many that no core waits for another."""
    wanted = max(1, min(_PIECES_A_THREAD * cores() // max(bodies, 1), frames // (2 * _LEAST_FRAMES)))
    length = max(-(-frames // wanted), 1)
    length = -(-length // width) * width
    return -(-frames // length), length


def threads_for(pieces: int, frames: int) -> int:
    """How many threads so much work is worth, at least one."""
    return max(1, min(cores(), pieces, frames // _LEAST_FRAMES))


def _pieces(bodies: int, frames: int, width: int) -> list[tuple[int, int, int]]:
    """(body, first frame, frame after the last) of every piece."""
    count, length = piece_lengths(bodies, frames, width)
    return [(body, k * length, min((k + 1) * length, frames)) for body in range(bodies) for k in range(count)]


def _in_threads(run: Callable[[Iterable[int]], int], pieces: int, frames: int) -> int:
    threads = threads_for(pieces, frames)
    # Pieces are handed out one by one: `next` on an iterator is atomic under the GIL.
    shared = iter(range(pieces))
    if threads == 1:
        return run(range(pieces))
    others = [_pool(os.getpid()).submit(run, shared) for _ in range(threads - 1)]
    try:
        flags = run(shared)
    finally:  # whatever happens here: once this returns, nobody may write any more
        concurrent.futures.wait(others)
    for other in others:
        flags |= other.result()
    return flags


@functools.cache
def cores() -> int:
    """Number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.lru_cache(maxsize=1)
def _pool(process: int) -> Any:
    """Threads that wait for work; a forked process needs its own."""
    return concurrent.futures.ThreadPoolExecutor(max(1, cores() - 1), thread_name_prefix="dynamics")
