#!/usr/bin/env python3
"""The build of the native core: which compiler, which instruction sets, which flags.

`unit.c` is compiled once per instruction set, `door.c` and the sources of OTHERS once; they are linked into
one shared library that needs no Python headers. Run as a script (it imports nothing but the standard library):

    python src/hpac_cli/core/compile.py                          # the library, beside this file
    python src/hpac_cli/core/compile.py --sanitize               # the same with ASan and UBSan
    python src/hpac_cli/core/compile.py --target aarch64-macos   # for another machine, with zig
    python src/hpac_cli/core/compile.py --check --cc clang       # warnings are errors; links nothing

This file and the C sources stay out of wheels: an installed hpac compiles nothing.
"""

import argparse
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

SOURCES = Path(__file__).resolve().parent
OTHERS = ("deflate", "jpeg", "segments")
"""Rooms of C that is the same for every instruction set, in the same library."""

ZIG = "ziglang>=0.13,<1"
"""The compiler on PyPI, for machines that have none."""

ONLY_PLAIN: dict[str, tuple[str, ...]] = {"plain": ()}
BITS = ("-mbmi", "-mbmi2", "-mlzcnt")
INSTRUCTION_SETS: dict[str, dict[str, tuple[str, ...]]] = {
    "x86_64": {
        "plain": (),
        "sse2": (),
        "avx2": ("-mavx2", *BITS),
        "avxvnni": ("-mavx2", "-mavxvnni", *BITS),
        "avx512vnni": (
            *("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni", *BITS),
            "-mprefer-vector-width=512",
        ),
    },
    "aarch64": {
        "plain": (),
        "neon": (),
        "neondot": ("-march=armv8.2-a+dotprod",),
    },
}
"""Machine to instruction sets to flags; other machines have ONLY_PLAIN. Sets without flags are in every such machine."""

ZIG_SPELLING = {"-march=armv8.2-a+dotprod": "-mcpu=generic+v8_2a+dotprod"}
"""What zig calls the flags that it calls otherwise than gcc and clang."""

FLAGS = (
    *("-std=c11", "-O3", "-DNDEBUG", "-g0", "-fvisibility=hidden"),
    # A product and a sum rounded as one would be another number on machines with fused multiply-add.
    "-ffp-contract=off",
)
SANITIZE = ("-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
STRICT = ("-O1", "-Wall", "-Wextra", "-Wconversion", "-Werror")
"""Warnings are errors; -O1 finds the same ones as -O3, sooner."""
MACOS = "11.0"
"""The oldest macOS that libraries run on: the first on arm64."""
GLIBC = "2.17"
"""The glibc that zig links against: that of manylinux2014."""

PROBE = """\
#if defined(_WIN32) && !defined(__clang__) && defined(__AVX__)
#error "GCC does not align the stack for AVX on Windows (GCC bug 54412)"
#endif
#include <stdint.h>
#include <string.h>
int32_t probe(const void *bytes);
int32_t probe(const void *bytes) { int32_t n; memcpy(&n, bytes, sizeof n); return n; }
"""


class CompileError(Exception):
    """The core cannot be built; the message says what to install, or what the compiler said."""


@dataclass(frozen=True)
class Target:
    """What the library is for: a triple MACHINE-SYSTEM[-ABI] of gcc, clang or zig."""

    triple: str

    @property
    def machine(self) -> str:
        name = self.triple.partition("-")[0]
        return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)

    @property
    def system(self) -> str:
        for system, words in {
            "linux": ("linux",),
            "macos": ("darwin", "macos"),
            "windows": ("windows", "mingw"),
        }.items():
            if any(word in self.triple for word in words):
                return system
        return "other"

    @property
    def library_name(self) -> str:
        return "hpac_core" + {"macos": ".dylib", "windows": ".dll"}.get(self.system, ".so")

    @property
    def instruction_sets(self) -> dict[str, tuple[str, ...]]:
        return INSTRUCTION_SETS.get(self.machine, ONLY_PLAIN)

    @property
    def tag(self) -> str:
        """The wheel's platform tag; it names a glibc or musl only where the triple does so (zig's do)."""
        _, found, glibc = self.triple.partition("-gnu.")
        if found and self.system == "linux":
            return f"manylinux_{glibc.replace('.', '_')}_{self.machine}"
        if self.triple.endswith("-linux-musl"):
            return f"musllinux_1_2_{self.machine}"
        if self.system == "macos":
            machine = "arm64" if self.machine == "aarch64" else self.machine
            return f"macosx_{MACOS.replace('.', '_')}_{machine}"
        if self.machine in INSTRUCTION_SETS and self.system == "windows":
            return {"x86_64": "win_amd64", "aarch64": "win_arm64"}[self.machine]
        if self.machine in INSTRUCTION_SETS and self.system == "linux":
            return f"linux_{self.machine}"
        return sysconfig.get_platform().replace("-", "_").replace(".", "_")


