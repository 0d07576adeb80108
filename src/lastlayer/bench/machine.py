"""Where it was measured: processor, memory and versions, and nothing that names a machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
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


def taken_by_others(seconds: float = 0.3) -> float:
    """Cores that other programs keep busy while this one sleeps; 0 where Linux doesn't tell."""
    before = _busy_seconds()
    time.sleep(seconds)
    return max(0.0, _busy_seconds() - before) / seconds


def _busy_seconds() -> float:
    """Of all cores since the start: user, nice, system, interrupts."""
    try:
        words = Path("/proc/stat").read_text().splitlines()[0].split()
    except (OSError, IndexError):
        return 0.0
    user, nice, system, _idle, _wait, *interrupts = map(int, words[1:8])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


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
