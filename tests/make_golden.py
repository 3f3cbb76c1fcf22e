"""The golden files: what is in them, and how new ones are written.

    python tests/make_golden.py                 writes those of new cases, and hashes of the layers of new networks
    python tests/make_golden.py --superseded    and marks those that the encoder writes otherwise now: they are only decoded from then on
    python tests/make_golden.py --freeze        lists what a version of the format froze, when it is released

What is there is never written anew: whoever changes the encoder adds cases, under names of their own, for what it
writes now.
"""

import argparse
import hashlib
import io
import json
import struct
import zlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from conftest import (
    CONTENTS,
    DATA,
    make_dicom,
    make_network,
    make_other_photograph,
    make_tiff,
    other_compressor_png,
    save_png,
)
from PIL import Image as PillowImage
from PIL.PngImagePlugin import PngInfo
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless
from reference.decoder import Record

from hpac_cli import api, images
from hpac_cli.codec.adapters import pack_adapter
from hpac_cli.codec.cells import pack_cells
from hpac_cli.codec.colours import to_rgb, to_triples
from hpac_cli.codec.efforts import effort_of
from hpac_cli.codec.encode import encode_image
from hpac_cli.codec.networks import Networks
from hpac_cli.container.fields import (
    VERSION_MAJOR,
    VERSION_MINOR,
    Adapted,
    Colours,
    Frame,
    Part,
    Reference,
    TileMode,
)
from hpac_cli.container.parse import Reader
from hpac_cli.image import Image, Member, RawSamples, join
from hpac_cli.images.npy import from_array
from hpac_cli.limits import DEFAULT_LIMITS
from hpac_cli.model.adapters import LayerAdapter, adaptable_layers
from hpac_cli.model.files import weights_folder
from hpac_cli.model.index import load_by_name, shipped_index

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
HOW = ("effort", "tile", "orientation", "adapted", "cells", "plan")
"""Fields of a Case that the manifest keeps: `encode` takes them."""


@dataclass(frozen=True)
class Case:
    """One golden file: what is encoded, and how."""

    source: bytes | np.ndarray | dict[str, bytes]
    """An image file, an array, or the files of a series by name."""
    tile: int = 24
    effort: int = 3
    orientation: int = 0
    """How tiles are turned; those of later parts another way."""
    adapted: bool = False
    """Whether its weights are changed."""
    cells: int = 0
    """The step in which the widths of values' cells are given; 0 for none."""
    plan: str = ""
    """How it is coded, whatever the encoder would decide: a name of Colours, "repeats", "frames" that refer to earlier ones, or
    "bands" that refer to each other in an order of their own."""
    raw: RawSamples | None = None
    """How samples lie in a source that does not say so."""


def crop(height: int = 22, width: int = 31) -> np.ndarray:
    """A piece of the test photograph, (H, W, 3)."""
    return np.asarray(PillowImage.open(DATA / "kodim23.png"))[170 : 170 + height, 310 : 310 + width]


def lossy(samples: np.ndarray, kind: str) -> np.ndarray:
    """What a lossy format's decoder makes of samples."""
    file = io.BytesIO()
    PillowImage.fromarray(make_other_photograph(samples)).save(file, kind, quality=88)
    return np.asarray(PillowImage.open(file).convert("RGB"))


def deep(bits: int, height: int = 22, width: int = 31) -> np.ndarray:
    """The same piece in grey, stretched to so many bits, with noise in the lowest, (H, W)."""
    grey = crop(height, width).astype(np.int64).sum(2)
    step = (1 << bits) // (np.ptp(grey) + 1)
    return (grey - grey.min()) * step + np.random.default_rng(7).integers(0, step, grey.shape)


def gradient(height: int, width: int) -> np.ndarray:
    """An alpha channel, opaque in one corner."""
    rows, columns = np.indices((height, width))
    return np.where(rows + columns > 35, 255, columns).astype(np.uint8)


