"""The compiled functions, made when first needed and kept for the process."""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

from .adjoint import emit_adjoint
from .forward import emit_forward
from .handler import HandlerBuilder
from .jacobian import emit_jacobian
from .loops import SIZES

_OPTIMISATION = 2
_ALIGNMENT = 64  # bytes, of the widest register

# New memory of the system's costs more than a short call's arithmetic.
_memory = threading.local()

# LLVM's compiler is not called by two threads at once.
_compiling = threading.Lock()


@dataclass(frozen=True, eq=False)
class Compiled:
    """Machine code of one function.

    Attributes:
        name: of the function, its float type and variant.
        dtype: of its numbers.
        width: how many frames it handles at once.
        call: the function itself, which releases the GIL; returns the flags of `loops`.
        handler: address of what XLA calls (see `handler`).
        scratch_needed: vectors of scratch memory, for each node, dof and so on, and without regard to these.
    """

    name: str
    dtype: np.dtype
    width: int
    call: Callable[..., int]
    handler: int
    scratch_needed: Mapping[str, int]

    def scratch_size(self, **sizes: int) -> int:
        """Numbers of scratch memory for a tree with these sizes (`loops.SIZES`)."""
        needed = self.scratch_needed.items()
        return self.width * sum(count * (1 if name == "one" else sizes[name]) for name, count in needed)

    def scratch(self, **sizes: int) -> np.ndarray:
        """Scratch memory of this thread for a tree with these sizes; the last is kept."""
        needed = self.scratch_size(**sizes)
        kept = getattr(_memory, self.dtype.name, None)
        if kept is None or kept.size < needed:
            kept = aligned_empty((needed,), self.dtype)
            setattr(_memory, self.dtype.name, kept)
        return kept


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An uninitialised array that starts at a multiple of 64 bytes, as vector loads and JAX want it."""
    dtype = np.dtype(dtype)
    count = int(np.prod(shape, dtype=np.int64))
    raw = np.empty(count * dtype.itemsize + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + count * dtype.itemsize].view(dtype).reshape(shape)


@functools.cache
def lanes(dtype: np.dtype) -> int:
    """How many numbers of this type a register of this machine holds."""
    features = llvm.get_host_cpu_features()
    width = 64 if features.get("avx512f") else 32 if features.get("avx") else 16
    return width // np.dtype(dtype).itemsize


def _once(make: Callable[..., Compiled]) -> Callable[..., Compiled]:
    """Cached, and made by one thread: XLA takes no second handler of a name."""
    cached = functools.cache(make)

    @functools.wraps(make)
    def get(*given: Any) -> Compiled:
        with _compiling:
            return cached(*given)

    return get


@_once
def forward(dtype: np.dtype, wrench: bool) -> Compiled:
    """The compiled `emit_forward`."""
    return _compiled("rnea", dtype, emit_forward, wrench, read=3, written=1)


@_once
def adjoint(dtype: np.dtype, wrench: bool, of_bodies: bool) -> Compiled:
    """The compiled `emit_adjoint`."""
    emit = functools.partial(emit_adjoint, of_bodies=of_bodies)
    name = "rnea_adjoint_of_bodies" if of_bodies else "rnea_adjoint"
    return _compiled(name, dtype, emit, wrench, read=4, written=3 + 2 * wrench, sums=of_bodies)


@_once
def jacobian(dtype: np.dtype, wrench: bool) -> Compiled:
    """The compiled `emit_jacobian`."""
    return _compiled("rnea_jacobian", dtype, emit_jacobian, wrench)


def _compiled(
    kind: str,
    dtype: np.dtype,
    emit: Callable[..., Mapping[str, int]],
    wrench: bool,
    read: int = 0,
    written: int = 0,
    sums: bool = False,
) -> Compiled:
    """Machine code for this processor.

    read, written: how many arrays of rows the function reads without a wrench, and writes: what XLA's
    handler must know (no handler if it reads none). sums: whether it writes sums.
    """
    dtype = np.dtype(dtype)
    name = f"{kind}{'_wrench' if wrench else ''}_{dtype}"
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = ir.Module(name=name)
    width = lanes(dtype)
    scratch_needed = emit(module, name, dtype, width, wrench)
    function = module.globals[name]
    if read:
        HandlerBuilder(function, f"{name}_handler", dtype.itemsize, SIZES, read + 2 * wrench, written, sums)
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=_OPTIMISATION,
        jit=True,
    )
    passes = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=_OPTIMISATION))
    passes.getModulePassManager().run(parsed, passes)
    engine = llvm.create_mcjit_compiler(parsed, target)
    engine.finalize_object()
    kinds: list[Any] = [
        ctypes.c_int64 if isinstance(argument.type, ir.IntType) else ctypes.c_void_p
        for argument in function.args
    ]
    call = ctypes.CFUNCTYPE(ctypes.c_int64, *kinds)(engine.get_function_address(name))
    call.engine = engine  # type: ignore[attr-defined]  # the code lives as long as its engine
    handler = engine.get_function_address(f"{name}_handler") if read else 0
    return Compiled(name, dtype, width, call, handler, scratch_needed)
