"""Inverse dynamics and its derivatives as JAX primitives: compiled loops on the CPU, plain JAX elsewhere.

Three primitives: tau, its tangent (forward mode) and its adjoint (reverse mode). On the CPU tau and the
adjoint run the machine code of `native`; on other devices, and for derivatives of derivatives, `reference`
does (rnea.py), which is plain JAX. A custom_vjp would lose forward mode and a custom_jvp the hand-made
adjoint; primitives keep both, under jit, vmap and any nesting of them.

Operands: the arrays of a Tree, each with a leading axis of bodies (B, ...); then qpos, qvel, qacc and with a
wrench force and torque, each with axes of bodies and frames (B, F, ...).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from . import native
from .devices import default_platform
from .topology import Topology
from .tree import Tree
from .wrench import Wrench

Array = Any  # a jax.Array or a tracer
Reference = Callable[..., Array]  # of a tree, qpos, qvel, qacc and a wrench or None

# Frames that the plain JAX code handles at once: on a CPU what fits its caches, which also keeps memory flat;
# on an accelerator enough to fill it.
_CPU_BLOCK = 1024
_ACCELERATOR_BLOCK = 1 << 18


class RneaPrimitives:
    """The three primitives over one reference implementation.

    Args:
        reference: tau (nv,) of one frame of one body, in plain JAX.
    """

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self.forward_p = self._primitive("rnea", self._forward, self._native_forward)
        self.tangent_p = self._primitive("rnea_tangent", self._tangent)
        self.adjoint_p = self._primitive("rnea_adjoint", self._adjoint, self._native_adjoint)
        ad.primitive_jvps[self.forward_p] = self._forward_jvp
        ad.primitive_transposes[self.tangent_p] = self._tangent_transpose
        for primitive, plain in ((self.tangent_p, self._tangent), (self.adjoint_p, self._adjoint)):
            ad.primitive_jvps[primitive] = functools.partial(_plain_jvp, plain)

    def __call__(self, trees: Tree, states: Sequence[Array]) -> Array:
        """tau (B, F, nv). trees: arrays with a leading axis; states: qpos, qvel, qacc, force and torque."""
        operands = _alike_in_shard_map([*jax.tree.leaves(trees), *states])
        self.prepare(operands[-1].dtype, len(states) == 5)
        (tau,) = self.forward_p.bind(*operands, topology=trees.topology)
        return tau

    def prepare(self, dtype: Any, wrench: bool = False) -> None:
        """Start to compile the loops that a program will need which is about to be traced."""
        if default_platform() == "cpu":
            native.prepare("forward", dtype, wrench)

    def _primitive(
        self, name: str, plain: Callable[..., list[Array]], on_cpu: Callable[..., list[Array]] | None = None
    ) -> Primitive:
        primitive = Primitive(name)
        primitive.multiple_results = True

        def implementation(*operands: Array, **options: Any) -> list[Array]:
            return _jitted(primitive, tuple(sorted(options.items(), key=lambda item: item[0])))(*operands)

        def abstract(*operands: Any, topology: Topology, varied: tuple[bool, ...] = ()) -> list[Any]:
            # An adjoint is like what it differentiates in; tau and its tangent are like qvel.
            of_adjoint = [o for o, v in zip(operands, varied) if v]
            like = of_adjoint if name == "rnea_adjoint" else [operands[LEAVES + 1]]
            return [operand.update(weak_type=False) for operand in like]

        primitive.def_impl(implementation)
        primitive.def_abstract_eval(abstract)
        batching.primitive_batchers[primitive] = functools.partial(_batched, primitive)
        general = functools.partial(plain, block=_ACCELERATOR_BLOCK)
        mlir.register_lowering(primitive, mlir.lower_fun(general, multiple_results=True))
        small = functools.partial(plain, block=_CPU_BLOCK)
        chosen = small if on_cpu is None else functools.partial(_if_native, on_cpu, small)
        mlir.register_lowering(primitive, mlir.lower_fun(chosen, multiple_results=True), platform="cpu")
        return primitive

    # Plain JAX

    def _forward(self, *operands: Array, topology: Topology, block: int) -> list[Array]:
        leaves, states = _split(operands)

        def frame(leaves: Sequence[Array], states: Sequence[Array]) -> Array:
            wrench = Wrench(*states[3:]) if len(states) == 5 else None
            return self.reference(_tree(topology, leaves), *states[:3], wrench)

        def body(leaves: Sequence[Array], states: Sequence[Array]) -> Array:
            return jax.lax.map(lambda s: frame(leaves, s), tuple(states), batch_size=block)

        if states[0].shape[1] <= block:
            return [jax.vmap(jax.vmap(frame, (None, 0)))(leaves, states)]
        return [jax.vmap(body)(leaves, states)]

    def _tangent(
        self, *operands: Array, topology: Topology, varied: tuple[bool, ...], block: int
    ) -> list[Array]:
        primals, rates = operands[: len(varied)], iter(operands[len(varied) :])
        tangents = [next(rates) if v else jnp.zeros_like(p) for p, v in zip(primals, varied)]
        forward = functools.partial(self._forward, topology=topology, block=block)
        return jax.jvp(forward, tuple(primals), tuple(tangents))[1]

    def _adjoint(
        self, *operands: Array, topology: Topology, varied: tuple[bool, ...], block: int
    ) -> list[Array]:
        *primals, tau_bar = operands

        def forward(*given: Array) -> Array:
            rest = iter(given)
            operands = [next(rest) if v else p for p, v in zip(primals, varied)]
            (tau,) = self._forward(*operands, topology=topology, block=block)
            return tau

        _, pull = jax.vjp(forward, *(p for p, v in zip(primals, varied) if v))
        return list(pull(tau_bar))

    # Compiled loops

    def _native_forward(self, *operands: Array, topology: Topology) -> list[Array]:
        from .native import ffi

        leaves, states = _split(operands)
        parameters = jax.vmap(lambda *a: _parameters(topology, a))(*leaves)
        return [ffi.forward(native.node_table(topology), topology.nbody, parameters, states)]

    def _native_adjoint(self, *operands: Array, topology: Topology, varied: tuple[bool, ...]) -> list[Array]:
        from .native import ffi

        *primals, tau_bar = operands
        leaves, states = _split(primals)
        parameters, pull = jax.vjp(jax.vmap(lambda *a: _parameters(topology, a)), *leaves)
        nodes, of_bodies = native.node_table(topology), any(varied[: len(leaves)])
        bars, sums = ffi.adjoint(nodes, topology.nbody, parameters, states, tau_bar, of_bodies)
        if sums is not None:
            # In shard_map a call's results would count as shared by the devices.
            sums, _ = _alike_in_shard_map([sums, parameters])
        every = [*(leaves if sums is None else pull(sums)), *bars]
        return [bar for bar, v in zip(every, varied) if v]

    # Rules

    def _forward_jvp(self, primals: Any, tangents: Any, topology: Topology) -> tuple[Any, Any]:
        varied = tuple(type(t) is not ad.Zero for t in tangents)
        rates = [t for t, v in zip(tangents, varied) if v]
        tau = self.forward_p.bind(*primals, topology=topology)
        if default_platform() == "cpu":
            wrench, of_bodies = len(primals) == LEAVES + 5, any(varied[:LEAVES])
            # For reverse mode; who wants forward mode alone loses a second of another core, once.
            native.prepare("adjoint", primals[-1].dtype, wrench, of_bodies)
        return tau, self.tangent_p.bind(*primals, *rates, topology=topology, varied=varied)

    def _tangent_transpose(
        self, cotangents: Any, *operands: Any, topology: Topology, varied: tuple[bool, ...]
    ) -> list[Any]:
        primals, rates = operands[: len(varied)], operands[len(varied) :]
        (tau_bar,) = cotangents
        nothing: list[Any] = [None] * len(operands)
        if type(tau_bar) is ad.Zero:
            return nothing
        # Only some of the rates may be asked for.
        asked = iter([ad.is_undefined_primal(rate) for rate in rates])
        wanted = tuple(v and next(asked) for v in varied)
        bars = iter(self.adjoint_p.bind(*primals, tau_bar, topology=topology, varied=wanted))
        return [None] * len(primals) + [
            next(bars) if ad.is_undefined_primal(rate) else None for rate in rates
        ]


def _if_native(native_rule: Any, plain: Any, *operands: Array, **options: Any) -> list[Array]:
    """The compiled loops for the float types that they know, where this machine can compile them."""
    run = native_rule if native.serves(operands[-1].dtype) else plain
    return run(*operands, **options)


def _alike_in_shard_map(operands: Sequence[Array]) -> Sequence[Array]:
    """The operands, all of them varying over the mesh axes over which one of them does.

    Inside shard_map JAX tracks which values differ between devices. Its own operations take mixtures; the
    derivative of this step sums over the devices what belongs to an operand that they share.
    """

    def axes(operand: Array) -> frozenset[Any]:
        kind = jax.typeof(operand)
        # JAX before 0.10 calls it vma.
        return kind.mat.varying if hasattr(kind, "mat") else getattr(kind, "vma", frozenset())

    every = frozenset().union(*map(axes, operands))
    missing = [tuple(sorted(every - axes(operand), key=str)) for operand in operands]
    return [jax.lax.pcast(o, m, to="varying") if m else o for o, m in zip(operands, missing)]


def _plain_jvp(plain: Any, primals: Any, tangents: Any, **options: Any) -> tuple[Any, Any]:
    rates = [ad.instantiate_zeros(t) for t in tangents]
    block = _CPU_BLOCK if default_platform() == "cpu" else _ACCELERATOR_BLOCK
    run = functools.partial(plain, block=block, **options)
    return jax.jvp(run, tuple(primals), tuple(rates))


@functools.lru_cache(maxsize=256)
def _jitted(primitive: Primitive, options: tuple[tuple[str, Any], ...]) -> Callable[..., Any]:
    return jax.jit(functools.partial(primitive.bind, **dict(options)))


LEAVES = 10  # arrays of a Tree


def _split(operands: Sequence[Array]) -> tuple[Sequence[Array], Sequence[Array]]:
    return operands[:LEAVES], operands[LEAVES:]


@functools.lru_cache(maxsize=64)
def _structure(topology: Topology) -> Any:
    return jax.tree.structure(Tree(topology, *(np.zeros(0) for _ in range(LEAVES))))


def _tree(topology: Topology, leaves: Sequence[Array]) -> Tree:
    return jax.tree.unflatten(_structure(topology), list(leaves))


def _parameters(topology: Topology, leaves: Sequence[Array]) -> Array:
    return native.parameters(_tree(topology, leaves), leaves[0].dtype)


def _batched(
    primitive: Primitive, operands: Sequence[Array], axes: Sequence[int | None], **options: Any
) -> tuple[list[Array], list[int]]:
    """One more axis: of frames, or of bodies where their arrays have it or are differentiated in."""
    varied = options.get("varied", ())
    of_body = [k < LEAVES for k in range(len(operands))]
    of_body_results = [False]
    if primitive.name == "rnea_tangent":
        of_body[len(varied) :] = [k < LEAVES for k, v in enumerate(varied) if v]
    if primitive.name == "rnea_adjoint":
        of_body_results = [k < LEAVES for k, v in enumerate(varied) if v]
    (size,) = {a.shape[axis] for a, axis in zip(operands, axes) if axis is not None}
    over_bodies = any(of_body_results) or any(own and axis is not None for own, axis in zip(of_body, axes))

    def folded(array: Array, axis: int | None, own: bool) -> Array:
        if axis is not None:
            array = jnp.moveaxis(array, axis, 0)
        elif over_bodies or not own:
            array = jnp.broadcast_to(array[None], (size, *array.shape))
        else:
            return array
        if over_bodies:
            return array.reshape(size * array.shape[1], *array.shape[2:])
        return jnp.moveaxis(array, 0, 1).reshape(array.shape[1], size * array.shape[2], *array.shape[3:])

    def unfolded(array: Array) -> Array:
        if over_bodies:
            return array.reshape(size, array.shape[0] // size, *array.shape[1:])
        split = array.reshape(array.shape[0], size, array.shape[1] // size, *array.shape[2:])
        return jnp.moveaxis(split, 1, 0)

    results = primitive.bind(*(folded(*given) for given in zip(operands, axes, of_body)), **options)
    return [unfolded(array) for array in results], [0] * len(results)
