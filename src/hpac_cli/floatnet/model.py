"""The float twin of the integer network: what is trained, with quantisation in the loop.

HPAC: point-wise input layers, blocks of content-aware convolutional gating with point-wise
feed-forward parts, and one small head per plane that ends in a mixture of logistics.
Every activation is clamped (and, with quantisation on, rounded) to the grid of the integer
network, so that exporting changes next to nothing. Layout is channels last: (B, H, W, C).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpac_cli.intnet.context import wavefronts
from hpac_cli.intnet.focus import features, find_focus, normalise
from hpac_cli.intnet.planes import lowest_sample
from hpac_cli.intnet.tables import LOGIT_Q, MEAN_Q, NUM_SPREADS, SPREAD_Q, make_tables
from hpac_cli.intnet.weights import Shape
from hpac_cli.intnet.window import WINDOW, causal_offsets, num_features

ACTIVATION_Q = 4
"""int8 activations count in 1/16: they reach +-7.9."""
STREAM_Q = 8
"""The int16 residual stream counts in 1/256."""
WEIGHT_Q_MIN, WEIGHT_Q_MAX = 4, 12
PROBABILITY_FLOOR = 2.0**-22


class _Quantise(torch.autograd.Function):
    """Round half up to multiples of 1/scale and clamp; the gradient passes where not clamped."""

    @staticmethod
    def forward(ctx, x: Tensor, scale: float, low: int, high: int) -> Tensor:  # type: ignore[no-untyped-def]
        y = (x.float() * scale + 0.5).floor_()
        ctx.save_for_backward((y >= low) & (y <= high))
        return y.clamp_(low, high).mul_(1 / scale).to(x.dtype)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[no-untyped-def]
        (inside,) = ctx.saved_tensors
        return grad * inside, None, None, None


def round_to(x: Tensor, places: int, low: int, high: int) -> Tensor:
    """Round to multiples of 2**-places, at least low and at most high of them, straight-through."""
    rounded: Tensor = _Quantise.apply(x, float(1 << places), low, high)  # type: ignore[no-untyped-call]
    return rounded


def weight_exponents(weight: Tensor) -> Tensor:
    """Choose the power of two per output channel (dim 0) that fills int8: weights count in 2**-e."""
    largest = weight.detach().abs().flatten(1).amax(1).clamp(min=1e-9)
    return torch.floor(torch.log2(127 / largest)).clamp(WEIGHT_Q_MIN, WEIGHT_Q_MAX)


def round_weight(weight: Tensor) -> Tensor:
    """Round weights to their int8 grid, straight-through."""
    exponent = weight_exponents(weight).view(-1, *[1] * (weight.dim() - 1))
    limit = 127 * torch.exp2(-exponent)
    inside = torch.maximum(torch.minimum(weight, limit), -limit)
    rounded = torch.floor(inside.detach() * torch.exp2(exponent) + 0.5) * torch.exp2(-exponent)
    return inside + (rounded - inside.detach())


class Layer(nn.Module):
    """A point-wise linear layer with int8 weights."""

    def __init__(self, inputs: int, outputs: int, *, zero: bool = False) -> None:
        super().__init__()
        bound = 0.0 if zero else (3 / inputs) ** 0.5
        self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, quantise: bool) -> Tensor:
        return F.linear(x, round_weight(self.weight) if quantise else self.weight, self.bias)


class CausalDepthwise(nn.Module):
    """Masked depth-wise convolution, `rows` up, slope 2, own position included."""

    place: Tensor

    def __init__(self, channels: int, rows: int) -> None:
        super().__init__()
        self.rows = rows
        taps = causal_offsets(rows, rows, centre=True)
        self.weight = nn.Parameter(torch.randn(channels, len(taps)) / len(taps) ** 0.5)
        self.bias = nn.Parameter(torch.ones(channels))
        self.register_buffer(
            "place", torch.tensor([(dy + rows) * (2 * rows + 1) + dx + rows for dy, dx in taps]), persistent=False
        )

    def forward(self, x: Tensor, quantise: bool) -> Tensor:
        """(B, H, W, C) to the same shape; float32 inside, where the CPU's kernel is fastest."""
        weight = round_weight(self.weight) if quantise else self.weight
        r, channels = self.rows, weight.shape[0]
        kernel = weight.new_zeros(channels, (r + 1) * (2 * r + 1)).index_copy(1, self.place, weight)
        with torch.autocast(x.device.type, enabled=False):
            padded = F.pad(x.float(), (0, 0, r, r, r, 0)).permute(0, 3, 1, 2)
            y = F.conv2d(padded, kernel.view(channels, 1, r + 1, 2 * r + 1), self.bias, groups=channels)
        return y.permute(0, 2, 3, 1).to(x.dtype)


