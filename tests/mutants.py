"""Takes out one safety check after another, and sees that a test notices.

python tests/mutants.py                all of them; it takes some minutes
python tests/mutants.py --only hash    those whose names hold this

A mutant is a copy of the sources in which one text is replaced; the tests named for it must fail. The copy without any
mutant must pass them all, which is tried first.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parent
SOURCES = TESTS.parent / "src"
_SECONDS = 300


class Mutant(NamedTuple):
    """One check that is taken out."""

    name: str
    file: str
    """Below src/hpac_cli."""
    text: str
    """Stands there once."""
    replacement: str
    tests: tuple[str, ...]
    """As pytest takes them, below tests."""


_SAFETY = ("test_safety.py",)

MUTANTS = (
    # encoding
    Mutant("verification before the name is given", "api/encoding.py", "if encoded.expected is not None:", "if False:", _SAFETY),
    Mutant("round trip: the file that is made", "api/encoding.py", "if not right or not", "if not", _SAFETY),
    Mutant("round trip: samples", "api/encoding.py", "not expected.equals(decoded) or ", "", _SAFETY),
    Mutant(
        "round trip: hash of the source",
        "api/encoding.py",
        " or not expected.file_hash.startswith(decoded.file_hash)",
        "",
        _SAFETY,
    ),
    Mutant(
        "round trip: a file kept whole",
        "api/encoding.py",
        "if digest != expected.file_hash or",
        "if",
        _SAFETY,
    ),
    Mutant(
        "round trip: the kind of a file kept whole",
        "api/encoding.py",
        " or KIND_NAMES[reader.header.kind] != expected.kind",
        "",
        _SAFETY,
    ),
    Mutant("source changed while it was read", "files.py", "if _state(stream) != before:", "if False:", _SAFETY),
    Mutant(
        "source changed after it was hashed",
        "images/__init__.py",
        "if file.hash() != file_hash:",
        "if False:",
        _SAFETY,
    ),
    Mutant(
        "source changed while it was packed",
        "codec/whole.py",
        "if not sha.digest().startswith(image.file_hash):",
        "if False:",
        ("test_whole.py",),
    ),
    Mutant("a source that becomes shorter while it is read", "images/source.py", "        if len(data) < size:", "        if False:", ("test_memory.py",)),
    Mutant("chunks that a recipe claims", "images/png.py", "    if waiting or any(following):", "    if False:", ("test_memory.py",)),
    Mutant("bytes of the file made again", "images/__init__.py", "if hash_pieces(write_pieces(image)) == file_hash:", "if True:", _SAFETY),
    Mutant(
        "proof that a file made anew holds the same",
        "images/__init__.py",
        "if not image.frames or not holds_the_same(data, again):",
        "if not image.frames:",
        _SAFETY,
    ),
    Mutant(
        "size of what is encoded",
        "codec/encode.py",
        "        if count > limit:",
        "        if False:",
        ("test_api.py",),
    ),
    Mutant(
        "too much beside the samples",
        "images/__init__.py",
        "if image.frames and len(image.envelope) > limits.max_metadata_bytes:",
        "if False:",
        ("test_whole.py",),
    ),
    Mutant("chunk length", "container/build.py", "if len(payload) > MAX_CHUNK_BYTES:", "if False:", ("test_container.py",)),
    Mutant("series: round trip", "api/series.py", "if len(made) != len(expected) or found != wanted:", "if False:", ("test_series.py::test_what_comes_back_otherwise_is_not_written",)),
    Mutant("series: a file that changed while it was packed", "codec/series.py", "if sha.digest() != member.file_hash:", "if False:", ("test_series.py::test_a_file_that_changes_while_a_series_is_encoded_is_refused",)),
    # series
    Mutant("series: names that lead elsewhere", "container/members.py", "if not is_name(name):", "if False:", ("test_series.py::test_names_that_lead_elsewhere_are_refused",)),
    Mutant("series: names of two members", "container/members.py", "if after[: len(path)] == path:", "if False:", ("test_series.py::test_names_that_lead_elsewhere_are_refused",)),
    Mutant("series: sums of the table", "container/parse.py", "or around != len(self.metadata):", "or False:", ("test_series.py::test_series_that_lie_are_refused",)),
    Mutant("series: sizes of files kept whole", "codec/series.py", "if spool.tell() != sum(sizes):", "if False:", ("test_series.py::test_series_that_lie_are_refused",)),
    Mutant("series: hash of a file kept whole", "api/rebuilding.py", "if image.identical and not sha", "if False and not sha", ("test_series.py::test_a_member_whose_bytes_are_others_is_refused",)),
    Mutant("series: a link on the way", "api/folders.py", "place.is_symlink() or not place.is_dir()", "not place.is_dir()", ("test_series.py::test_nothing_is_written_through_a_link",)),
    Mutant("series: a link in the place of a file", "api/folders.py", "if place.is_symlink() or (place", "if (place", ("test_series.py::test_nothing_is_written_through_a_link",)),
    Mutant("series: a file of the folder as output", "batch/sources.py", "return is_there and files.is_hpac(Path(path))", "return is_there", ("test_series.py::test_a_file_of_the_folder_is_never_the_output",)),
    Mutant("series: the input as one of its files", "api/folders.py", "if source != files.STANDARD and _same(folder / name, source):", "if False:", ("test_series.py::test_a_series_is_not_overwritten_by_its_own_file",)),
    Mutant("series: a file that appears meanwhile", "api/folders.py", "force=what is _Place.OTHER", "force=options.force", ("test_series.py::test_a_file_that_appears_after_all_were_judged_is_not_replaced",)),
    Mutant("series: a folder that exists", "api/folders.py", "if not (options.force or options.skip_existing):", "if False:", ("test_series.py::test_a_folder_that_exists_is_told_before_anything_is_decoded",)),
    # decoding
    Mutant(
        "hash of the samples",
        "codec/decode.py",
        "if not hash_samples(frames).startswith(reader.samples_hash):",
        "if False:",
        _SAFETY,
    ),
    Mutant("hash of the file", "api/rebuilding.py", "if image.identical and not sha", "if False and not sha", _SAFETY),
    Mutant(
        "hash of a file kept whole",
        "codec/whole.py",
        "if not sha.digest().startswith(reader.file_hash):",
        "if False:",
        ("test_whole.py",),
    ),
    Mutant("hash of the file before standard output", "api/decoding.py", "write_output(target, write, seekable=True", "write_output(target, write, seekable=False", _SAFETY),
    Mutant("verify makes the file", "api/decoding.py", "if picture.kind not in ARRAYS:", "if False:", _SAFETY),
    Mutant("checksums of chunks", "container/chunks.py", "if zlib.crc32(body, zlib.crc32(head)) != crc:", "if False:", ("test_container.py",)),
    Mutant("bytes behind the end", "container/chunks.py", "if read_available(self._stream, 1):", "if False:", ("test_container.py",)),
    Mutant("order of tiles", "container/parse.py", "if tile.index != number:", "if False:", ("test_container.py",)),
    Mutant("order of pieces", "container/parse.py", "if piece.offset != held:", "if False:", ("test_whole.py",)),
    Mutant("length of pieces", "container/parse.py", "if len(data) != piece.size:", "if False:", ("test_whole.py",)),
    Mutant("little that claims much, in pieces", "container/parse.py", "if held > most_unpacked(packed):", "if False:", ("test_whole.py",)),
    Mutant("no frames, and no file", "container/parse.py", "if header.is_whole and (header.kind", "if False and (header.kind", ("test_whole.py",)),
    Mutant("tiles that are missing", "codec/decode.py", "        if chunk is None:\n            raise", "        if chunk is None:\n            return\n            raise", _SAFETY),
    Mutant("tiles too many", "codec/decode.py", "    if next(tiles, None) is not None:\n", "    if False:\n", _SAFETY),
    Mutant("newer versions", "container/chunks.py", "if (major, minor) > (VERSION_MAJOR, VERSION_MINOR):", "if False:", ("test_container.py",)),
    Mutant("bytes behind a compressed stream", "container/parse.py", "if not decompressor.eof or decompressor.unused_data:", "if False:", _SAFETY),
    # limits
    Mutant("limits of frames together", "limits.py", "            if value > limit:", "            if False:", ("test_container.py",)),
    Mutant("pixel limit", "limits.py", "max_pixels: int = 178_956_970", "max_pixels: int = 1 << 60", _SAFETY),
    Mutant("frames in a header", "container/parse.py", "if num_frames > self._limits.max_frames:", "if False:", _SAFETY),
    Mutant("sides of frames", "container/fields.py", "if not (0 < width <= limits.max_side and", "if not (", _SAFETY),
    Mutant("metadata bombs", "container/parse.py", "    if len(out) > limit:", "    if False:", ("test_container.py",)),
    Mutant("little that claims much metadata", "container/parse.py", "min(limits.max_metadata_bytes, most_unpacked(len(chunk.payload)))", "limits.max_metadata_bytes", _SAFETY),
    Mutant("frames of an array", "container/parse.py", "if header.kind in ARRAYS and not _is_array(header):", "if False:", ("test_container.py",)),
    Mutant("salvage: files within a damaged piece", "container/salvage.py", "if piece.offset > end and (chunk.offset < damaged_until or isinstance(chunk, _Damaged)):", "if False:", ("test_salvage.py",)),
    Mutant("salvage: the hash of a file", "api/salvaging.py", "    matches = None if lost else _agree(hashlib", "    matches = None if True else _agree(hashlib", ("test_salvage.py",)),
    Mutant("salvage: the hash of samples", "api/salvaging.py", "    matches = None if lost else _agree(hash_samples", "    matches = None if True else _agree(hash_samples", ("test_salvage.py",)),
    Mutant("TIFF: sizes below zero", "images/tiff.py", "if min(width, height, channels, segment_width, segment_height, *offsets, *counts) < 0:", "if False:", ("test_tiff.py",)),
    Mutant("tiles that no damaged file can have had", "container/salvage.py", "if claimed > len(data):", "if False:", ("test_salvage.py",)),
    Mutant("TIFF that claims too much", "images/tiff.py", "if sum(expected) > MAX_INFLATION * max(1, sum(counts)) + 65536:", "if False:", ("test_tiff.py",)),
    Mutant("samples beyond the end of a TIFF file", "images/tiff.py", "if any(offset + count > file_bytes for", "if any(False for", ("test_tiff.py",)),
    Mutant("coded DICOM of another size", "images/dicom.py", "if (width, height) != (layout.width, layout.height):", "if False:", ("test_dicom.py",)),
    Mutant("deflate that holds more", "images/deflate.py", "    if len(data) > limit:", "    if False:", _SAFETY),
    Mutant("segments that overlap", "images/splice.py", "if not exact or not free.claim(layout.places):", "if not exact:", ("test_tiff.py",)),
    # files
    Mutant("outputs that exist", "files.py", "if not force and not is_special(path):", "if False:", _SAFETY),
    Mutant("outputs that appear meanwhile", "files.py", "os.link(temporary, path)  #", "temporary.replace(path)  #", _SAFETY),
    Mutant("the input as output", "files.py", "if source != STANDARD and os.path.exists(source) and os.path.samefile(path, source):", "if False:", ("test_cli.py",)),
    Mutant("on disk before the name", "files.py", "                os.fsync(file.fileno())\n", "", _SAFETY),
    Mutant("folder on disk after the name", "files.py", "            os.fsync(folder)\n", "            pass\n", _SAFETY),
    Mutant("times", "files.py", "    os.utime(temporary, ns=(latest.st_atime_ns, latest.st_mtime_ns))\n", "", ("test_batch.py",)),
    Mutant("permissions", "files.py", "    temporary.chmod(mode)\n", "", ("test_batch.py",)),
    Mutant("owner", "files.py", "            os.chown(temporary, *owners.pop())\n", "            pass\n", _SAFETY),
    # sources that go
    Mutant("removal: a source that changed", "batch/work.py", "if [_stamp(source) for source in sources] != stamps:", "if False:", _SAFETY),
    Mutant("removal: an output that is not in place", "batch/work.py", "if not os.path.isfile(result.output) or os.path.getsize(result.output) != result.output_bytes:", "if False:", _SAFETY),
    Mutant("removal: an output that holds something else", "batch/work.py", "return held.is_of(bytes.fromhex(result.source_sha256))", "return True", ("test_only_copy.py",)),
    Mutant("removal: a decoded file that holds something else", "batch/work.py", "return api.hash_stream(stream).hex() == result.source_sha256", "return True", ("test_only_copy.py",)),
    Mutant("removal: a series that changed and changed back", "batch/work.py", "        return held.is_series_of({name: stamp.digest for name, stamp in zip(names, stamps, strict=True)})", "        return True", ("test_only_copy.py",)),
    Mutant("removal: samples alone", "batch/work.py", 'if result.fidelity == "samples":', "if False:", ("test_batch.py",)),
    Mutant("removal: no file", "batch/work.py", "if os.path.exists(source) and (not os.path.isfile(source) or _leads_to_a_device(source)):", "if False:", ("test_batch.py",)),
    Mutant("removal: unverified", "api/existing.py", "if options.remove_source and not options.verify:", "if False:", _SAFETY),
    Mutant("removal: output to nowhere", "api/existing.py", "if options.remove_source and (target is None or files.is_special(target)):", "if False:", _SAFETY),
    Mutant("removal: a change that times do not show", "batch/work.py", "facts, digest = files.stamp(source), api.hash_stream(stream)", "facts, digest = files.stamp(source), b\"\"", ("test_only_copy.py",)),
    Mutant("removal: a change during the last look", "batch/work.py", "    if (urls.stamp(source) if is_url(source) else files.stamp(source)) != facts:", "    if False:", _SAFETY),
    Mutant("removal: a change while others are looked at", "batch/work.py", "        _check_unchanged(source, stamp.facts)  # while others were read\n", "", _SAFETY),
    Mutant("removal: a change and back", "batch/work.py", "    if encoded_sha256 and stamps[0].digest and stamps[0].digest.hex() != encoded_sha256:", "    if False:", _SAFETY),
    Mutant("removal: an output that became another file", "files.py", "if judged is not None and stamp(str(path)) != judged:", "if False:", ("test_only_copy.py",)),
    Mutant("removal: what a decoded URL would replace", "batch/urls.py", "if not same and (options.remove_source or not options.force):", "if not same and not options.force:", ("test_only_copy.py",)),
    Mutant("removal: the only copy of another", "api/existing.py", "if options.remove_source and (held.is_whole or files.is_hpac(target)):", "if False:", ("test_batch.py",)),
    Mutant("removal: an output that appears meanwhile", "api/existing.py", "return options.force and (there or not options.remove_source)", "return options.force", ("test_batch.py",)),
    Mutant("skipping: of this very source", "api/encoding.py", "if options.skip_existing and held.is_of(opened.digest) and (held.identical or options.transcode):", "if options.skip_existing:", ("test_batch.py",)),
    Mutant("skipping: decoded already", "api/existing.py", "        if same_bytes(stream, data):\n", "        if True:\n", ("test_batch.py",)),
    Mutant("outputs that clash", "batch/targets.py", "if first != task.source:", "if False:", ("test_batch.py",)),
    Mutant("outputs that are inputs", "batch/targets.py", "if taken != task.source:", "if False:", ("test_batch.py",)),
    # what is shown, and regions
    Mutant("control characters", "cli/words.py", 'c if c.isprintable() or c == "\\n" else "?"', "c", ("test_batch.py",)),
    Mutant("regions inside the frame", "codec/partial.py", "if not inside or region", "if region", ("test_partial.py",)),
    Mutant("suffixes that could do harm", "container/fields.py", "if suffix and not SUFFIX_BYTES.fullmatch(suffix):", "if False:", ("test_container.py",)),
)  # fmt: skip


def copy_checkout(folder: Path) -> Path:
    """Copy the sources, with the weights beside them; return where they are."""
    shutil.copytree(SOURCES.parent / "weights", folder / "weights")
    return Path(shutil.copytree(SOURCES, folder / "src"))


def survives(mutant: Mutant, copy: Path) -> bool:
    """Whether the tests for a mutant pass, though they should not.

    Raises:
        ValueError: what is to be replaced is not there, or more than once.
    """
    path = copy / "hpac_cli" / mutant.file
    text = path.read_text()
    if text.count(mutant.text) != 1:
        raise ValueError(f"{mutant.name}: its text is {text.count(mutant.text)} times in {mutant.file}")
    path.write_text(text.replace(mutant.text, mutant.replacement))
    try:
        return pass_tests(mutant.tests, copy)
    finally:
        path.write_text(text)


def pass_tests(tests: tuple[str, ...], copy: Path) -> bool:
    """Whether tests pass with a copy of the sources."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        *(str(TESTS / t) for t in tests),
    ]
    done = subprocess.run(command, env=environment, cwd=TESTS.parent, capture_output=True, timeout=_SECONDS)
    if done.returncode not in (0, 1):
        raise ValueError(f"{tests}: pytest could not run: {done.stdout.decode()[-2000:]}")
    return done.returncode == 0


def main() -> None:
    """Try every mutant, and end with 1 if one survives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT", help="only those whose names hold this")
    wanted = [mutant for mutant in MUTANTS if parser.parse_args().only in mutant.name]
    alive = []
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_checkout(Path(folder))
        for tests in dict.fromkeys(mutant.tests for mutant in wanted):
            if not pass_tests(tests, copy):
                sys.exit(f"{', '.join(tests)}: does not pass without a mutant either")
        for mutant in wanted:
            start = time.monotonic()
            lives = survives(mutant, copy)
            alive += [mutant.name] * lives
            print(f"{'SURVIVES' if lives else 'dies    '} {time.monotonic() - start:5.1f} s  {mutant.name}", flush=True)
    print(f"{len(wanted)} mutants, {len(alive)} survive")
    sys.exit(bool(alive))


if __name__ == "__main__":
    main()
