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
from .jacobian import emit_jacobian

_OPTIMISATION = 2
_ALIGNMENT = 64  # bytes, of the widest register

# LLVM's compiler is not called by two threads at once.
_compiling = threading.Lock()


@dataclass(frozen=True)
class Compiled:
    """Machine code of one function.

    Attributes:
        dtype: of its numbers.
        width: how many frames it handles at once.
        call: the function itself, which releases the GIL; returns the flags of `loops`.
        scratch_needed: vectors of scratch memory, for each node, dof and so on, and without regard to these.
    """

    dtype: np.dtype
    width: int
    call: Callable[..., int]
    scratch_needed: Mapping[str, int]

    def scratch(self, **sizes: int) -> np.ndarray:
        """Scratch memory for a tree with these sizes (`loops.SIZES`)."""
        vectors = sum(
            count * (1 if name == "one" else sizes[name]) for name, count in self.scratch_needed.items()
        )
        return aligned_empty((vectors * self.width,), self.dtype)


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


@functools.cache
def forward(dtype: np.dtype, wrench: bool) -> Compiled:
    """The compiled `emit_forward`."""
    return _compiled("forward", dtype, functools.partial(emit_forward, wrench=wrench))


@functools.cache
def adjoint(dtype: np.dtype, wrench: bool, of_bodies: bool) -> Compiled:
    """The compiled `emit_adjoint`."""
    return _compiled("adjoint", dtype, functools.partial(emit_adjoint, wrench=wrench, of_bodies=of_bodies))


@functools.cache
def jacobian(dtype: np.dtype, wrench: bool) -> Compiled:
    """The compiled `emit_jacobian`."""
    return _compiled("jacobian", dtype, functools.partial(emit_jacobian, wrench=wrench))


def _compiled(name: str, dtype: np.dtype, emit: Callable[..., Mapping[str, int]]) -> Compiled:
    """Machine code for this processor."""
    with _compiling:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        module = ir.Module(name=name)
        width = lanes(dtype)
        scratch_needed = emit(module, name, dtype, width)
        parsed = llvm.parse_assembly(str(module))
        parsed.verify()
        target = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(),
            features=llvm.get_host_cpu_features().flatten(),
            opt=_OPTIMISATION,
            jit=True,
        )
        passes = llvm.create_pass_builder(
            target, llvm.create_pipeline_tuning_options(speed_level=_OPTIMISATION)
        )
        passes.getModulePassManager().run(parsed, passes)
        engine = llvm.create_mcjit_compiler(parsed, target)
        engine.finalize_object()
    (function,) = (f for f in module.functions if not f.is_declaration)
    kinds: list[Any] = [
        ctypes.c_int64 if isinstance(argument.type, ir.IntType) else ctypes.c_void_p
        for argument in function.args
    ]
    call = ctypes.CFUNCTYPE(ctypes.c_int64, *kinds)(engine.get_function_address(name))
    call.engine = engine  # type: ignore[attr-defined]  # the code lives as long as its engine
    return Compiled(dtype, width, call, scratch_needed)
