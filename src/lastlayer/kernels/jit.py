"""How kernels are compiled and where the compiled code is kept.

A kernel is compiled the first time it is called for a dtype and kept on disk (Numba's cache:
beside the sources, or in the user's cache folder, or in NUMBA_CACHE_DIR). Keeping it is a
convenience: where no folder can be written, or a kept file is damaged, the kernel is compiled
anew and nothing fails.
"""

from __future__ import annotations

import hashlib
import pickle
import re
import sys
import warnings
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.errors import NumbaWarning
from numba.extending import intrinsic, overload

_PASSES: dict[str, Any]
_PART_PASSES: dict[str, Any]
try:
    from lastlayer.kernels.pipeline import Kernel, Part
except ImportError:  # a Numba that is made in another way has its own
    _PASSES, _PART_PASSES = {}, {}
else:
    _PASSES, _PART_PASSES = {"pipeline_class": Kernel}, {"pipeline_class": Part}

F = TypeVar("F", bound=Callable[..., Any])

# 'contract' lets a multiply and an add become one instruction. Nothing here may be reassociated:
# the range reduction and the compensation of vecmath.py are roundings that it would remove.
EXACT = {"contract"}
# nobody calls them but kernels: the faces that Python or C would see need not be made
_INLINE = {"error_model": "numpy", "fastmath": EXACT, "forceinline": True,
           "no_cpython_wrapper": True, "no_cfunc_wrapper": True, **_PART_PASSES}  # fmt: skip


_HERE = Path(__file__).parent


_IMPORT = re.compile(rb"^ *from lastlayer\.kernels(\.\w+)? import (\([^)]*\)|.*)", re.MULTILINE)


def _imports(source: bytes) -> set[Path]:
    """The files of this folder that a source imports.

    Its lines are searched: to parse them took longer than all else of a call already compiled.
    """
    found = _IMPORT.findall(source)
    names = {word for module, names in found for word in re.findall(rb"\w+", module or names)}
    return {path for name in names if (path := _HERE / f"{name.decode()}.py").is_file()}


@cache
def _sources(path: Path) -> str:
    """A digest of a kernel's source and of all that it imports from this folder, near and far.

    Numba looks at the one file that holds a kernel, and would run old code after a change to a
    function that the kernel calls.
    """
    texts: dict[Path, bytes] = {}
    new = {path, _HERE / "jit.py"}
    while new:
        texts |= {one: one.read_bytes() for one in new}
        new = {other for one in new for other in _imports(texts[one])} - set(texts)
    return hashlib.sha256(b"".join(texts[one] for one in sorted(texts))).hexdigest()


class _Files(IndexDataCacheFile):  # type: ignore[misc]
    """A file for each kernel and signature, named after all that its code depends on.

    Numba numbers the files and keeps an index: two processes that fill a folder at once can then
    be handed each other's kernel, and an index that is damaged stays so.
    """

    sources: str  # the digest of what the kernel is made from

    def _path(self, key: Any) -> Path:
        about = repr((sys.implementation.cache_tag, numba.__version__, key)).encode()
        name = f"{self._name}{self.sources[:12]}.{hashlib.sha256(about).hexdigest()[:24]}.nbc"
        return Path(self._cache_path) / name

    @property
    def _name(self) -> str:
        # without the line on which the kernel stands: that changes with the source
        name: str = self._index_name
        return name.partition("-")[0] + "."

    def _remove_outdated(self) -> None:
        """What other sources have left here under this kernel's name; nothing else would."""
        for path in Path(self._cache_path).glob(f"{self._name}*.nbc"):
            if not path.name.startswith(f"{self._name}{self.sources[:12]}."):
                path.unlink(missing_ok=True)

    def load(self, key: Any) -> Any:
        content = self._path(key).read_bytes()
        digest, data = content[:32], content[32:]
        return pickle.loads(data) if digest == hashlib.sha256(data).digest() else None

    def save(self, key: Any, data: Any) -> None:
        content = self._dump(data)
        with self._open_for_write(str(self._path(key))) as file:
            file.write(hashlib.sha256(content).digest() + content)
        self._remove_outdated()


class _Cache(FunctionCache):  # type: ignore[misc]
    def __init__(self, py_func: Any) -> None:
        super().__init__(py_func)
        impl = self._impl
        self._cache_file = _Files(
            self._cache_path, impl.filename_base, impl.locator.get_source_stamp()
        )
        self._cache_file.sources = _sources(Path(py_func.__code__.co_filename))

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return (*super()._index_key(sig, codegen), self._cache_file.sources)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # no file, or of another build: whatever unpickling raises
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception:  # a full disk, a folder that became a file
            return


def kernel(function: F) -> F:
    """Compile `function` at its first call, without the GIL, and keep the result on disk."""
    compiler = numba.njit(
        nogil=True, error_model="numpy", fastmath=EXACT, no_cfunc_wrapper=True, **_PASSES
    )
    dispatcher = compiler(function)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NumbaWarning)
            dispatcher._cache = _Cache(dispatcher.py_func)
    except Exception:  # no folder to keep it in, or a Numba that keeps it in another way
        pass
    compiled: F = dispatcher
    return compiled


def inner(function: F) -> F:
    """A function for kernels to call, compiled into them."""
    compiled: F = numba.njit(**_INLINE, nogil=True)(function)
    return compiled


def by_dtype(choose: F) -> F:
    """A function for kernels whose body `choose` returns, for the types that it is called with.

    Numba registers it for a Python function of the same name, which is what the kernels name.
    """

    @wraps(choose)
    def name(*_: Any) -> Any:
        raise TypeError(f"{choose.__name__} is for kernels alone: it has no body in Python")

    overload(name, jit_options=_INLINE)(choose)
    return cast(F, name)


@intrinsic
def called(typingctx: Any) -> Any:
    """The function that calls this is one of its own in the machine code, not a part of a kernel.

    What is rarely needed then takes no registers from what is always.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.function.attributes.discard("alwaysinline")
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def one_by_one(typingctx: Any) -> Any:
    """In a loop that vectors would not make faster: LLVM does not spend time on trying."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.sideeffect"), [])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def widest_vectors(typingctx: Any) -> Any:
    """Let the loops of the function that calls this use the widest registers of the processor.

    LLVM prefers half of AVX-512's width, which was right for the first processors that had it;
    exp and sum gain a third from the whole. Without AVX-512 it changes nothing.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        # llvmlite's own add() knows a list of attributes without values
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), codegen