def photographs() -> dict[str, Case]:
    """What the networks code, by name: RGB, luma and chroma, single planes of 1 to 16 bits."""
    part = crop()
    plain, alpha = make_other_photograph(part), gradient(*part.shape[:2])
    strange = part.copy()
    strange[5:8, 9] = 1, 254, 3
    strange[20, 12:] = 255, 255, 254
    grey = part.astype(np.int64).sum(2)
    return {
        "rgb": Case(plain),
        "rgb-small-tiles": Case(plain, 8),
        "small-rgb": Case(plain, effort=1),
        "small-2-rgb": Case(plain, effort=1),
        "small-photo-cd": Case(part, effort=1),
        "small-bits-12": Case(deep(12).astype(np.uint16), effort=1),
        "large-rgb": Case(plain[:12, :12], effort=5),
        "large-photo-cd": Case(part[:12, :12], effort=5),
        "large-bits-12": Case(deep(12, 12, 12).astype(np.uint16), effort=5),
        "rgb-one-pixel": Case(plain[:1, :1]),
        "rgb-one-row": Case(make_other_photograph(crop(1, 60))),
        "rgb-one-column": Case(make_other_photograph(crop(60, 2))[:, :1]),
        "rgb-alpha": Case(np.dstack([plain, alpha])),
        "rgb-frames": Case(np.stack([plain, plain[::-1]])[:, :16, :16]),
        "photo-cd": Case(part),
        "photo-cd-exceptions": Case(strange, 16),
        "jpeg": Case(lossy(part, "jpeg")),
        "jpeg-alpha": Case(np.dstack([lossy(part, "jpeg"), alpha])),
        "webp": Case(lossy(crop(32, 40), "webp"), 48),
        "grey": Case(part[..., 1]),
        "grey-alpha": Case(np.dstack([part[..., 0], alpha]), 16),
        "bits-1": Case((grey > 380).astype(np.uint8)),
        "bits-12": Case(deep(12).astype(np.uint16)),
        "bits-16": Case(deep(16).astype(np.uint16)),
        "u2-rgb": Case((plain.astype(np.uint16) * 257) ^ np.uint16(3)),
        "i1": Case((part[..., 1].astype(np.int16) - 128).astype(np.int8)),
        "i2-offset": Case((deep(11) - 1500).astype(np.int16)),
        "i4-table": Case((grey * 100_003 - 5_000_000).astype(np.int32)),
        "f2": Case((grey / 765).astype(np.float16)),
        "f4-table": Case(np.sqrt(grey).astype(np.float32)),
    }


def changed() -> dict[str, Case]:
    """What is turned, what has adapted weights, and what has cells, by name."""
    part = crop()
    plain, jpeg = make_other_photograph(part), lossy(part, "jpeg")
    with_alpha = np.dstack([jpeg, gradient(*part.shape[:2])])
    bits_12 = deep(12).astype(np.uint16)
    found = {f"turned-{orientation}": Case(plain, orientation=orientation) for orientation in range(1, 8)}
    return found | {
        "turned-4-jpeg-alpha": Case(with_alpha, orientation=4),
        "turned-5-bits-12": Case(bits_12, orientation=5),
        "adapted-rgb": Case(plain, adapted=True),
        "adapted-jpeg-alpha": Case(with_alpha, adapted=True),
        "adapted-bits-12": Case(bits_12, 128, adapted=True),
        "adapted-turned-6": Case(plain, orientation=6, adapted=True),
        "cells-rgb": Case(plain, cells=1),
        "cells-turned-3-jpeg-alpha": Case(with_alpha, orientation=3, cells=2),
        "cells-bits-12": Case(bits_12, cells=4),
        "cells-adapted-grey": Case(part[..., 1], adapted=True, cells=8),
    }


