"""What Numba does with a kernel's functions on their way to LLVM, less what is of no use to them.

A kernel is made of some eighty small functions. Numba makes machine code of each by itself, though
all are inlined into the kernel and none is ever called; and it takes each through passes for what
none of them has: array expressions, closures, comprehensions, loops over types. LLVM optimises the
same code as ever, but what is large only once: the kernels are as fast, and take less time to
compile.
"""

from __future__ import annotations

import gc
import os
from typing import Any

from numba import _dynfunc
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder, Flags
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering

# by their names: one that a Numba does not have is no error
_NEEDLESS = {
    "WithLifting", "InlineClosureLikes", "RewriteDynamicRaises", "MakeFunctionToJitFunction",
    "InlineInlinables", "FindLiterallyCalls", "LiteralUnroll", "LiteralPropagationSubPipelinePass",
    "InlineOverloads", "NopythonRewrites", "NoPythonSupportedFeatureValidation",
    "DumpParforDiagnostics",
}  # fmt: skip

# A function that is made of more than these, each counted wherever it is called, is optimised in
# the kernel alone: its loops are in functions that it calls, and those have been by then.
_LARGE = 32

# What follows stands on these, which Numba does not promise: without them its own way is taken.
for _owner, _name in (
    (Flags, "no_compile"),
    (JITCodeLibrary, "_finalize_final_module"),
    (JITCodeLibrary, "_optimize_final_module"),
    (CompilerBase, "_compile_core"),
    (JITCodeLibrary, "_ensure_finalized"),
    (_dynfunc, "make_function"),
):
    if not hasattr(_owner, _name):
        raise ImportError(f"Numba has no {_name}")


class _Part(JITCodeLibrary):  # type: ignore[misc]
    """The LLVM code of a function that is only ever inlined: it never becomes machine code."""

    def _optimize_final_module(self) -> None:
        parts = getattr(self, "_linking_libraries", ())
        self.size = 1 + sum(getattr(one, "size", 1) for one in set(parts))
        if self.size <= _LARGE:
            super()._optimize_final_module()

    def _finalize_final_module(self) -> None:
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class _PartLowering(NativeLowering):  # type: ignore[misc]
    _name = "part_lowering"

    def run_pass(self, state: Any) -> bool:
        state.library = _Part(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        state.flags.no_compile = False
        state.library._ensure_finalized()
        found = state["cr"]
        # What Numba knows the function by: one of Python's that has no code, and that nobody calls.
        entry = _dynfunc.make_function(
            found.fndesc.lookup_module(), found.fndesc.qualname, "", 0, found.env, (state.library,)
        )
        state.targetctx.insert_user_function(entry, found.fndesc, [state.library])
        state["cr"] = found._replace(cfunc=entry)
        return True


_no_collection = False  # while a kernel is compiled, which one thread does at a time


def _collect_again() -> None:
    global _no_collection  # noqa: PLW0603
    if _no_collection:
        gc.enable()
        _no_collection = False


if hasattr(os, "register_at_fork"):  # a child forked meanwhile has no thread that would do it
    os.register_at_fork(after_in_child=_collect_again)


class Kernel(CompilerBase):  # type: ignore[misc]
    """The passes for a function that Python calls."""

    lowering: type = NativeLowering

    def _compile_core(self) -> Any:
        # Numba makes objects by the million, most of which last: to look for garbage among them
        # takes a sixteenth of the time.
        global _no_collection  # noqa: PLW0603
        if not gc.isenabled():  # by others, or for the kernel that this is compiled for
            return super()._compile_core()
        _no_collection = True
        gc.disable()
        try:
            return super()._compile_core()
        finally:
            _collect_again()

    def define_pipelines(self) -> list[Any]:
        """Numba's own passes, less the needless, with this class's way to LLVM."""
        manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
        manager.passes = [
            (self.lowering if one is NativeLowering else one, about)
            for one, about in manager.passes
            if one.__name__ not in _NEEDLESS
        ]
        manager.finalize()
        return [manager]


class Part(Kernel):
    """The passes for a function that kernels call."""

    lowering = _PartLowering