class Block(nn.Module):
    """Content-aware convolutional gating, then a point-wise feed-forward part; both residual."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        c = shape.width
        self.gate, self.value, self.out = Layer(c, c), Layer(c, c), Layer(c, c, zero=True)
        self.depthwise = CausalDepthwise(c, shape.rows)
        self.up, self.down = Layer(c, shape.expand * c), Layer(shape.expand * c, c, zero=True)

    def forward(self, stream: Tensor, quantise: bool) -> Tensor:
        x = activate(stream, quantise)
        gate, value = activate(self.gate(x, quantise), quantise), activate(self.value(x, quantise), quantise)
        gate = activate(self.depthwise(gate, quantise), quantise)
        stream = stream + self.out(activate(gate * value, quantise), quantise).to(stream.dtype)
        hidden = activate(self.up(activate(stream, quantise), quantise), quantise, low=0)
        after: Tensor = stream + self.down(hidden, quantise).to(stream.dtype)
        return after


def activate(x: Tensor, quantise: bool, low: int = -127, places: int = ACTIVATION_Q) -> Tensor:
    """Bring activations to int8's range (low = 0: ReLU), rounding only under quantisation."""
    if quantise:
        return round_to(x, places, low, 127)
    return F.hardtanh(x, low / (1 << places), 127 / (1 << places))


class Head(nn.Module):
    """Mixture parameters of plane `index` from the trunk and the pixel's earlier planes."""

    def __init__(self, shape: Shape, index: int) -> None:
        super().__init__()
        self.hidden = Layer(shape.width + 2 * index, shape.head)
        self.out = Layer(shape.head, shape.components * (3 + index))
        with torch.no_grad():
            self.out.weight.mul_(0.1)
            self.out.bias[shape.components : 2 * shape.components] = torch.linspace(-0.2, 0.2, shape.components)

    def forward(self, x: Tensor, quantise: bool) -> Tensor:
        parameters: Tensor = self.out(activate(self.hidden(x, quantise), quantise, low=0), quantise)
        return parameters


class Context(nn.Module):
    """What a tile is like so far: means of features over all earlier wavefronts, told to every block and the heads."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.places = ACTIVATION_Q + shape.context_places
        self.features = Layer(shape.width + shape.planes, shape.context)
        self.out = Layer(shape.context, (shape.blocks + 1) * shape.width, zero=True)

    def forward(self, x: Tensor, known: Tensor, quantise: bool) -> tuple[Tensor, ...]:
        """Compute what is added to the stream before each block and before the heads.

        Args:
            x: (B, H, W, C) activations of the first layer.
            known: (B, H, W, P) normalised residuals.

        Returns:
            (B, H, W, C) each.
        """
        features = activate(self.features(torch.cat([x, known], -1), quantise), quantise, low=0)
        means = activate(tile_means(features), quantise, low=0, places=self.places).to(x.dtype)
        parts: tuple[Tensor, ...] = self.out(means, quantise).chunk(self.out.weight.shape[0] // x.shape[-1], -1)
        return parts


def tile_means(features: Tensor) -> Tensor:
    """Means over all positions on earlier wavefronts: (B, H, W, E) to the same, float32."""
    batch, height, width, channels = features.shape
    at = wavefronts(height, width, features.device)
    length = width + 2 * (height - 1)
    with torch.autocast(features.device.type, enabled=False):
        sums = torch.zeros(batch, length + 1, channels, device=features.device)
        sums = sums.index_add(1, at + 1, features.float().flatten(1, 2)).cumsum(1)
        counts = torch.bincount(at + 1, minlength=length + 1).cumsum(0).clamp(min=1)
        return (sums / counts[:, None])[:, at].view(batch, height, width, channels)


class Hpac(nn.Module):
    """The network; forward gives code lengths."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.input, self.input2 = Layer(num_features(shape.planes), shape.width), Layer(shape.width, shape.width)
        self.context = Context(shape) if shape.context else None
        self.blocks = nn.ModuleList([Block(shape) for _ in range(shape.blocks)])
        self.heads = nn.ModuleList([Head(shape, index) for index in range(shape.planes)])
        self.table_names = []
        for name, table in make_tables().items():
            self.register_buffer(f"table_{name}", torch.from_numpy(table), persistent=False)
            self.table_names.append(name)

    def tables(self) -> dict[str, Tensor]:
        return {name: getattr(self, f"table_{name}") for name in self.table_names}

    def forward(self, planes: Tensor, bit_depth: int, quantise: bool) -> Tensor:
        """Compute code lengths in bits.

        Args:
            planes: (P, B, H, W) int32 samples of the coded planes.
            bit_depth: of the source samples.
            quantise: whether weights and activations are rounded to the integer grid.

        Returns:
            (P, B, H, W) float32.
        """
        tables = self.tables()
        near, valid = gather_window(planes)
        parity = tile_parity(planes.shape[-2], planes.shape[-1], planes.device)
        fallback = plane_fallback(planes, bit_depth)
        focus = find_focus(near, valid, fallback, bit_depth, tables)
        parity = parity[:, None].expand(3, *planes.shape[1:])
        inputs = features(near, valid, focus, parity, bit_depth, tables)
        residual = planes - focus.base
        unit = 1 / (1 << ACTIVATION_Q)
        with torch.autocast(planes.device.type, torch.bfloat16):
            x = inputs.movedim(0, -1).to(torch.bfloat16) * unit
            x = activate(self.input(x, quantise), quantise, low=0)
            stream = self.input2(x, quantise)
            if quantise:  # bfloat16 is coarser than the integer stream
                stream = stream.float()
            parts: tuple[Tensor, ...] = ()
            if self.context is not None:
                known = [normalise(residual[p], focus.level[p], tables) for p in range(self.shape.planes)]
                parts = self.context(x, torch.stack(known, -1).to(x.dtype) * unit, quantise)
            for index, block in enumerate(self.blocks):
                stream = block(stream + parts[index] if parts else stream, quantise)
            stream = stream + parts[-1] if parts else stream
            trunk = activate(stream, quantise).to(torch.bfloat16)
            outputs = []
            for index, head in enumerate(self.heads):
                extra = [normalise(residual[p], focus.level[q], tables) for p in range(index) for q in (p, index)]
                z = torch.cat([trunk, *[(e.to(trunk.dtype) * unit)[..., None] for e in extra]], -1)
                outputs.append(head(z, quantise))
        bits = [
            code_length(out.float(), planes, bit_depth, residual, focus.level[index], self.shape.components, quantise)
            for out, index in zip(outputs, range(self.shape.planes), strict=True)
        ]
        return torch.stack(bits)