@dataclass(frozen=True)
class Compiler:
    """A command that compiles C and links, and what it does so for."""

    command: tuple[str, ...]
    target: Target
    spelling: Mapping[str, str] = field(default_factory=dict)

    @property
    def position(self) -> tuple[str, ...]:
        """Flags that every object and the library need on this system."""
        if self.target.system == "macos":
            return ("-fPIC", f"-mmacosx-version-min={MACOS}")
        return () if self.target.system == "windows" else ("-fPIC",)

    def compile(self, source: Path, built: Path, flags: Sequence[str]) -> None:
        flags = [self.spelling.get(flag, flag) for flag in flags]
        run([*self.command, *self.position, *flags, "-c", str(source), "-o", str(built)])

    def link(self, objects: Sequence[Path], built: Path, flags: Sequence[str] = ()) -> None:
        own: Sequence[str] = {
            "linux": ("-s", "-Wl,-z,defs", "-lm"),
            "macos": (f"-Wl,-install_name,@rpath/{self.target.library_name}",),
            "windows": ("-s",),
        }.get(self.target.system, ("-lm",))
        if any("sanitize" in flag for flag in flags):
            own = ("-lm",)  # keeps line numbers; the sanitizers are in the program that loads the library
        run([*self.command, *self.position, "-shared", *map(str, objects), "-o", str(built), *flags, *own])

    def compiles(self, flags: Sequence[str] = ()) -> bool:
        """Whether it knows the flags, or without flags: whether it works, which one that lacks headers does not."""
        with tempfile.TemporaryDirectory() as folder:
            source, built = Path(folder, "probe.c"), Path(folder, "probe.o")
            source.write_text(PROBE)
            try:
                self.compile(source, built, (*FLAGS, *flags))
                if not flags:
                    self.link([built], Path(folder, self.target.library_name))
            except CompileError:
                return False
            return True


def run(command: Sequence[str]) -> str:
    """Run a compiler; return what it printed.

    Raises:
        CompileError: it does not start, or fails.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise CompileError(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        raise CompileError(f"{shlex.join(command)}\n{done.stderr.strip()}")
    return done.stdout


def native_compiler(command: str) -> Compiler:
    """Take a compiler for the machine that it says it compiles for.

    Raises:
        CompileError: it does not start, or does not tell.
    """
    words = tuple(shlex.split(command, posix=os.name != "nt"))
    return Compiler(words, Target(run([*words, "-dumpmachine"]).strip()))


def zig_compiler(triple: str) -> Compiler:
    """Take zig for a triple; what the triple leaves open is settled, for zig's default is this very machine."""
    if triple.endswith("-macos"):
        triple += f".{MACOS}"
    elif triple.endswith("-linux-gnu") and Target(triple).machine in INSTRUCTION_SETS:  # others have no glibc as old
        triple += f".{GLIBC}"
    return Compiler((sys.executable, "-m", "ziglang", "cc", "-target", triple), Target(triple), ZIG_SPELLING)


def own_triple() -> str:
    """This machine, as zig names it."""
    machine = Target(platform.machine().lower()).machine
    if sys.platform == "darwin":
        return f"{machine}-macos"
    if sys.platform == "win32":
        return f"{machine}-windows-gnu"
    musl = "musl" in str(sysconfig.get_config_var("HOST_GNU_TYPE"))
    return f"{machine}-linux-{'musl' if musl else 'gnu'}"


def machine_compiler() -> Compiler | None:
    """Find the C compiler of this machine: what CC names, else cc, gcc or clang if it works.

    On Windows only CC is heeded: gcc cannot compile AVX there (see PROBE), and clang needs Visual Studio.

    Raises:
        CompileError: what CC names does not start.
    """
    if named := os.environ.get("CC"):
        return native_compiler(named)
    for name in () if sys.platform == "win32" else ("cc", "gcc", "clang"):
        if shutil.which(name):
            try:
                compiler = native_compiler(name)
            except CompileError:
                continue
            if compiler.compiles():
                return compiler
    return None


def required_packages() -> list[str]:
    """Name what has to be installed from PyPI before the core can be built: zig, or nothing."""
    if os.environ.get("HPAC_TARGET") or machine_compiler() is None:
        return [ZIG]
    return []


