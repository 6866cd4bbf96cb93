"""Whether this processor can run the language model engine, asked before its first instruction."""

from __future__ import annotations

from pathlib import Path

X86_64 = ("x86_64", "AMD64")  # as POSIX and as Windows call it


def lacks_avx2(machine: str, cpuinfo: str) -> bool:
    """Of `platform.machine()` and the text of Linux's `/proc/cpuinfo`: whether it is an x86 without AVX2."""
    return machine in X86_64 and "flags" in cpuinfo and "avx2" not in cpuinfo.split()


def cpuinfo() -> str:
    """What Linux says about the processor; "" on other systems, where the engine's death by SIGILL has to tell."""
    try:
        return Path("/proc/cpuinfo").read_text()
    except FileNotFoundError:
        return ""