def gather_window(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Shift whole tiles: (P, B, H, W) to neighbours (22, P, B, H, W) and validity (22, 1, 1, H, W)."""
    height, width = planes.shape[-2:]
    padded = F.pad(planes, (3, 3, 3, 0))
    inside = F.pad(torch.ones(1, 1, height, width, dtype=torch.bool, device=planes.device), (3, 3, 3, 0))
    near = [padded[..., 3 + dy : 3 + dy + height, 3 + dx : 3 + dx + width] for dy, dx in WINDOW]
    valid = [inside[..., 3 + dy : 3 + dy + height, 3 + dx : 3 + dx + width] for dy, dx in WINDOW]
    return torch.stack(near), torch.stack(valid)


def tile_parity(height: int, width: int, device: torch.device) -> Tensor:
    """(3, H, W) int32: +-16 by parity of x, of y, and their product."""
    x = (torch.arange(width, device=device, dtype=torch.int32) % 2 * 32 - 16).expand(height, width)
    y = (torch.arange(height, device=device, dtype=torch.int32) % 2 * 32 - 16)[:, None].expand(height, width)
    return torch.stack([x, y, x * y // 16])


def plane_fallback(planes: Tensor, bit_depth: int) -> Tensor:
    """Base of a tile's first sample: mid-grey, 0 for difference planes."""
    fallback = torch.zeros(planes.shape[0], *[1] * (planes.dim() - 1), dtype=torch.int32, device=planes.device)
    fallback[0] = 1 << (bit_depth - 1)
    return fallback


def code_length(
    out: Tensor, planes: Tensor, bit_depth: int, residual: Tensor, level: Tensor, components: int, quantise: bool
) -> Tensor:
    """Bits that a mixture of discretised logistics spends on each sample of one plane.

    Args:
        out: (..., K (3 + p)) float32 head outputs of plane p: logits, means in units of the local
            scale, log2 of the logistic scale relative to half of it, and how the mean follows
            each of the p earlier planes.
        planes, residual: (P, ...) int32 samples, and samples less their base.
        level: (...) int32 of plane p.

    Returns:
        (...) float32.
    """
    index = out.shape[-1] // components - 3
    logit, mean, spread, *follow = out.unflatten(-1, (3 + index, components)).unbind(-2)
    if quantise:
        logit = round_to(logit, LOGIT_Q, -32767, 32767)
        mean = round_to(mean, MEAN_Q, -32767, 32767)
        spread = round_to(spread, SPREAD_Q, -32767, 32767)
        follow = [round_to(f, MEAN_Q, -32767, 32767) for f in follow]
    log_scale = level.float()[..., None] / 4 - 1
    scale = torch.exp2(log_scale)
    centre = mean * scale
    for earlier, coefficient in enumerate(follow):
        e = residual[earlier].float()[..., None]
        centre = centre + coefficient * torch.maximum(torch.minimum(e, 64 * scale), -64 * scale)
    inverse = torch.exp2(-(log_scale - 1 + spread).clamp(-4, (NUM_SPREADS - 1) / 16 - 4))
    distance = residual[index].float()[..., None] - centre
    sign = torch.where(distance > 0, -1.0, 1.0)  # both edges on the side where the sigmoid is small
    lowest = lowest_sample(planes[0], index)
    at_low, at_high = planes[index] <= lowest, planes[index] >= lowest + (1 << bit_depth) - 1
    low = torch.where(at_low[..., None], -99.0, (distance - 0.5) * inverse)
    high = torch.where(at_high[..., None], 99.0, (distance + 0.5) * inverse)
    mass = (torch.sigmoid(sign * high) - torch.sigmoid(sign * low)).abs()
    probability = (mass * F.softmax(logit, -1)).sum(-1)
    return -torch.log2(probability * (1 - 2.0**-20) + PROBABILITY_FLOOR)
