"""Where it was measured: processor, memory and versions, and nothing that names a machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lastlayer.bench.measure import available_threads

PACKAGES = ("numpy", "numba", "scipy", "scikit-learn", "torch", "jax", "ml-dtypes")


def describe() -> dict[str, str | int | float]:
    """The processor's model, its cores and instructions, memory in GB, system and Python."""
    return {
        "processor": _processor(),
        "instructions": _instructions(),
        "cores": available_threads(),
        "memory_gb": _memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Of the libraries that are compared, as far as they are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _cpuinfo(name: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _sysctl(name: str) -> str:
    try:
        run = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return run.stdout.strip()


def _processor() -> str:
    if sys.platform == "darwin":
        found = _sysctl("machdep.cpu.brand_string")
    else:
        found = _cpuinfo("model name") or platform.processor()
    return found or platform.machine()


def _instructions() -> str:
    """The widest vectors that the processor has."""
    flags = _cpuinfo("flags").split() or _cpuinfo("Features").split()
    names = {"avx512f": "AVX-512", "avx2": "AVX2", "sve": "SVE", "asimd": "NEON", "sse2": "SSE2"}
    arm = platform.machine().lower() in ("arm64", "aarch64")
    return next((text for flag, text in names.items() if flag in flags), "NEON" if arm else "")


def _memory() -> float:
    if sys.platform == "darwin":
        found = int(_sysctl("hw.memsize") or 0)
    elif hasattr(os, "sysconf"):
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    else:
        found = 0
    return round(found / 1e9, 1)