def find_compiler(cc: str | None = None, triple: str | None = None) -> Compiler:
    """Choose the compiler: `cc`; zig for a `triple` or the environment's HPAC_TARGET; this machine's; zig.

    Raises:
        CompileError: there is none.
    """
    triple = triple or os.environ.get("HPAC_TARGET")
    found = native_compiler(cc) if cc else None if triple else machine_compiler()
    if found:
        return found
    if importlib.util.find_spec("ziglang") is None:
        wanted = f"zig, to compile for {triple}" if triple else "a C compiler: gcc or clang, or zig"
        raise CompileError(f"the core of hpac needs {wanted} (pip install ziglang)")
    return zig_compiler(triple or own_triple())


def compile_objects(
    compiler: Compiler, folder: Path, flags: Iterable[str] = (), only: Sequence[str] | None = None
) -> dict[str, Path]:
    """Compile `unit.c` for every instruction set that the compiler knows (or those of `only`), all else once.

    Args:
        compiler: what compiles, and for which machine.
        folder: where the objects go.
        flags: further flags, after FLAGS.
        only: names of instruction sets; the others are left out.

    Returns:
        Name to object: the instruction sets, "door", and the sources of other rooms.

    Raises:
        CompileError: there are errors in the C sources, or none of `only` is left.
    """
    flags = (*FLAGS, *flags)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        wanted = {n: f for n, f in compiler.target.instruction_sets.items() if only is None or n in only}
        accepted = pool.map(lambda own: not own or compiler.compiles(own), wanted.values())
        sets = {name: own for (name, own), fits in zip(wanted.items(), accepted, strict=True) if fits}
        if not sets:
            raise CompileError(f"{shlex.join(compiler.command)} compiles for none of the instruction sets asked for")
        unit, door = SOURCES / "unit.c", SOURCES / "door.c"
        jobs = {name: (unit, (*flags, *own, f"-DHPAC_ISA_{name.upper()}")) for name, own in sets.items()}
        jobs["door"] = (door, (*flags, *(f"-DHPAC_HAS_{name.upper()}" for name in sets)))
        for room in OTHERS:
            sources = sorted((SOURCES.parent / room).glob("*.c"))
            jobs |= {f"{room}_{source.stem}": (source, flags) for source in sources}
        objects = {name: folder / f"{name}.o" for name in jobs}
        list(pool.map(lambda name: compiler.compile(jobs[name][0], objects[name], jobs[name][1]), jobs))
    return objects


def build(
    compiler: Compiler, folder: Path = SOURCES, flags: Sequence[str] = (), only: Sequence[str] | None = None
) -> Path:
    """Build the library in `folder`; it gets its name when it is complete, so that a running program keeps its own.

    Raises:
        CompileError: as of `compile_objects`, or it cannot be linked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with working_folder(folder) as work:
        objects = compile_objects(compiler, work, flags, only)
        built = work / compiler.target.library_name
        compiler.link(list(objects.values()), built, flags)
        return built.replace(folder / built.name)


@contextmanager
def working_folder(folder: Path) -> Iterator[Path]:
    """Lend a folder on the same disk as `folder`, hidden from git and gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="compiling-", dir=folder) as work:
        yield Path(work)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description="Compiles the native core of hpac.")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--cc", help="the compiler; CC in the environment otherwise, or what there is")
    which.add_argument("--target", metavar="TRIPLE", help="compile with zig for MACHINE-SYSTEM[-ABI]")
    parser.add_argument("--sanitize", action="store_true", help="with ASan and UBSan")
    parser.add_argument("--check", action="store_true", help="warnings are errors; nothing is linked")
    parser.add_argument("--sets", metavar="NAMES", help="only these instruction sets, separated by commas")
    parser.add_argument("--output", metavar="FOLDER", type=Path, default=SOURCES, help="where the library goes")
    options = parser.parse_args(arguments)
    only = options.sets.split(",") if options.sets else None
    flags = SANITIZE if options.sanitize else ()
    try:
        compiler = find_compiler(options.cc, options.target)
        if options.check:
            with tempfile.TemporaryDirectory() as folder:
                names = compile_objects(compiler, Path(folder), (*flags, *STRICT), only)
            print(f"{compiler.command[0]}: no warnings ({', '.join(names)})")
        else:
            print(build(compiler, options.output, flags, only))
    except CompileError as error:
        sys.exit(f"{Path(__file__).name}: {error}")


if __name__ == "__main__":
    main()
