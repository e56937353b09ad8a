"""The compiled functions as calls that XLA makes, so that they serve inside jit on the CPU.

XLA hands a handler its buffers in C structures (`xla/ffi/api/c_api.h`, which jaxlib ships). The handler is
Python: it wraps the buffers as NumPy arrays, without a copy, and runs `execution`, where all cores work and
the GIL is free. What a call needs comes with it (the node table is an operand), so a program
that JAX's persistent cache kept from another process runs as well.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from . import ADJOINT_TARGET, FORWARD_TARGET, execution

_METADATA_EXTENSION = 1
_INTERNAL_ERROR = 13
_DTYPES: dict[int, Any] = {4: np.dtype(np.int32), 11: np.dtype(np.float32), 12: np.dtype(np.float64)}


class _Buffer(ctypes.Structure):
    _fields_ = (
        ("struct_size", ctypes.c_size_t),
        ("extension_start", ctypes.c_void_p),
        ("dtype", ctypes.c_int),
        ("data", ctypes.c_void_p),
        ("rank", ctypes.c_int64),
        ("dims", ctypes.POINTER(ctypes.c_int64)),
    )

    def array(self) -> np.ndarray:
        """The buffer as an array."""
        shape = tuple(self.dims[: self.rank])
        dtype = _DTYPES[self.dtype]
        count = int(np.prod(shape, dtype=np.int64))
        if count == 0:
            return np.empty(shape, dtype)
        memory = (ctypes.c_char * (count * dtype.itemsize)).from_address(self.data)
        return np.frombuffer(memory, dtype).reshape(shape)


class _Buffers(ctypes.Structure):
    _fields_ = (
        ("struct_size", ctypes.c_size_t),
        ("extension_start", ctypes.c_void_p),
        ("size", ctypes.c_int64),
        ("types", ctypes.c_void_p),
        ("buffers", ctypes.POINTER(ctypes.POINTER(_Buffer))),
    )

    def arrays(self) -> list[np.ndarray]:
        """All of them."""
        return [self.buffers[k].contents.array() for k in range(self.size)]


class _Version(ctypes.Structure):
    _fields_ = (
        ("struct_size", ctypes.c_size_t),
        ("extension_start", ctypes.c_void_p),
        ("major", ctypes.c_int),
        ("minor", ctypes.c_int),
    )


class _Metadata(ctypes.Structure):
    _fields_ = (("struct_size", ctypes.c_size_t), ("version", _Version), ("traits", ctypes.c_uint32))


class _Extension(ctypes.Structure):
    _fields_ = (
        ("struct_size", ctypes.c_size_t),
        ("type", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("metadata", ctypes.POINTER(_Metadata)),
    )


class _ErrorArguments(ctypes.Structure):
    _fields_ = (
        ("struct_size", ctypes.c_size_t),
        ("extension_start", ctypes.c_void_p),
        ("message", ctypes.c_char_p),
        ("code", ctypes.c_int),
    )


class _Api(ctypes.Structure):
    _fields_ = (
        ("struct_size", ctypes.c_size_t),
        ("extension_start", ctypes.c_void_p),
        ("version", _Version),
        ("internal_api", ctypes.c_void_p),
        ("create_error", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(_ErrorArguments))),
    )


class _CallFrame(ctypes.Structure):
    _fields_ = (
        ("struct_size", ctypes.c_size_t),
        ("extension_start", ctypes.POINTER(_Extension)),
        ("api", ctypes.POINTER(_Api)),
        ("context", ctypes.c_void_p),
        ("stage", ctypes.c_int),
        ("arguments", _Buffers),
        ("results", _Buffers),
    )


_HANDLER = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(_CallFrame))


def _handler(run: Callable[[list[np.ndarray], list[np.ndarray]], None]) -> Any:
    """A C function that XLA can call for `run(arguments, results)`."""

    @_HANDLER
    def handle(pointer: Any) -> int | None:
        frame = pointer.contents
        try:
            extension = frame.extension_start
            if extension and extension.contents.type == _METADATA_EXTENSION:
                # XLA asks for which version of its interface this was made: the layouts above are the same
                # in all versions with this major number.
                metadata, version = extension.contents.metadata.contents, frame.api.contents.version
                metadata.version.major, metadata.version.minor = version.major, version.minor
                metadata.traits = 0
                return None
            run(frame.arguments.arrays(), frame.results.arrays())
        except BaseException as error:  # an exception cannot pass through C
            arguments = _ErrorArguments(
                ctypes.sizeof(_ErrorArguments),
                None,
                f"{type(error).__name__}: {error}".encode(),
                _INTERNAL_ERROR,
            )
            return frame.api.contents.create_error(ctypes.byref(arguments))
        return None

    return handle


def _forward(arguments: list[np.ndarray], results: list[np.ndarray]) -> None:
    nodes, parameters, *states = arguments
    execution.forward(nodes, parameters, states, results[0])


def _adjoint(arguments: list[np.ndarray], results: list[np.ndarray]) -> None:
    nodes, parameters, *states, tau_bar = arguments
    states_bar, more = results[: len(states)], results[len(states) :]
    execution.adjoint(nodes, parameters, states, tau_bar, states_bar, more[0] if more else None)


@functools.cache
def register() -> tuple[Any, ...]:
    """Make the targets known to XLA, once; returns what must stay alive."""
    handlers = _handler(_forward), _handler(_adjoint)
    for name, handler in zip((FORWARD_TARGET, ADJOINT_TARGET), handlers):
        capsule = jax.ffi.pycapsule(ctypes.cast(handler, ctypes.c_void_p).value)
        jax.ffi.register_ffi_target(name, capsule, platform="cpu")
    return handlers
