"""What LLVM calls this machine, remembered: its library takes a while to load and 40 MB of memory."""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from pathlib import Path

import llvmlite

from cnnlang import cache
from cnnlang.system import cache_folder

STEADY = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags")  # lines that tell a processor
FIRST = 2**14  # bytes in which the first processor's stand

Names = tuple[str, str, str]


def names() -> Names:
    """The triple, the processor, and its features as `+avx,-avx512f`."""
    told = _told()
    if told is None:
        return _asked()
    path = cache_folder() / f"{sha256(told.encode()).hexdigest()[:40]}.stamp"
    kept = cache.read_sealed(path)
    if kept is not None:
        triple, cpu, features = json.loads(kept)
        return triple, cpu, features
    found = _asked()
    cache.write_sealed(path, json.dumps(found).encode())
    return found


def _asked() -> Names:
    import llvmlite.binding as llvm

    return llvm.get_default_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def _told() -> str | None:
    """What the system says of the first processor, with the version of LLVM; None where it says nothing."""
    if sys.platform != "linux":
        return None
    try:
        with Path("/proc/cpuinfo").open("rb") as file:
            text = file.read(FIRST).decode("utf-8", "replace")
    except OSError:
        return None
    lines = text.split("\n\n", 1)[0].splitlines()
    steady = [line for line in lines if line.partition(":")[0].strip() in STEADY]
    if not any(line.startswith("flags") for line in steady):
        return None
    return "\n".join([llvmlite.__version__, sys.version, *steady])
