"""Putting object code into memory without LLVM, whose library takes a while to load and 40 MB of memory.

It is done for what the kernels are on Linux with x86-64: ELF files of LLVM's large code model, in which every address
stands as a whole word. For all else LLVM does it (`code.py`).

Source: System V ABI, AMD64 supplement, sections 4.2 to 4.4.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass

X86_64, RELOCATABLE = 62, 1
ALLOCATED, WRITABLE = 2, 1  # flags of sections
NUMBERS, SYMBOLS, ADDRESSES = 1, 2, 4  # kinds of sections
FOR_UNWINDING = ".eh_frame"  # no exception goes through a kernel
WHOLE_WORD = 1  # of relocations: R_X86_64_64
UNDEFINED = 0  # the section of what stands elsewhere
SYMBOL = ADDRESS = 24  # bytes of an entry
LINE = 64


class UnplaceableError(Exception):
    """Object code of another kind, or memory that cannot be had for code."""


@dataclass(frozen=True, slots=True)
class _Section:
    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry: int


class Image:
    """Object files in memory that may be run and no longer written to, for as long as the process lives.

    Parameters
    ----------
    objects
        The files.
    names
        For each the function that is wanted of it.

    Raises
    ------
    UnplaceableError
        They are of another kind, or the system gives no memory to run code in.
    """

    def __init__(self, objects: Sequence[bytes], names: Sequence[str]) -> None:
        if sys.platform != "linux" or struct.calcsize("P") != 8:
            raise UnplaceableError
        try:
            parsed = [_Object(data) for data in objects]
            starts = [0]
            for one in parsed:
                starts.append(starts[-1] + one.size)
            size = max(1, -(-starts[-1] // mmap.PAGESIZE)) * mmap.PAGESIZE
            base = _memory(size)
            image = bytearray(size)
            for one, start in zip(parsed, starts, strict=False):
                one.write(image, start, base)
            places = [start + one[name] for one, start, name in zip(parsed, starts, names, strict=False)]
        except (struct.error, IndexError, ValueError, AttributeError) as error:
            raise UnplaceableError from error
        ctypes.memmove(base, bytes(image), size)
        _make_executable(base, size)
        self.addresses = [base + place for place in places]


def _memory(size: int) -> int:
    """Memory that is never given back: a helper may stand in a kernel when the interpreter ends."""
    take = ctypes.CDLL(None).mmap
    take.argtypes = ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long
    take.restype = ctypes.c_void_p
    base = take(None, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    if not base or base == ctypes.c_void_p(-1).value:
        raise UnplaceableError
    return int(base)


def _make_executable(base: int, size: int) -> None:
    protect = ctypes.CDLL(None).mprotect
    protect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    if protect(base, size, mmap.PROT_READ | mmap.PROT_EXEC):
        raise UnplaceableError


class _Object:
    """One file, and where its sections will stand from its begin."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        if data[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<HH", data, 16) != (RELOCATABLE, X86_64):
            raise UnplaceableError
        (table,) = struct.unpack_from("<Q", data, 40)
        entry, count, names = struct.unpack_from("<HHH", data, 58)
        self._sections = [_Section(*struct.unpack_from("<IIQQQQIIQQ", data, table + i * entry)) for i in range(count)]
        self._places: dict[int, int] = {}
        self.size = 0
        for i, section in enumerate(self._sections):
            is_wanted = section.flags & ALLOCATED and section.size
            if not is_wanted or self._text(self._sections[names], section.name) == FOR_UNWINDING:
                continue
            if section.flags & WRITABLE or section.kind != NUMBERS:
                raise UnplaceableError
            self.size += -self.size % max(section.alignment, LINE)
            self._places[i] = self.size
            self.size += section.size
        self.size += -self.size % LINE
        self._symbols: dict[str, int] = {}  # where functions stand from the begin
        for section in self._sections:
            if section.kind == SYMBOLS:
                for k in range(section.size // SYMBOL):
                    name, index, value = self._symbol(section, k)
                    if name and index in self._places:
                        self._symbols[name] = self._places[index] + value

    def __getitem__(self, name: str) -> int:
        """Where a function stands from the begin."""
        if name not in self._symbols:
            raise UnplaceableError
        return self._symbols[name]

    def write(self, memory: bytearray, start: int, base: int) -> None:
        """Put the sections at `start`, with the addresses that they name; the memory begins at `base`."""
        for i, place in self._places.items():
            section = self._sections[i]
            memory[start + place : start + place + section.size] = self._data[section.offset :][: section.size]
        for section in self._sections:
            if section.kind != ADDRESSES or section.info not in self._places:
                continue
            for k in range(section.size // ADDRESS):
                offset, info, addend = struct.unpack_from("<QQq", self._data, section.offset + ADDRESS * k)
                if info & 0xFFFFFFFF != WHOLE_WORD or offset + 8 > self._sections[section.info].size:
                    raise UnplaceableError
                name, index, value = self._symbol(self._sections[section.link], info >> 32)
                if index in self._places:
                    target = base + start + self._places[index] + value
                elif index == UNDEFINED:
                    target = _of_the_system(name)
                else:
                    raise UnplaceableError
                struct.pack_into("<Q", memory, start + self._places[section.info] + offset, target + addend)

    def _symbol(self, table: _Section, k: int) -> tuple[str, int, int]:
        """Its name, the section that it stands in, and where there."""
        name, _, _, index, value, _ = struct.unpack_from("<IBBHQQ", self._data, table.offset + SYMBOL * k)
        return self._text(self._sections[table.link], name), index, value

    def _text(self, table: _Section, place: int) -> str:
        begin = table.offset + place
        return self._data[begin : self._data.index(b"\0", begin)].decode("ascii")


def _of_the_system(name: str) -> int:
    """The address of a function of the C library."""
    found = ctypes.cast(getattr(ctypes.CDLL(None), name), ctypes.c_void_p).value
    if not found:
        raise UnplaceableError
    return found
