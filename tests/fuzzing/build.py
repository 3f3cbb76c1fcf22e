"""The fuzzers of native code, compiled: clang's libFuzzer with sanitizers.

python tests/fuzzing/build.py build/fuzz
mkdir build/fuzz/found build/fuzz/streams; cd build/fuzz
./fuzz_tile found ../../tests/fuzzing/corpus     finds go to build/fuzz, inputs that reach anything new to found
./fuzz_deflate streams seeds
"""

import argparse
import os
import sys
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from deflate_streams import odd_stream

from fuzzing.material import write_material
from hpac_cli.core import compile as core
from hpac_cli.core import unit_names

HERE = Path(__file__).parent
DEFLATE = core.SOURCES.parent / "deflate"
CHECKS = "address,undefined"
COMMON = ("-O1", "-g", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all", f"-I{core.SOURCES}")
LEFT_OUT = ("-fno-sanitize=null,alignment,object-size,pointer-overflow",)
"""AddressSanitizer finds what these would; without them compilers take a third of the time or less."""
CALLS = ("-mllvm", "-asan-instrumentation-with-call-threshold=500")


def find_clang() -> core.Compiler | None:
    """Find a clang that has libFuzzer."""
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder, "probe.c")
        probe.write_text("int LLVMFuzzerTestOneInput(const char *data, long size) { return !data && size; }")
        try:
            clang = core.native_compiler(os.environ.get("CLANG", "clang"))
            core.run([*clang.command, f"-fsanitize=fuzzer,{CHECKS}", str(probe), "-o", str(Path(folder, "probe"))])
        except core.CompileError:
            return None
        return clang


def build(clang: core.Compiler, folder: Path, *, units: Sequence[str] = unit_names(), checks: str = CHECKS) -> Path:
    """Compile the core and the target into `folder`, beside the networks that the target runs on."""
    folder.mkdir(parents=True, exist_ok=True)
    flags = (f"-fsanitize={checks}", "-fsanitize=fuzzer-no-link", *LEFT_OUT, *COMMON, *CALLS)
    objects = core.compile_objects(clang, folder, flags, units)
    target = folder / "fuzz_tile.o"
    clang.compile(HERE / "fuzz_tile.c", target, ("-std=c11", "-Wall", "-Wextra", "-Werror", *flags))
    program = folder / "fuzz_tile"
    core.run(
        [*clang.command, f"-fsanitize=fuzzer,{checks}", *map(str, [target, *objects.values()]), "-o", str(program)]
    )
    write_material(folder / "material.bin")
    return program


def build_deflate(clang: core.Compiler, folder: Path, *, checks: str = CHECKS) -> Path:
    """Compile the fuzzer of deflate streams into `folder`, beside a folder of seeds."""
    folder.mkdir(parents=True, exist_ok=True)
    flags = ("-std=c11", f"-fsanitize={checks}", "-fsanitize=fuzzer-no-link", *COMMON, f"-I{DEFLATE}")
    sources = [HERE / "fuzz_deflate.c", *sorted(DEFLATE.glob("*.c"))]
    objects = [folder / f"deflate-{source.stem}.o" for source in sources]
    for source, built in zip(sources, objects, strict=True):
        clang.compile(source, built, flags)
    program = folder / "fuzz_deflate"
    core.run([*clang.command, f"-fsanitize=fuzzer,{checks}", *map(str, objects), "-o", str(program)])
    write_streams(folder / "seeds")
    return program


def write_streams(folder: Path) -> None:
    """Odd streams for each matcher, and for the search of parameters; and pairs of them, to be read one after the other."""
    folder.mkdir(exist_ok=True)
    whole = [stream for stream, _ in map(odd_stream, range(60)) if len(stream) < 1400]
    long = zlib.compress(bytes(300_000), 9, wbits=-15)
    for seed in range(30):
        stream, plain = odd_stream(seed)
        (folder / f"stream-{seed}").write_bytes(bytes([3 * seed + 1, seed]) + stream[:1500])
        first, other = whole[seed % len(whole)], whole[(seed + 1) % len(whole)] if seed % 3 else long
        for order in (
            2,
            4,
            5,
        ):  # the second stream is read from the second reading on, from the third on, or not second
            head = bytes([3 * seed + 2, seed, order]) + len(first).to_bytes(2, "little")
            (folder / f"changing-{seed}-{order}").write_bytes(head + first + other)
        parameters = bytes([seed % 14, 15, 15, 0, seed % 14 == 2, 8, 0, 16, 0, 128, 0, 16, 0, 0, 0, 0, 0])
        (folder / f"correction-{seed}").write_bytes(bytes([0, seed]) + parameters + bytes([20, 3]) + plain[:500])


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--checks", default=CHECKS, help="sanitizers, as clang names them")
    options = parser.parse_args()
    clang = find_clang()
    if clang is None:
        sys.exit("a clang with libFuzzer is needed (Debian: clang and libclang-rt-dev)")
    print(build(clang, options.folder, checks=options.checks))
    print(build_deflate(clang, options.folder, checks=options.checks))


if __name__ == "__main__":
    main()
