"""A second decoder, slow and plain, written from docs/format.md and nothing of hpac_cli.

It decodes one pixel at a time in Python integers (layers as int64 dot products), with a range
decoder of its own. It catches what round trips cannot: one mistake made twice. A tile can be decoded with a
record of every layer's outputs, to be held against the core's.
"""

import copy
import hashlib
import io
import json
import lzma
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors import safe_open


def window(rows: int, centre: bool) -> list[tuple[int, int]]:
    return [
        (dy, dx)
        for dy in range(-rows, 1)
        for dx in range(-rows, rows + 1)
        if (dx < -2 * dy if dy else dx < 0 or (centre and dx == 0))
    ]


def clamp(v: int, low: int, high: int) -> int:
    return min(max(v, low), high)


def read_tables(folder: Path) -> dict[str, list[int]]:
    with safe_open(folder / "tables.safetensors", framework="numpy") as file:
        return {name: file.get_tensor(name).tolist() for name in file.keys()}  # noqa: SIM118


class Weights:
    def __init__(self, shape: dict[str, int], arrays: dict[str, np.ndarray], table: dict[str, list[int]]) -> None:
        self.shape, self.arrays, self.table = shape, arrays, table
        self.wide = {n: a.astype(np.int64) for n, a in self.arrays.items()}

    @classmethod
    def read(cls, path: Path) -> "Weights":
        with safe_open(path, framework="numpy") as file:
            shape = json.loads(file.metadata()["hpac"])["shape"]
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return cls(shape, arrays, read_tables(path.parent))

    def digest(self) -> bytes:
        sha = hashlib.sha256(json.dumps(self.shape, sort_keys=True).encode())
        for name in layers(self.shape):
            for part, kind in (("weight", "<i1"), ("bias", "<i4"), ("shift", "<i4")):
                sha.update(self.arrays[f"{name}.{part}"].astype(kind).tobytes())
        return sha.digest()[:8]

    def layer(self, name: str, x: np.ndarray) -> np.ndarray:
        return self._shift(name, self.wide[f"{name}.weight"] @ x)

    def depthwise(self, name: str, taps: np.ndarray) -> np.ndarray:
        return self._shift(name, (self.wide[f"{name}.weight"] * taps.T).sum(1))

    def _shift(self, name: str, sums: np.ndarray) -> np.ndarray:
        shift = self.wide[f"{name}.shift"]
        half = np.where(shift > 0, 1 << np.maximum(shift - 1, 0), 0)
        return (sums + self.wide[f"{name}.bias"] + half) >> shift