def planned() -> dict[str, Case]:
    """What has colours of every kind, looks for far repetition, or refers to other frames and bands, by name."""
    part, bits_12 = crop(), deep(12).astype(np.uint16)
    plain, front = make_other_photograph(part), np.tile(crop(22, 13), (2, 3, 1))
    slices = np.stack([part[..., 1], part[..., 0], part[::-1, :, 1], part[..., 2]])[..., None]
    bands = np.dstack([bits_12, 4095 - bits_12 // 2, bits_12[::-1], bits_12 // 3])
    made = {
        colours.name.lower().replace("_", "-"): Case(
            to_rgb(to_triples(plain, colours)[0], colours).astype(np.uint8), plan=colours.name
        )
        for colours in Colours
        if colours > Colours.WEBP
    }
    return made | {
        "repeats-rgb": Case(make_other_photograph(front), 48, plan="repeats"),
        "repeats-jpeg": Case(lossy(front, "jpeg"), 48, plan="repeats"),
        "repeats-bits-12": Case(np.tile(bits_12, (2, 2)), 48, plan="repeats"),
        "references-frames": Case(slices, plan="frames"),
        "references-bands": Case(bands, plan="bands"),
        "references-turned-5": Case(bands, orientation=5, plan="bands"),
        "f4-whole": Case(bits_12.astype(np.float32) - 900, plan="whole"),
    }


def graphics() -> dict[str, Case]:
    """What no network codes, by name: every packing of tiles."""
    rng = np.random.default_rng(23)
    areas = rng.integers(0, 6, (12, 16)).repeat(4, 0).repeat(4, 1)
    drawing = rng.integers(0, 256, (6, 4)).astype(np.uint8)[areas]
    above, left = rng.integers(0, 256, (40, 5)), rng.integers(0, 256, (60, 1, 5))
    block = rng.integers(0, 215, (12, 20, 5))
    many = np.arange(300 * 220).reshape(300, 220)
    contents = {f"grey-{name}": Case(make(rng, (21, 33))) for name, make in CONTENTS.items()}
    return contents | {
        "graphics-1": Case(drawing[..., 0], 128),
        "graphics-2": Case(drawing[..., :2], 128),
        "graphics-3": Case(drawing[..., :3], 128),
        "graphics-4": Case(drawing, 128),
        "u2-packed": Case(rng.integers(0, 65536, 6).astype(np.uint16)[areas]),
        "lzma": Case(np.tile(block, (4, 1, 1)).astype(np.uint8), 128),
        "lzma-left": Case((left + left[::-1] * np.arange(40)[:, None]).astype(np.uint8), 64),
        "lzma-up": Case((above + above[::-1] * np.arange(60)[:, None, None]).astype(np.uint8), 64),
        "u4-32-bits": Case((many * 2_654_435_761).astype(np.uint32), 128),
        "f8-64-bits": Case(many.astype(np.float64), 128),
        "u8-constant": Case(np.full((5, 7, 4), 1 << 40, np.uint64)),
        "i8-noise": Case(rng.integers(-(1 << 63), (1 << 63) - 1, (9, 11))),
        "f8-noise": Case(rng.normal(size=(9, 11))),
        "five-channels": Case(rng.integers(0, 256, (11, 13, 5)).astype(np.uint8)),
        "noise-above-4096-bytes": Case(rng.integers(0, 256, (60, 80)).astype(np.uint8), 64),
    }


def image_files() -> dict[str, Case]:
    """Image files, by name, which begins with the kind; no deflate where the name does not say so."""
    part = crop()
    grey, bits_12 = part[..., 1], deep(12).astype(np.uint16)
    signed = np.stack([bits_12, bits_12[::-1]])[:, :12].astype(np.int16) - 1024
    palette = io.BytesIO()
    PillowImage.fromarray(part).quantize(40).save(palette, "png", transparency=3, gamma=0.45)
    alpha = gradient(*grey.shape)
    text = PngInfo()
    text.add_text("Digits", np.random.default_rng(1).bytes(300).hex())
    files = {
        "png-rgb": save_png(part),
        "png-with-text": save_png(grey, pnginfo=text),
        "png-grey-alpha": save_png(np.dstack([grey, alpha])),
        "png-palette": palette.getvalue(),
        "png-16-bits": save_png(grey.astype(np.uint16) * 257),
        "png-interlaced": interlaced_png(),
        "png-other-compressor": other_compressor_png(),
        "tiff-rgb": make_tiff(part, photometric="rgb", rowsperstrip=5, description="a piece of a photograph " * 40),
        "tiff-planar-big-endian": make_tiff(
            part.transpose(2, 0, 1).astype(np.uint16) * 9, photometric="rgb", planarconfig="separate", byteorder=">"
        ),
        "tiff-pages": make_tiff(np.stack([bits_12, bits_12[::-1]])[:, :16, :16]),
        "tiff-float-bigtiff-tiles": make_tiff(np.sqrt(bits_12).astype(np.float32), bigtiff=True, tile=(16, 16)),
        "tiff-lzw-predictor": make_tiff(bits_12, compression="lzw", predictor=True),
        "tiff-packbits": save_tiff(grey[:, ::5].repeat(5, 1), "packbits"),
        "tiff-deflate": save_tiff(grey, "tiff_adobe_deflate"),
        "tiff-jpeg-kept-whole": make_tiff(crop(32, 32), compression="jpeg", photometric="rgb"),
        "dicom-rgb": make_dicom(part),
        "dicom-12-bits": make_dicom(bits_12, BitsStored=12, HighBit=11),
        "dicom-overlay-in-high-bits": make_dicom(
            bits_12 | (bits_12 > 2000) * np.uint16(4096), BitsStored=12, HighBit=11
        ),
        "dicom-deflate": recoded(make_dicom(bits_12), DeflatedExplicitVRLittleEndian),
        "dicom-signed-frames": make_dicom(signed),
        "dicom-rle": recoded(make_dicom(bits_12), RLELossless),
        "pnm-rgb-and-grey": save_plain(part, "ppm") + save_plain(grey, "ppm"),
        "pnm-deep": b"P5\n# a comment\n%d %d\n4095\n" % bits_12.shape[::-1] + bits_12.astype(">u2").tobytes(),
        "bmp-rgb": save_plain(part, "bmp"),
        "bmp-grey": save_plain(grey, "bmp"),
        "npy-frames": save_npy(signed),
    }
    raw = Case(bits_12.astype(">u2").tobytes(), raw=RawSamples(31, 22, 1, 16, little=False))
    return {name: Case(data) for name, data in files.items()} | {"raw-big-endian": raw}


def other_files() -> dict[str, Case]:
    """Files that are no images, by name."""
    noise = np.random.default_rng(3)
    return {
        "file-empty": Case(b""),
        "file-text": Case(b"".join(b"line %d of a text, and what it says\n" % number for number in range(200))),
        "file-bytes": Case(noise.integers(0, 60, 999, np.uint8).tobytes()),
        "file-noise": Case(noise.bytes(5000)),
    }


def series() -> dict[str, Case]:
    """Several files in one, by name."""
    bits_12 = deep(12).astype(np.uint16)
    slices = {f"scan/{i}.dcm": make_dicom(bits_12 + i, InstanceNumber=i) for i in range(3)}
    others = {"notes.txt": b"what lies beside", "empty": b"", "noise": np.random.default_rng(4).bytes(5000)}
    small = {"a": b"1", "b/c": b"22"}
    return {
        "series-scan": Case({**slices, "grey.png": save_png(crop()[..., 1]), **others}),
        "series-files": Case(small),
    }


def read_all(files: dict[str, bytes]) -> Image:
    """Read the files of a series, in the order in which they are given."""
    return join([Member(name, read_any(data)) for name, data in files.items()])


def read_any(data: bytes, raw: RawSamples | None = None) -> Image:
    """Read an image file, or keep another one whole."""
    return images.read_stream(io.BytesIO(data), hashlib.sha256(data).digest(), keep_all=True, raw=raw)


def save_plain(samples: np.ndarray, kind: str) -> bytes:
    """A BMP or PNM file as Pillow writes it."""
    file = io.BytesIO()
    PillowImage.fromarray(samples).save(file, kind)
    return file.getvalue()


def save_npy(array: np.ndarray) -> bytes:
    """A .npy file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def save_tiff(samples: np.ndarray, compression: str) -> bytes:
    """A TIFF file as libtiff writes it."""
    file = io.BytesIO()
    PillowImage.fromarray(samples).save(file, "tiff", compression=compression)
    return file.getvalue()


def interlaced_png() -> bytes:
    """A 1-bit Adam7 file, which comes back with the same bytes."""
    shape, seven = (
        (9, 13),
        [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)],
    )
    bits = np.indices(shape).prod(0) % 3 == 0
    rows = [row for y, x, down, right in seven for row in bits[y::down, x::right]]
    body = zlib.compress(b"".join(b"\0" + np.packbits(row).tobytes() for row in rows))
    header = struct.pack(">IIBBBBB", shape[1], shape[0], 1, 0, 0, 0, 1)
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    framed = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def recoded(data: bytes, syntax: str) -> bytes:
    """A DICOM file in another transfer syntax."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    if syntax == RLELossless:
        dataset.compress(syntax, generate_instance_uid=False)
    else:
        dataset.file_meta.TransferSyntaxUID = syntax
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def change_plan(frame: Frame, number: int, plan: str, tile: int, networks: Networks) -> Frame:
    """Code a frame in the way that a Case names, or as it was planned."""
    grey, parts, order = networks.digest("grey-medium"), list(frame.parts), frame.order
    if plan in Colours.__members__:
        parts = [Part(3, 8, networks.digest("ycc-medium"), colours=Colours[plan])]
    elif plan == "repeats":
        parts = [replace(part, repeats=True) for part in parts]
    elif plan == "frames":
        references = (
            (),
            (Reference(1, 0),),
            (Reference(2, 0, -2048, 200), Reference(1, 0)),
            (Reference(1, 0, 5000, -9),),
        )
        parts = [Part(1, 8, grey, references=references[number])]
    elif plan == "bands":
        references = (), (Reference(0, 2),), (Reference(0, 0, -2048, 4095), Reference(0, 2)), (Reference(0, 1, 1365),)
        parts, order = [Part(1, 12, grey, references=told) for told in references], (2, 0, 1, 3)
    elif plan == "whole":
        parts = [Part(1, 12, grey, offset=-900, whole=True)]
    return replace(frame, parts=tuple(parts), order=order, tile=tile) if plan else frame


def turn_parts(frames: tuple[Frame, ...], orientation: int) -> tuple[tuple[Frame, ...], tuple[Adapted, ...]]:
    """Turn all tiles, those of later parts another way."""
    turned = (
        replace(f, parts=tuple(replace(p, orientation=(orientation + i) % 8) for i, p in enumerate(f.parts)))
        for f in frames
    )
    return tuple(turned), ()


def change_weights(frames: tuple[Frame, ...], networks: Networks) -> tuple[tuple[Frame, ...], tuple[Adapted, ...]]:
    """Adapt weights at random, which needs no training, with ranks from 0 to 2, steps from 1 to 4 and an escape."""
    adapters, names = [], {}
    for digest in sorted({part.weights_digest for frame in frames for part in frame.parts if part.weights_digest}):
        rng, change = np.random.default_rng(4), {}
        for number, layer in enumerate(adaptable_layers(networks.by_digest(digest).weights.shape)):
            rank, step, name = number % 3, number % 4 + 1, layer.name
            sizes = (layer.outputs, layer.outputs, (layer.outputs, rank), (rank, layer.inputs))
            change[name] = LayerAdapter(*(rng.integers(-2, 3, size) for size in sizes))
            change[name].bias[1] = 40 * (-1) ** number
            change[name] = change[name]._replace(gain=step * change[name].gain, bias=step * change[name].bias)
        adapters.append(Adapted(digest, pack_adapter(change)))
        names[digest] = networks.merged(adapters[-1]).digest()
    renamed = tuple(
        replace(f, parts=tuple(replace(p, weights_digest=names.get(p.weights_digest, b"")) for p in f.parts))
        for f in frames
    )
    return renamed, tuple(adapters)


def give_cells(frame: Frame, step: int) -> Frame:
    """Give the values of each part cells: some wide, some narrow, some empty."""
    parts = []
    for number, part in enumerate(frame.parts):
        levels = np.random.default_rng(number).integers(
            -96 // step, 63 // step + 1, (part.channels, 1 << part.bit_depth)
        )
        levels[:, np.arange(levels.shape[1]) % 5 > 1] = 0
        parts.append(replace(part, cells=pack_cells(levels, step)) if part.weights_digest else part)
    return replace(frame, parts=tuple(parts))


def encode(
    image: Image, networks: Networks, *, effort: int, tile: int, orientation: int, adapted: bool, cells: int, plan: str
) -> bytes:
    """Encode as a Case says."""

    def adapt(frames: tuple[Frame, ...]) -> tuple[tuple[Frame, ...], tuple[Adapted, ...]]:
        frames = tuple(change_plan(frame, number, plan, tile, networks) for number, frame in enumerate(frames))
        frames, _ = turn_parts(frames, orientation)
        frames = tuple(give_cells(frame, cells) for frame in frames) if cells else frames
        return change_weights(frames, networks) if adapted else (frames, ())

    stream = io.BytesIO()
    encode_image(image, stream, networks=networks, effort=effort_of(effort), tile=tile, adapt=adapt)
    return stream.getvalue()


def is_all_ours(data: bytes) -> bool:
    """Whether no other library compressed anything in a container, for those are free to do it another way."""
    reader = Reader(io.BytesIO(data), DEFAULT_LIMITS)
    compressed = (
        reader.metadata
        or reader.header.members
        or any(part.table for frame in reader.header.frames for part in frame.parts)
    )
    ours = {TileMode.NETWORK, TileMode.LUMA_CHROMA, TileMode.STORED}
    compressed = compressed or any(piece.packing for piece in reader.pieces())
    return not compressed and {tile.mode for tile in reader.tiles()} <= ours


def sha(data: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def layer_hashes(name: str, unit: str) -> dict[str, str]:
    """Hashes of every layer of a shipped network, for a piece of the test photograph, as an instruction set gives them."""
    network = make_network(load_by_name(name), unit)
    shape = network.weights.shape
    samples = np.ascontiguousarray(crop()[..., : shape.planes]).astype(np.int32)
    hashes = network.coder.trace(samples, 8)
    return {layer: f"{found:016x}" for layer, found in zip(Record(asdict(shape)).hashes, hashes, strict=True)}


def make_entry(case: Case, networks: Networks) -> tuple[bytes, dict[str, object]]:
    """Encode a case: the file, and what the manifest says of it."""
    how = {key: getattr(case, key) for key in HOW}
    sources = case.source if isinstance(case.source, dict) else {}
    if sources:
        image = read_all(sources)
    else:
        image = read_any(case.source, case.raw) if isinstance(case.source, bytes) else from_array(case.source)
    data = encode(image, networks, **how)
    return data, {
        **how,
        "file": sha(data),
        "samples": sha(b"".join(frame.tobytes() for frame in image.frames)),
        "envelope": sha(image.envelope),
        "source": sha(case.source) if isinstance(case.source, bytes) else None,
        "members": {member: sha(content) for member, content in sources.items()},
        "ours": is_all_ours(data),
    }


def encode_again(name: str, networks: Networks) -> bytes:
    """Encode what a golden file holds, in the way in which it was encoded."""
    session, facts = api.Session(), read_json("manifest.json")[name]
    image = session.decode(session.open(io.BytesIO((GOLDEN / f"{name}.hpac").read_bytes())))
    return encode(image, networks, **{key: facts[key] for key in HOW})


def write_new(*, superseded: bool) -> None:
    """Write the golden files of new cases.

    Args:
        superseded: whether the encoder may write others otherwise than it did.
    """
    networks, cases = Networks(), dict[str, Case]()
    for some in (photographs, changed, planned, graphics, image_files, other_files, series):
        cases |= some()
    manifest, layers = read_json("manifest.json"), read_json("layers.json")
    other = [
        name for name, facts in manifest.items() if facts["ours"] and sha(encode_again(name, networks)) != facts["file"]
    ]
    if other and not superseded:
        raise SystemExit(f"the encoder writes these otherwise now; if that is meant, --superseded: {', '.join(other)}")
    for name in other:
        manifest[name]["ours"] = False
    new = {name: case for name, case in cases.items() if name not in manifest}
    for name, case in new.items():
        data, manifest[name] = make_entry(case, networks)
        (GOLDEN / f"{name}.hpac").write_bytes(data)
    layers |= {name: layer_hashes(name, "plain") for name in shipped_index() if name not in layers}
    (GOLDEN / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    (GOLDEN / "layers.json").write_text(json.dumps(layers, indent=1) + "\n")
    print(f"{len(new)} new files; of {len(other)} the encoder writes others now")


def read_json(name: str) -> dict[str, Any]:
    """What a file of facts beside the golden files holds."""
    path = GOLDEN / name
    return dict(json.loads(path.read_text())) if path.exists() else {}


def freeze() -> None:
    """List the golden files and weights that are in no list yet, as sha256sum does, for the present version of the format."""
    path = GOLDEN / f"frozen-{VERSION_MAJOR}.{VERSION_MINOR}.txt"
    frozen = {line.split()[1] for listed in GOLDEN.glob("frozen-*.txt") for line in listed.read_text().splitlines()}
    files = [*sorted(GOLDEN.glob("*.hpac")), *sorted(weights_folder().glob("*.safetensors"))]
    lines = [f"{sha(file.read_bytes())}  {file.relative_to(ROOT).as_posix()}\n" for file in files]
    if path.exists():
        raise SystemExit(f"format {VERSION_MAJOR}.{VERSION_MINOR} is frozen already; see docs/format.md, Versions")
    with path.open("x") as stream:
        stream.writelines(line for line in lines if line.split()[1] not in frozen)
    print(f"{path}: {sha(path.read_bytes())}, for docs/format.md")


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--superseded", action="store_true", help="the encoder may write some files otherwise now")
    parser.add_argument("--freeze", action="store_true", help="list what the present version of the format froze")
    arguments = parser.parse_args()
    if arguments.freeze:
        freeze()
    else:
        write_new(superseded=arguments.superseded)


if __name__ == "__main__":
    main()