def merge(base: Weights, payload: bytes) -> Weights:
    """Change weights as an adapter says."""
    coder = RangeDecoder(payload)
    uniform = [k << 19 for k in range(33)]

    def bits(count: int) -> int:
        value = 0
        for _ in range(count):
            value = 2 * value + coder.decode([0, 1 << 23, 1 << 24])
        return value

    def vector(count: int) -> list[int]:
        width = coder.decode(uniform)
        if not width:
            return [0] * count
        mass = [1 << 40]
        for _ in range(29):
            mass.append(mass[-1] * width**2 // (width**2 + 64))
        each = [2 * mass[29] + 1, *(mass[abs(x)] for x in range(-28, 29))]
        cumulative = [sum(each[:k]) * (1 << 24) // sum(each) for k in range(59)]
        numbers = [coder.decode(cumulative) - 29 for _ in range(count)]
        for i, number in enumerate(numbers):
            if number == -29:
                sign, size = -1 if bits(1) else 1, 0
                while bits(1):
                    size += 1
                numbers[i] = sign * (28 + (1 << size) + bits(size))
        return numbers

    merged = copy.copy(base)
    merged.arrays = dict(base.arrays)
    for name in (name for name in layers(base.shape) if not name.startswith("context")):
        weight, bias = (base.arrays[f"{name}.{part}"].astype(np.int64) for part in ("weight", "bias"))
        outputs, inputs = weight.shape
        coarser, rank = divmod(coder.decode(uniform), 8)
        gain, change = ((coarser + 1) * np.array(vector(outputs)) for _ in range(2))
        wide = 64 * weight + weight * gain[:, None]
        for _ in range(rank):
            wide += 4 * np.outer(vector(outputs), vector(inputs))
        last = name.split(".")[-1]
        s = 0 if "heads" in name and last == "out" else 2 if last in ("input2", "out", "down") else -2
        shift = np.maximum(base.arrays[f"{name}.shift"].astype(np.int64) + s, 0)
        merged.arrays[f"{name}.weight"] = np.clip((wide + 32) >> 6, -127, 127).astype(np.int8)
        merged.arrays[f"{name}.bias"] = np.clip(bias + (change << shift), -(1 << 24), 1 << 24).astype(np.int32)
    merged.wide = {n: a.astype(np.int64) for n, a in merged.arrays.items()}
    return merged


def layers(shape: dict[str, int]) -> list[str]:
    """Layers in the order in which a pixel meets them."""
    parts = ("gate", "value", "depthwise", "out", "up", "down")
    blocks = [f"blocks.{b}.{part}" for b in range(shape["blocks"]) for part in parts]
    return [
        "input",
        "input2",
        *(f"context.{part}" for part in ("features", "out") if shape["context"]),
        *blocks,
        *(f"heads.{p}.{part}" for p in range(shape["planes"]) for part in ("hidden", "out")),
    ]


class Record:
    """A hash of every layer's outputs, by name, as src/hpac_cli/core/trace.h defines them and in its order."""

    def __init__(self, shape: dict[str, int]) -> None:
        parts = ("gate", "value", "gated", "out", "up", "down")
        names = ["focus", "input", "input2", "context sums"]
        names += [f"blocks.{b}.{part}" for b in range(shape["blocks"]) for part in parts]
        names += [f"heads.{p}.{part}" for p in range(shape["planes"]) for part in ("hidden", "out")]
        self.hashes = dict.fromkeys(names, 0xCBF29CE484222325)

    def add(self, name: str, numbers: Iterable[int]) -> None:
        found = self.hashes[name]
        for number in numbers:
            found = (found ^ int(number) % (1 << 32)) * 0x100000001B3 % (1 << 64)
        self.hashes[name] = found


class RangeDecoder:
    def __init__(self, data: bytes) -> None:
        self.intervals: list[tuple[int, int]] = []
        self.words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
        self.at, self.lower, self.range, self.width = 0, 0, (1 << 64) - 1, 0
        self.point = self._next() << 32 | self._next()

    def _next(self) -> int:
        word = self.words[self.at] if self.at < len(self.words) else 0
        self.at += 1
        return word

    def decode(self, cumulative: list[int]) -> int:
        columns = len(cumulative) + 1
        reduced = [c - (c * columns >> 24) for c in cumulative]
        edges = [0, *(r + k + 1 for k, r in enumerate(reduced)), 1 << 24]
        scale = self.range >> 24
        quantile = (self.point - self.lower) % (1 << 64) // scale
        column = max(k for k in range(columns) if edges[k] <= quantile)
        self.intervals.append((edges[column], edges[column + 1] - edges[column]))
        self.width = edges[column + 1] - edges[column]
        self.lower = (self.lower + scale * edges[column]) % (1 << 64)
        self.range = scale * (edges[column + 1] - edges[column])
        if self.range < 1 << 32:
            self.lower, self.range = (self.lower << 32) % (1 << 64), self.range << 32
            self.point = (self.point << 32) % (1 << 64) | self._next()
        assert 1 <= column <= columns - 2
        return column - 1

    def end(self) -> None:
        """All words have been read, and at most one that is not there."""
        assert len(self.words) <= self.at <= len(self.words) + 1


class BitDecoder:
    """Bits that learn, of docs/format.md, "Cells"."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.low, self.high, self.point = data, 0, 0, (1 << 32) - 1, 0
        self.counts: dict[tuple, list[int]] = {}
        for _ in range(4):
            self.shift_in()

    def shift_in(self) -> None:
        byte = self.data[self.at] if self.at < len(self.data) else 0
        self.point, self.at = (self.point << 8) % (1 << 32) + byte, self.at + 1

    def decode(self, *context: object) -> int:
        c = self.counts.setdefault(context, [0, 0])
        zeros, ones = 2 * c[0] + 1, 2 * c[1] + 1
        middle = self.low + (self.high - self.low) * ones // (zeros + ones)
        bit = int(self.point <= middle)
        self.low, self.high = (self.low, middle) if bit else (middle + 1, self.high)
        c[bit] += 1
        if sum(c) == 256:
            c[:] = c[0] // 2, c[1] // 2
        while self.low >> 24 == self.high >> 24:
            self.low, self.high = (self.low << 8) % (1 << 32), (self.high << 8) % (1 << 32) + 255
            self.shift_in()
        return bit

    def end(self) -> None:
        assert len(self.data) <= self.at <= len(self.data) + 4


def sign(number: int) -> int:
    return (number > 0) - (number < 0)


def read_edges(cells: bytes, planes: int, values: int) -> list[list[int]]:
    step, coder = 1 << cells[0], BitDecoder(cells[1:])
    above, edges = [0] * values, []
    for _ in range(planes):
        levels: list[int] = []
        for up in above:
            left = levels[-1] if levels else 0
            level = coder.decode(0, min(abs(left), 2), min(abs(up), 2))
            if level:
                negative = coder.decode(1, sign(left), sign(up))
                while coder.decode(2, min(level, 15), sign(level - abs(up)) if up else 2):
                    level += 1
                level = -level if negative else level
            levels.append(level)
        above = levels
        assert all(-96 <= step * level <= 63 for level in levels)
        edges.append(to_edges([step * level for level in levels]))
    coder.end()
    return edges


def to_edges(widths: list[int]) -> list[int]:
    octave = [round(2 ** (14 + i / 16)) for i in range(16)]
    excess = [0]
    for x in widths:
        excess.append(excess[-1] + (octave[x % 16] >> (6 - x // 16)) - 256)
    n, edges = len(widths), []
    for v in range(n + 1):
        drift = sum((9 - abs(i)) * excess[clamp(v + i, 0, n)] for i in range(-8, 9))
        edge = 64 * v - 32 + clamp((81 * excess[v] - drift + 162) // 324, -256, 256)
        edges.append(max([edge, *edges[-1:]]))
    return edges


class Tile:
    def __init__(
        self,
        weights: Weights,
        height: int,
        width: int,
        bit_depth: int,
        data: bytes,
        record: Record | None = None,
        edges: list[list[int]] | None = None,
        references: Sequence[np.ndarray] = (),
        *,
        repeats: bool = False,
    ) -> None:
        self.record, self.edges, self.references = record, edges, [r.tolist() for r in references]
        self.w, self.height, self.width, self.depth = weights, height, width, bit_depth
        self.planes, self.k = weights.shape["planes"], weights.shape["components"]
        self.coder = RangeDecoder(data)
        self.sample: list[dict[tuple[int, int], int]] = [{} for _ in range(self.planes)]
        self.gates: list[dict[tuple[int, int], np.ndarray]] = [{} for _ in range(weights.shape["blocks"])]
        self.context = np.zeros(weights.shape["context"], np.int64)
        self.known = 0
        self.first: dict[tuple[int, int], np.ndarray] = {}
        self.repeats = Repeats(self) if repeats else None

    def decode(self) -> np.ndarray:
        for t in range(self.width + 2 * (self.height - 1)):
            pixels = [(y, t - 2 * y) for y in range(self.height) if 0 <= t - 2 * y < self.width]
            states = [self.look(y, x) for y, x in pixels]
            if self.repeats:
                self.repeats.search(pixels)
            for p in range(self.planes):
                residuals, found = self.decode_plane(p, pixels, states)
                if self.repeats:
                    self.repeats.learn(p, pixels, found)
                for (y, x), (_, focus, earlier), residual in zip(pixels, states, residuals, strict=True):
                    earlier.append(residual)
                    self.sample[p][y, x] = focus[p][0] + residual
            if self.repeats:
                self.repeats.remember(pixels)
            if len(self.context):
                self.learn(pixels, states)
        self.coder.end()
        out = np.array([[[s[y, x] for x in range(self.width)] for y in range(self.height)] for s in self.sample])
        return out if self.planes == 1 else np.stack([out[1] + out[0], out[0], out[2] + out[0]])

    def note(self, name: str, numbers: Iterable[int]) -> None:
        if self.record:
            self.record.add(name, numbers)

    def normalise(self, d: int, level: int) -> int:
        t = self.w.table
        i = min((min(abs(d), t["level_limit"][level]) * t["level_reciprocal"][level] + (1 << 17)) >> 18, 4096)
        return t["asinh"][i] if d >= 0 else -t["asinh"][i]

    def focus(self, p: int, y: int, x: int) -> tuple[int, int]:
        near = {o: self.sample[p].get((y + o[0], x + o[1])) for o in window(3, False)}
        return self.focus_of(near, 1 << (self.depth - 1) if p == 0 else 0)

    def focus_of(self, near: dict[tuple[int, int], int | None], fallback: int) -> tuple[int, int]:
        w, n, nw, ne, ww, nn = (near[o] for o in ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0)))
        if nw is not None:
            base = max(min(max(w, n), w + n - nw), min(w, n))
        elif w is not None:
            base = w
        elif n is not None:
            base = n
        else:
            base = fallback
        pairs = [(a, b) for a, b in ((w, nw), (n, nw), (ne, n), (w, ww), (n, nn)) if a is not None and b is not None]
        if not pairs:
            return base, min(20 + 4 * max(self.depth - 8, 0), 72)
        total = 2 + sum(abs(a - b) for a, b in pairs)
        return base, sum(threshold <= total * (60 // len(pairs)) for threshold in self.w.table["level_threshold"])

    def learn(self, pixels: list[tuple[int, int]], states: list) -> None:
        """Take the pixels of a wavefront into the context."""
        for (y, x), (_, focus, residuals) in zip(pixels, states, strict=True):
            known = [self.normalise(e, level) for e, (_, level) in zip(residuals, focus, strict=True)]
            told = self.w.layer("context.features", np.concatenate([self.first[y, x], known]).astype(np.int64))
            self.context += np.clip(told, 0, 127)
            self.known += 1
        if pixels:
            self.note("context sums", self.context)

    def told(self, place: int, stream: np.ndarray) -> np.ndarray:
        """The stream with the context added."""
        if not len(self.context):
            return stream
        finer = 2 << self.w.shape["context_places"]
        means = (finer * self.context + self.known) // (2 * self.known) if self.known else self.context
        means = np.minimum(means, 127)
        parts = np.clip(self.w.layer("context.out", means), -32767, 32767).reshape(-1, len(stream))
        return np.clip(stream + parts[place], -32767, 32767)

    def look(self, y: int, x: int) -> tuple[np.ndarray, list[tuple[int, int]], list[int]]:
        """Run the trunk for one pixel."""
        focus = [self.focus(p, y, x) for p in range(self.planes)]
        self.note("focus", (number for pair in focus for number in pair))
        inputs = []
        for dy, dx in window(3, False):
            for p, (base, level) in enumerate(focus):
                v = self.sample[p].get((y + dy, x + dx))
                inputs.append(0 if v is None else self.normalise(v - base, level))
        inputs += [2 * level - 24 for _, level in focus]
        middle = [1 << (self.depth - 1)] + [0] * (self.planes - 1)
        inputs += [((base - m) * 64) >> self.depth for (base, _), m in zip(focus, middle, strict=True)]
        px, py = (16 if v % 2 else -16 for v in (x, y))
        inputs += [px, py, px * py // 16]
        for k in range(self.w.shape["references"]):
            inputs += self.look_at_reference(k, y, x, *focus[0])
        self.first[y, x] = np.clip(self.w.layer("input", np.array(inputs)), 0, 127)
        self.note("input", self.first[y, x])
        stream = np.clip(self.w.layer("input2", self.first[y, x]), -32767, 32767)
        stream = self.told(0, stream)
        self.note("input2", stream)
        taps = window(self.w.shape["rows"], True)
        for b, gates in enumerate(self.gates):
            narrow = np.clip((stream + 8) >> 4, -127, 127)
            gates[y, x] = np.clip(self.w.layer(f"blocks.{b}.gate", narrow), -127, 127)
            value = np.clip(self.w.layer(f"blocks.{b}.value", narrow), -127, 127)
            zero = np.zeros_like(value)
            near = np.stack([gates.get((y + dy, x + dx), zero) for dy, dx in taps])
            gate = np.clip(self.w.depthwise(f"blocks.{b}.depthwise", near), -127, 127)
            product = np.clip((gate * value + 8) >> 4, -127, 127)
            stream = np.clip(stream + self.w.layer(f"blocks.{b}.out", product), -32767, 32767)
            for part, numbers in (("gate", gates[y, x]), ("value", value), ("gated", product), ("out", stream)):
                self.note(f"blocks.{b}.{part}", numbers)
            hidden = np.clip(self.w.layer(f"blocks.{b}.up", np.clip((stream + 8) >> 4, -127, 127)), 0, 127)
            stream = np.clip(stream + self.w.layer(f"blocks.{b}.down", hidden), -32767, 32767)
            stream = self.told(b + 1, stream)
            self.note(f"blocks.{b}.up", hidden)
            self.note(f"blocks.{b}.down", stream)
        return np.clip((stream + 8) >> 4, -127, 127), focus, []

    def look_at_reference(self, k: int, y: int, x: int, base: int, level: int) -> list[int]:
        around = range(-2 + k, 3 - k)
        if k >= len(self.references):
            return [0] * (len(around) ** 2 + 3)
        plane = self.references[k]

        def at(dy: int, dx: int) -> int:
            return plane[clamp(y + dy, 0, self.height - 1)][clamp(x + dx, 0, self.width - 1)]

        def is_inside(dy: int, dx: int) -> bool:
            return y + dy >= 0 and 0 <= x + dx < self.width

        near = {o: at(*o) if is_inside(*o) else None for o in window(3, False)}
        own_base, own_level = self.focus_of(near, 1 << (self.depth - 1))
        found = [self.normalise(at(dy, dx) - own_base, level) for dy in around for dx in around]
        return [*found, self.normalise(own_base - base, level), clamp(4 * (own_level - level), -127, 127), 16]

    def mixture(self, p: int, y: int, x: int, state: tuple) -> "Mixture":
        trunk, focus, earlier = state
        known = [self.normalise(e, focus[level][1]) for q, e in enumerate(earlier) for level in (q, p)]
        hidden = np.clip(self.w.layer(f"heads.{p}.hidden", np.concatenate([trunk, known]).astype(np.int64)), 0, 127)
        out = np.clip(self.w.layer(f"heads.{p}.out", hidden), -32767, 32767)
        self.note(f"heads.{p}.hidden", hidden)
        self.note(f"heads.{p}.out", out)
        groups = [[int(v) for v in group] for group in out.reshape(3 + p, self.k)]
        low = (-self.sample[0][y, x] if p else 0) - focus[p][0]
        shifts = [e - 64 * v + 32 for v, e in enumerate(self.edges[p])] if self.edges else [0]
        return Mixture(self.w.table, groups, focus[p][1], earlier, low, low + (1 << self.depth) - 1, shifts)

    def decode_plane(self, p: int, pixels: list[tuple[int, int]], states: list) -> tuple[list[int], list["Mixture"]]:
        found = [self.mixture(p, y, x, state) for (y, x), state in zip(pixels, states, strict=True)]
        for m, at in zip(found, pixels, strict=True):
            if self.repeats:
                self.repeats.join(p, at, m)
            m.place_window()
        for m in found:
            masses = [m.mass(m.start, m.exponent, k) >> 6 for k in range(23)]
            m.bucket = self.coder.decode([0, *masses, 1 << 24]) - 1
            if self.repeats:
                m.column = self.coder.width
            m.low_end = m.start + (m.bucket << m.exponent)
            m.left = 0 if m.bucket in (-1, 22) else m.exponent
        while any(m.left for m in found):
            rounds = [(m, m.left, m.left > m.plain) for m in found if m.left]
            for m, e, modelled in sorted(rounds, key=lambda r: not r[2]):
                b = min(e, 3 if modelled else 4)
                m.left = e - b
                if modelled:
                    mass = [m.mass(m.low_end, m.left, min(k, 1 << b)) for k in range(9)]
                    total = mass[-1] - mass[0]
                    share = [
                        ((v - mass[0]) << 24) // total if total else min(k, 1 << b) << (24 - b)
                        for k, v in enumerate(mass)
                    ]
                else:
                    share = [min(k, 1 << b) << (24 - b) for k in range(17)]
                m.low_end += self.coder.decode(share) << m.left
        for m in found:
            if m.bucket in (-1, 22):
                d = self.escape(m.exponent)
                m.low_end = m.start - 1 - d if m.bucket < 0 else m.start + (22 << m.exponent) + d
        assert all(m.low <= m.low_end <= m.high for m in found)
        return [m.low_end for m in found], found

    def escape(self, exponent: int) -> int:
        def bits(count: int) -> int:
            value = 0
            for _ in range(count):
                value = 2 * value + self.coder.decode([0, 1 << 23, 1 << 24])
            return value

        size = 0
        while bits(1):
            size += 1
        count = 1 << size | bits(size)
        return (count - 1) << exponent | bits(exponent)


class Mixture:
    def __init__(
        self, table: dict, groups: list, level: int, earlier: list[int], low: int, high: int, shifts: list[int]
    ) -> None:
        self.table, self.low, self.high = table, low, high
        self.shifts = shifts if any(shifts) else []
        logits, means, spreads, *follow = groups
        scale = table["level_scale"][level]
        self.mean = []
        for i, m in enumerate(means):
            centre = m * scale + sum(c[i] * 64 * clamp(e, -scale, scale) for c, e in zip(follow, earlier, strict=True))
            self.mean.append(clamp((centre + 128) >> 8, -(1 << 24), 1 << 24))
        self.spread = [clamp(r + 4 * level + 32, 0, 336) for r in spreads]
        masses = [table["exp"][min(max(logits) - a, 416)] for a in logits]
        running = [sum(masses[: i + 1]) * 4096 // sum(masses) for i in range(len(masses))]
        self.weight = [v - u for u, v in zip([0, *running], running, strict=False)]
        self.bucket = self.low_end = self.left = self.column = 0

    def centre(self) -> int:
        return sum(w * u for w, u in zip(self.weight, self.mean, strict=True)) >> 12

    def place_window(self) -> None:
        table, low, high = self.table, self.low, self.high
        big = [i for i, w in enumerate(self.weight) if w >= 128]
        c = self.centre()
        reach = max(abs(self.mean[i] - c) + 6 * table["spread"][self.spread[i]] for i in big)
        self.exponent = next((e for e in range(17) if 704 << e >= reach), 17)
        start = ((c + 32) >> 6) - (11 << self.exponent)
        self.start = max(min(start, high + 1 - (22 << self.exponent)), low)
        self.plain = 0 if self.shifts else max(0, (min(self.spread[i] for i in big) >> 4) - 7)

    def mass(self, start: int, e: int, k: int) -> int:
        return self.mass_of(list(zip(self.weight, self.mean, self.spread, strict=True)), 1 << 30, start, e, k)

    def mass_of(self, components: list[tuple[int, int, int]], whole: int, start: int, e: int, k: int) -> int:
        edge = start + (k << e)
        if edge <= self.low:
            return 0
        if edge > self.high:
            return whole
        total, d = 0, self.shifts[edge - self.low] if self.shifts else 0
        for w, u, t in components:
            inverse = self.table["spread_inverse"][max(t, 16 * e)]
            a = clamp(((64 * start - 32 - u) * inverse) >> 10, -(1 << 28), 1 << 28)
            step = (inverse * 64 << e) >> 10
            place = a + 512 + 4096 * 1024 + k * step + (d * step >> 6 + e)
            total += w * self.table["sigmoid"][clamp(place >> 10, 0, 8192)]
        return total


NEIGHBOURS = [
    *((-1, -2), (-1, -1), (-1, 0), (-1, 1), (0, -2), (0, -1), (-2, 0), (-2, 1)),
    *((-2, -2), (-2, -1), (-2, 2), (-2, 3), (-3, 0), (-3, 1), (-1, -3), (0, -3)),
]
Place = tuple[int, int]


class Repeats:
    """Far repetition: places that are like the pixels of a wavefront, and what was learned of them."""

    def __init__(self, tile: Tile) -> None:
        self.tile, self.finer = tile, max(tile.depth - 8, 0)
        self.bytes: dict[int, list[int]] = {}
        self.kept: dict[Place, list[tuple[int, int]]] = {}
        self.latest: dict[int, list[int]] = {}
        self.errors: list[dict[int, int]] = [{} for _ in range(tile.planes)]
        self.expected: dict[Place, list[int]] = {}
        self.bin: dict[Place, int] = {}
        self.habit: dict[Place, int] = {}
        self.centre: dict[Place, int] = {}
        self.scale: dict[Place, int] = {}
        self.learned: dict[tuple[int, int, int], list[int]] = {}

    def has_neighbourhood(self, y: int, x: int) -> bool:
        return y >= 3 and 3 <= x < self.tile.width - 3

    def slot(self, at: Place) -> int:
        return (at[1] + 2 * at[0]) * self.tile.height + at[0]

    def neighbourhood(self, y: int, x: int) -> list[int]:
        near = [self.tile.sample[0][y + dy, x + dx] >> self.finer for dy, dx in NEIGHBOURS]
        middle = (near[NEIGHBOURS.index((0, -1))] + near[NEIGHBOURS.index((-1, 0))]) >> 1
        found = [clamp(v - middle, -128, 127) + 128 for v in near]
        return [*found[:8], *(f >> 1 for f in found[8:])]

    def hash(self, at: Place) -> int:
        masks = (0, 0xE0, 0xF0, 0xF0, 0xF0, 0xF0, 0xE0, 0)
        near = self.bytes[self.slot(at)][:8]
        word = sum(((f + 8) % 256 & mask) << 8 * k for k, (f, mask) in enumerate(zip(near, masks, strict=True)))
        return word * 0x9E3779B97F4A7C15 % (1 << 64) >> 51

    def search(self, pixels: list[Place]) -> None:
        inner = [at for at in pixels if self.has_neighbourhood(*at)]
        self.kept.update((at, []) for at in pixels)
        self.habit.update((at, 0) for at in pixels)
        self.bytes.update((self.slot(at), self.neighbourhood(*at)) for at in inner)
        for y, x in inner:
            slot, distances = self.slot((y, x)), []
            for dy, dx in ((0, -1), (-1, 0), (-1, 1)):
                told = [distance for _, distance in self.kept[y + dy, x + dx]]
                distances += told + [self.tile.height] * (4 - len(told))
            latest = [0, 0, *self.latest.get(self.hash((y, x)), [])]
            distances += [slot - latest[-1], slot - latest[-2]]
            costs = [(self.cost(slot, slot - distance), distance) for distance in set(distances)]
            self.kept[y, x] = sorted(found for found in costs if found[0] <= 511)[:4]
            self.expected[y, x] = self.expect(slot, self.kept[y, x])

    def cost(self, slot: int, earlier: int) -> int:
        pairs = zip(self.bytes[slot], self.bytes.get(earlier, [0] * 16), strict=True)
        return sum(abs(a - b) for a, b in pairs)

    def expect(self, slot: int, kept: list[tuple[int, int]]) -> list[int]:
        weights = [(1 << 12) // (4 + cost - (3 * kept[0][0] >> 2)) for cost, _ in kept]
        votes = [(q << 12) // sum(weights) for q in weights]
        errors = [[plane.get(slot - distance, 0) for _, distance in kept] for plane in self.errors]
        return [sum(q * e for q, e in zip(votes, each, strict=True)) >> 12 for each in errors]

    def remember(self, pixels: list[Place]) -> None:
        for at in pixels:
            if self.has_neighbourhood(*at):
                self.latest.setdefault(self.hash(at), []).append(self.slot(at))

    def join(self, p: int, at: Place, m: "Mixture") -> None:
        self.centre[at] = m.centre()
        self.scale[at] = sum(w * m.table["spread"][t] for w, t in zip(m.weight, m.spread, strict=True)) >> 12
        if not self.kept[at]:
            return
        if p == 0:
            unit = (self.scale[at] >> self.finer) + 8
            self.bin[at] = sum(4 * (self.kept[at][0][0] + 8) >= unit << k for k in range(5))
        share, deviation = self.learned.setdefault((p, self.bin[at], self.habit[at]), [31457, 4096])
        weight, scale = share >> 8, deviation * self.scale[at] * 179
        octave = scale.bit_length() - 1
        running = [sum(m.weight[: j + 1]) * (4096 - weight) >> 12 for j in range(len(m.weight))]
        m.weight = [*(v - u for u, v in zip([0, *running], running, strict=False)), weight]
        m.mean.append(clamp(self.centre[at] + self.expected[at][p], -(1 << 24), 1 << 24))
        m.spread.append(clamp(16 * (octave - 22) + (16 * scale >> octave) - 16, 8, 336) if scale else 8)

    def learn(self, p: int, pixels: list[Place], found: list["Mixture"]) -> None:
        for at, m in zip(pixels, found, strict=True):
            error = 64 * m.low_end - self.centre[at]
            self.errors[p][self.slot(at)] = clamp(error, -(1 << 18), 1 << 18)
            if not self.kept[at]:
                continue
            ours, theirs = abs(64 * m.low_end - m.mean[-1]), abs(error)
            alone = [(1, m.mean[-1], m.spread[-1])]
            below = 0 if m.bucket < 0 else m.mass_of(alone, 1 << 18, m.start, m.exponent, m.bucket)
            above = 1 << 18 if m.bucket == 22 else m.mass_of(alone, 1 << 18, m.start, m.exponent, m.bucket + 1)
            g = min((m.weight[-1] * (above - below) >> 6 << 12) // m.column, 1 << 12)
            d = (min(ours, 16 * self.scale[at]) << 12) // self.scale[at]
            learned = self.learned[p, self.bin[at], self.habit[at]]
            learned[1] += g * (d - learned[1]) >> 17
            learned[0] = clamp(learned[0] + (((g << 8) - learned[0]) >> 6), 1049, 1027604)
            self.habit[at] = 1 if 2 * ours < theirs else 2 if ours < theirs else 3


class Fields:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self) -> int:
        value = shift = 0
        while True:
            (byte,) = self.take(1)
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def signed(self) -> int:
        value = self.varint()
        return -(value + 1) // 2 if value % 2 else value // 2


LZMA = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 23}]
TYPES = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]


class Part:
    def __init__(self, channels: int, coding: int, depth: int, digest: bytes, offset: int, table: bytes) -> None:
        self.channels, self.coding, self.depth, self.digest, self.offset = channels, coding, depth, digest, offset
        self.table: list[int] = []
        self.colours, self.cells, self.whole, self.repeats = 0, b"", 0, False
        self.references: list[tuple[int, int, int, int]] = []
        if table:
            planes = zlib.decompress(table)
            n, value = len(planes) // 8, 0
            for i in range(n):
                z = int.from_bytes(planes[i::n], "little")
                value += -(z + 1) // 2 if z & 1 else z // 2
                self.table.append(value)

    def edges(self) -> list[list[int]] | None:
        return read_edges(self.cells, self.channels, 1 << self.depth) if self.cells else None

    def to_ordered(self, value: int) -> int:
        return self.table[value] if self.table else value + self.offset


class Frame:
    def __init__(self, width: int, height: int, kind: str, side: int, order: list[int], parts: list[Part]) -> None:
        self.width, self.height, self.kind, self.side, self.parts = width, height, kind, side, parts
        self.bits = 8 * int(kind[1:])
        channels = sum(p.channels for p in parts)
        self.order = order or list(range(channels))
        self.samples = np.zeros((height, width, channels), f"u{kind[1:]}")
        self.values = np.zeros((height, width, channels), object)

    def to_pattern(self, ordered: int) -> int:
        """The bits of a sample in memory, as an unsigned number."""
        top = 1 << (self.bits - 1)
        if self.kind[0] == "u":
            return ordered
        if self.kind[0] == "i" or ordered & top:
            return ordered ^ top
        return ordered ^ (2 * top - 1)

    def place(self, part: Part, first: int, y: int, x: int, values: np.ndarray) -> None:
        for (dy, dx, c), value in np.ndenumerate(values):
            at = y + dy, x + dx, self.order[first + c]
            self.values[at] = int(value)
            if part.whole:
                number = np.array(int(value) + part.offset).astype(self.kind)
                self.samples[at] = number.view(self.samples.dtype)
            else:
                self.samples[at] = self.to_pattern(part.to_ordered(int(value)))


def parse_frame(payload: bytes) -> Frame:
    fields = Fields(payload)
    width, height, kind, side, num_parts = (fields.varint() for _ in range(5))
    numbers, order = Fields(fields.take(fields.varint())), []
    while numbers.at < len(numbers.data):
        order.append(numbers.varint())
    parts = []
    for _ in range(num_parts):
        channels, coding, depth = (fields.varint() for _ in range(3))
        digest = fields.take(8) if coding in (1, 3) else b""
        whole = fields.varint() if TYPES[kind][0] == "f" else 0
        offset = fields.signed() if whole else fields.varint()
        parts.append(Part(channels, coding, depth, digest, offset, fields.take(fields.varint())))
        parts[-1].whole = whole
        parts[-1].colours = fields.varint() if coding == 3 else 0
        parts[-1].cells = fields.take(fields.varint()) if digest else b""
        parts[-1].repeats = bool(fields.varint()) if digest else False
        if digest and channels == 1:
            for _ in range(fields.varint()):
                parts[-1].references.append((fields.varint(), fields.varint(), fields.signed(), fields.signed()))
    return Frame(width, height, TYPES[kind], side, order, parts)


def unpack(mode: int, data: bytes) -> bytes:
    if mode == 1:
        return zlib.decompress(data)
    return lzma.decompress(data, lzma.FORMAT_RAW, None, LZMA) if mode in (2, 3, 6, 7) else data


def from_vp8l(data: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    """Read lossless WebP: a bare bitstream becomes a file of one chunk."""
    chunk = b"VP8L" + len(data).to_bytes(4, "little") + data + b"\0" * (len(data) % 2)
    file = b"RIFF" + (len(chunk) + 4).to_bytes(4, "little") + b"WEBP" + chunk
    argb = np.asarray(Image.open(io.BytesIO(file)).convert("RGBA"))
    assert argb.shape[:2] == shape[:2]
    return argb[..., {1: [1], 2: [1, 3], 3: [0, 1, 2], 4: [0, 1, 2, 3]}[shape[2]]]


def from_planes(data: bytes, shape: tuple[int, int, int], mode: int) -> np.ndarray:
    h, w, c = shape
    size = len(data) // (h * w * c)
    values = np.zeros(shape, object)
    for i, at in enumerate(np.ndindex(shape)):
        values[at] = int.from_bytes(data[i :: h * w * c], "big")
    for y, x, k in np.ndindex(shape):
        if mode in (3, 7) and x:
            values[y, x, k] = (values[y, x, k] + values[y, x - 1, k]) % (1 << 8 * size)
    for y, x, k in np.ndindex(shape):
        if mode in (6, 7) and y:
            values[y, x, k] = (values[y, x, k] + values[y - 1, x, k]) % (1 << 8 * size)
    return values


def from_luma_chroma(weights: Weights, size: tuple[int, int], part: Part, data: bytes) -> np.ndarray:
    fields = Fields(data)
    exceptions = Fields(fields.take(fields.varint()))
    words = fields.data[fields.at :]
    tile = Tile(weights, *size, part.depth, words, edges=part.edges(), repeats=part.repeats)
    values = tile.decode().transpose(1, 2, 0)
    for y, x in np.ndindex(size):
        luma = int(values[y, x, 1])
        values[y, x] = to_rgb(part.colours, luma, int(values[y, x, 2]) - luma, int(values[y, x, 0]) - luma)
    place = -1
    while exceptions.at < len(exceptions.data):
        place += exceptions.varint() + 1
        values[divmod(place, size[1])] = list(exceptions.take(3))
    return values


ROUNDED = {  # s, o, a, b, d, e, f
    1: (16, 0, 65536, 91881, -22554, -46802, 116130),
    4: (8, 0, 256, 359, -88, -183, 454),
    13: (13, 16, 9539, 13075, -3209, -6660, 16525),
    14: (13, 0, 8192, 12901, -1534, -3835, 15201),
    15: (13, 16, 9539, 14686, -1747, -4366, 17305),
}
LIBYUV = {  # o, a, b, d, e, f
    5: (32, 16320, 90, -22, -46, 113),
    6: (-1160, 18997, 102, -25, -52, 128),
    7: (32, 16320, 101, -12, -30, 119),
    8: (-1160, 18997, 115, -14, -34, 128),
}
SWSCALE = {  # o, a, b, d, e, f
    9: (0, 8192, 11485, -2819, -5850, 14516),
    10: (16, 9539, 13075, -3209, -6660, 16525),
    11: (0, 8192, 12901, -1534, -3835, 15201),
    12: (16, 9539, 14686, -1747, -4366, 17305),
}


def to_rgb(colours: int, y: int, u: int, v: int) -> list[int]:
    if colours in ROUNDED:
        s, o, a, b, d, e, f = ROUNDED[colours]
        luma = a * (y - o) + 2 ** (s - 1)
        rgb = [luma + b * v >> s, luma + d * u + e * v >> s, luma + f * u >> s]
    elif colours in LIBYUV:
        o, a, b, d, e, f = LIBYUV[colours]
        luma = 257 * a * y // 65536 + o
        rgb = [(luma + b * v) // 64, (luma + d * u + e * v) // 64, (luma + f * u) // 64]
    elif colours in SWSCALE:
        o, a, b, d, e, f = SWSCALE[colours]
        luma = a * (y - o) // 8192
        rgb = [luma + b * v // 8192, luma + d * u // 8192 + e * v // 8192, luma + f * u // 8192]
    elif colours == 2:
        blue, red = 22179 * u // 10000, 18215 * v // 10000
        green = 13584 * y - 1940 * blue - 5090 * red
        rgb = [(13584 * y + 18215 * v) // 10000, green // 10000, (13584 * y + 22179 * u) // 10000]
    else:
        a, b, c = 19077 * y >> 8, u + 128, v + 128
        green = a - (6419 * b >> 8) - (13320 * c >> 8) + 8708
        rgb = [a + (26149 * c >> 8) - 14234 >> 6, green >> 6, a + (33050 * b >> 8) - 17685 >> 6]
    return [clamp(value, 0, 255) for value in rgb]


def decode(data: bytes, weights_folder: Path) -> list[np.ndarray]:
    """Decode .hpac bytes to the frames' samples, (H, W, C) each, as unsigned bit patterns; a file kept whole has none."""
    paths = sorted(path for path in weights_folder.glob("*.safetensors") if path.name != "tables.safetensors")
    known = {w.digest(): w for w in map(Weights.read, paths)}
    file = Fields(data)
    assert file.take(9) == b"\x89HPAC\r\n\x1a\n"
    assert file.take(2) == b"\x01\x00"
    tiles: list[bytes] = []
    frames: list[Frame] = []
    end, source_kind, whole = b"", 0, b""
    members: list[tuple[int, int]] = []
    while file.at < len(data):
        begin = file.at
        kind, length = file.take(1), file.varint()
        payload = file.take(length)
        assert zlib.crc32(data[begin : file.at]) == int.from_bytes(file.take(4), "little")
        if kind == b"H":
            source_kind = Fields(payload).varint()
        elif kind == b"S":
            members = parse_members(Fields(unpack((4, 1, 2)[payload[0]], payload[1:])))
        elif kind == b"A":
            adapted = merge(known[payload[:8]], payload[8:])
            known[adapted.digest()] = adapted
        elif kind == b"F":
            frames.append(parse_frame(payload))
        elif kind == b"T":
            tiles.append(payload)
        elif kind == b"P":
            fields = Fields(payload)
            assert fields.varint() == len(whole)
            size, packing = fields.varint(), fields.varint()
            whole += unpack((4, 1, 2)[packing], payload[fields.at :])[:size]
        elif kind == b"E":
            end = payload
    if members:
        return decode_series(members, frames, iter(tiles), whole, end, known)
    if not frames:
        digest = end[16 if len(end) == 48 else 8 :]
        assert hashlib.sha256(whole).digest()[: len(digest)] == digest
    stream = iter(tiles)
    for number in range(len(frames)):
        decode_frame(frames[: number + 1], stream, known)
    assert next(stream, None) is None
    is_file = source_kind not in (0, 1, 5)
    size = {16: 8, 48: 16}[len(end)] if is_file else {8: 8, 16: 16}[len(end)]
    assert hashlib.sha256(b"".join(frame.samples.tobytes() for frame in frames)).digest()[:size] == end[:size]
    return [frame.samples for frame in frames]


def parse_members(fields: Fields) -> list[tuple[int, int]]:
    """Num_Frames and Size of each member."""
    count = fields.varint()
    names = [fields.take(fields.varint()) for _ in range(count)]
    assert len(set(names)) == count
    kinds, fidelities, num_frames, sizes = ([fields.varint() for _ in range(count)] for _ in range(4))
    assert set(kinds) <= {2, 3, 4, 6, 7, 8, 9}
    assert max(fidelities) < 128
    assert fields.at == len(fields.data)
    return list(zip(num_frames, sizes, strict=True))


def decode_series(
    members: list[tuple[int, int]],
    frames: list[Frame],
    stream: Iterator[bytes],
    whole: bytes,
    end: bytes,
    known: dict[bytes, Weights],
) -> list[np.ndarray]:
    for number in range(len(frames)):
        decode_frame(frames[: number + 1], stream, known)
    assert next(stream, None) is None
    assert sum(count for count, _ in members) == len(frames)
    lengths, first, at = [], 0, 0
    for count, size in members:
        size += sum(frame.samples.nbytes for frame in frames[first : first + count])
        lengths.append(8 if size < 4096 else 32)
        first += count
    of_samples = len(end) - sum(lengths)
    assert of_samples in (8, 16)
    assert hashlib.sha256(b"".join(frame.samples.tobytes() for frame in frames)).digest().startswith(end[:of_samples])
    hashes = Fields(end[of_samples:])
    for (count, size), length in zip(members, lengths, strict=True):
        digest = hashes.take(length)
        if not count:
            assert hashlib.sha256(whole[at : at + size]).digest().startswith(digest)
            at += size
    assert at == len(whole)
    return [frame.samples for frame in frames]


def tell(frames: list[Frame], part: Part, y: int, x: int, h: int, w: int, orientation: int) -> list[np.ndarray]:
    """Values of a part's references in a tile of the last frame, turned as the tile is."""
    told = []
    for back, channel, gain, offset in part.references:
        plane = frames[-1 - back].values[y : y + h, x : x + w, channel]
        moved = (plane * gain + (offset << 12) + (1 << 11)) >> 12
        plane = np.clip(moved, 0, (1 << part.depth) - 1).astype(np.int64)
        plane = plane.T if orientation & 4 else plane
        plane = plane[::-1] if orientation & 1 else plane
        told.append(plane[:, ::-1] if orientation & 2 else plane)
    return told


def decode_frame(frames: list[Frame], stream: Iterator[bytes], known: dict[bytes, Weights]) -> None:
    frame = frames[-1]
    side = frame.side
    for y in range(0, frame.height, side):
        for x in range(0, frame.width, side):
            h, w, first = min(side, frame.height - y), min(side, frame.width - x), 0
            for part in frame.parts:
                orientation = 0
                if part.coding == 0:
                    values = np.zeros((h, w, part.channels), int)
                else:
                    chunk = Fields(next(stream))
                    _, (orientation, mode) = chunk.varint(), divmod(chunk.varint(), 16)
                    rest = chunk.data[chunk.at :]
                    size = (w, h) if orientation & 4 else (h, w)
                    if mode == 0:
                        edges = part.edges() if part.coding == 1 else None
                        told = tell(frames, part, y, x, h, w, orientation)
                        options = {"edges": edges, "references": told, "repeats": part.repeats}
                        decoded = Tile(known[part.digest], *size, part.depth, rest, **options).decode()
                        values = decoded.transpose(1, 2, 0)
                    elif mode == 8:
                        values = from_luma_chroma(known[part.digest], size, part, rest)
                    elif mode == 5:
                        values = from_vp8l(rest, (h, w, part.channels))
                    else:
                        values = from_planes(unpack(mode, rest), (h, w, part.channels), mode)
                if orientation & 1:
                    values = values[::-1]
                if orientation & 2:
                    values = values[:, ::-1]
                if orientation & 4:
                    values = values.swapaxes(0, 1)
                frame.place(part, first, y, x, values)
                first += part.channels
