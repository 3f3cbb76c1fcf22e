"""The float twin of the integer network: what is trained, with quantisation in the loop.

HPAC: point-wise input layers, blocks of content-aware convolutional gating with point-wise
feed-forward parts, and one small head per plane that ends in a mixture of logistics.
Every activation is clamped (and, with quantisation on, rounded) to the grid of the integer
network, so that exporting changes next to nothing. Layout is channels last: (B, H, W, C).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpac_cli.model.layers import ACTIVATION_Q, Layer, Role, find_layer
from hpac_cli.model.shape import Shape
from hpac_cli.model.tables import TABLE_LENGTHS, load_tables
from hpac_cli.model.window import NUM_REFERENCE_FEATURES, causal_offsets, reference_window

from .code_length import HeadOutput, code_length
from .context import tile_means
from .depthwise import convolve_causally
from .focus import Focus, features, find_focus, normalise, reference_features
from .inputs import References, gather_reference, gather_window, plane_fallback, tile_parity
from .planes import lowest_sample
from .quantise import Quantise, activate, round_weight


class PointWise(nn.Module):
    """A point-wise linear layer with int8 weights; its products and outputs are of `precision`."""

    def __init__(self, layer: Layer, *, zero: bool = False, precision: torch.dtype = torch.bfloat16) -> None:
        super().__init__()
        self.precision = precision
        bound = 0.0 if zero else (3 / layer.inputs) ** 0.5
        self.weight = nn.Parameter(torch.empty(layer.outputs, layer.inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(layer.outputs))

    def forward(self, x: Tensor, quantise: Quantise) -> Tensor:
        weight = round_weight(self.weight, quantise)
        return F.linear(*(part.to(self.precision) for part in (x, weight, self.bias)))


class CausalDepthwise(nn.Module):
    """Masked depth-wise convolution, `rows` up, slope 2, own position included."""

    def __init__(self, channels: int, rows: int) -> None:
        super().__init__()
        self.rows = rows
        taps = len(causal_offsets(rows, rows, centre=True))
        self.weight = nn.Parameter(torch.randn(channels, taps) / taps**0.5)
        self.bias = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor, quantise: Quantise) -> Tensor:
        """(B, H, W, C) to the same shape, float32."""
        return convolve_causally(x.float(), round_weight(self.weight, quantise), self.bias, self.rows)


class Block(nn.Module):
    """Content-aware convolutional gating, then a point-wise feed-forward part; both residual."""

    def __init__(self, shape: Shape, index: int) -> None:
        super().__init__()
        self.gate = PointWise(find_layer(shape, Role.GATE, index))
        self.value = PointWise(find_layer(shape, Role.VALUE, index))
        self.depthwise = CausalDepthwise(shape.width, shape.rows)
        self.out = PointWise(find_layer(shape, Role.OUT, index), zero=True)
        self.up = PointWise(find_layer(shape, Role.UP, index))
        self.down = PointWise(find_layer(shape, Role.DOWN, index), zero=True)

    def forward(self, stream: Tensor, quantise: Quantise) -> Tensor:
        x = activate(stream, quantise)
        gate, value = activate(self.gate(x, quantise), quantise), activate(self.value(x, quantise), quantise)
        gate = activate(self.depthwise(gate, quantise), quantise)
        stream = stream + self.out(activate(gate * value, quantise), quantise)
        hidden = activate(self.up(activate(stream, quantise), quantise), quantise, low=0)
        after: Tensor = stream + self.down(hidden, quantise)
        return after


class Head(nn.Module):
    """Mixture parameters of plane `index` from the trunk and the pixel's earlier planes."""

    def __init__(self, shape: Shape, index: int) -> None:
        super().__init__()
        self.hidden = PointWise(find_layer(shape, Role.HEAD_HIDDEN, index))
        self.out = PointWise(find_layer(shape, Role.HEAD_OUT, index), precision=torch.float32)
        with torch.no_grad():
            self.out.weight.mul_(0.1)
            self.out.bias[shape.components : 2 * shape.components] = torch.linspace(-0.2, 0.2, shape.components)

    def forward(self, x: Tensor, quantise: Quantise) -> Tensor:
        parameters: Tensor = self.out(activate(self.hidden(x, quantise), quantise, low=0), quantise)
        return parameters


class Context(nn.Module):
    """What a tile is like so far: means of features over all earlier wavefronts, told to every block and the heads."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        out = find_layer(shape, Role.CONTEXT_OUT)
        self.places = out.input_places
        self.features = PointWise(find_layer(shape, Role.CONTEXT_FEATURES))
        self.out = PointWise(out, zero=True)

    def forward(self, x: Tensor, known: Tensor, quantise: Quantise) -> tuple[Tensor, ...]:
        """Compute what is added to the stream before each block and before the heads.

        Args:
            x: (B, H, W, C) activations of the first layer.
            known: (B, H, W, P) normalised residuals.

        Returns:
            (B, H, W, C) each.
        """
        features = activate(self.features(torch.cat([x, known], -1), quantise), quantise, low=0)
        means = activate(tile_means(features), quantise, low=0, places=self.places)
        parts: tuple[Tensor, ...] = self.out(means, quantise).chunk(self.out.weight.shape[0] // x.shape[-1], -1)
        return parts


class Hpac(nn.Module):
    """The network; forward gives code lengths."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.input, self.input2 = (PointWise(find_layer(shape, role)) for role in (Role.INPUT, Role.INPUT2))
        self.context = Context(shape) if shape.context else None
        self.blocks = nn.ModuleList([Block(shape, index) for index in range(shape.blocks)])
        self.heads = nn.ModuleList([Head(shape, index) for index in range(shape.planes)])
        for name, table in load_tables().items():
            self.register_buffer(f"table_{name}", torch.tensor(table), persistent=False)

    def tables(self) -> dict[str, Tensor]:
        return {name: getattr(self, f"table_{name}") for name in TABLE_LENGTHS}

    def inputs(self, planes: Tensor, depth: Tensor, references: References | None = None) -> tuple[Tensor, Focus]:
        """Compute the integers that the network sees, exactly as docs/format.md has them.

        Args:
            planes, references: as for forward.
            depth: (B, 1, 1) int32 bit depths.

        Returns:
            (F, B, H, W) int32, -127 to 127, and the planes' focus.
        """
        tables = self.tables()
        near, valid = gather_window(planes)
        parity = tile_parity(planes.shape[-2], planes.shape[-1], planes.device)
        parity = parity[:, None].expand(3, *planes.shape[1:])
        fallback = plane_fallback(self.shape.planes, depth)
        focus = find_focus(near, valid, fallback, depth, tables)
        parts = [features(near, valid, fallback, focus, parity, depth, tables)]
        own = Focus(focus.base[0], focus.level[0])
        for k in range(self.shape.references):
            if references is None or k >= len(references.values):
                number = len(reference_window(k)) + NUM_REFERENCE_FEATURES
                parts.append(planes.new_zeros(number, *planes.shape[1:]))
                continue
            values = references.values[k]
            near, valid = gather_window(values[None])
            base, level = find_focus(near, valid, fallback[:1], depth, tables)
            window, present = gather_reference(k, values), references.present[k, :, None, None]
            parts.append(reference_features(window, present, Focus(base[0], level[0]), own, tables))
        return torch.cat(parts), focus

    def forward(
        self,
        planes: Tensor,
        bit_depth: int | Tensor,
        quantise: Quantise,
        shifts: Tensor | None = None,
        references: References | None = None,
    ) -> Tensor:
        """Compute code lengths in bits.

        Args:
            planes, bit_depth, quantise, references: as for predict.
            shifts: (P, 2**bit_depth + 1) of the edges of values' cells, as in code_length; tiles are then of one depth.

        Returns:
            (P, B, H, W) float32.
        """
        heads = self.predict(planes, bit_depth, quantise, references)
        of_planes = [None] * len(heads) if shifts is None else shifts
        said = zip(heads, planes, of_planes, strict=True)
        return torch.stack([code_length(head, samples, quantise, own) for head, samples, own in said])

    def predict(
        self, planes: Tensor, bit_depth: int | Tensor, quantise: Quantise, references: References | None = None
    ) -> list[HeadOutput]:
        """Compute what each head says of its plane, whose samples it does not see.

        Args:
            planes: (P, B, H, W) int32 samples of the coded planes.
            bit_depth: of the source samples; (B,) int32 where tiles differ.
            quantise: 1 where weights and activations are rounded to the integer grid, 0 where they are not.
            references: of a network that may have some, the first of them; None where all are absent.
        """
        tables = self.tables()
        depth = torch.as_tensor(bit_depth, dtype=torch.int32, device=planes.device).expand(planes.shape[1])[
            :, None, None
        ]
        inputs, focus = self.inputs(planes, depth, references)
        residual = planes - focus.base

        def known(plane: int, by: int) -> Tensor:
            """A plane's residuals in units of the scale of plane `by`, as activations (B, H, W, 1)."""
            return _activations(normalise(residual[plane], focus.level[by], tables))[..., None]

        x = _activations(inputs.movedim(0, -1))
        x = activate(self.input(x, quantise), quantise, low=0)
        stream = self.input2(x, quantise).float()  # bfloat16 is coarser than the integer stream
        parts: tuple[Tensor, ...] = ()
        if self.context is not None:
            own = torch.cat([known(p, p) for p in range(self.shape.planes)], -1)
            parts = self.context(x, own, quantise)
        for index, block in enumerate(self.blocks):
            stream = block(stream + parts[index] if parts else stream, quantise)
        trunk = activate(stream + parts[-1] if parts else stream, quantise)
        said = []
        for index, head in enumerate(self.heads):
            earlier = [known(p, by) for p in range(index) for by in (p, index)]
            out = head(torch.cat([trunk, *earlier], -1), quantise)
            base, level, lowest = focus.base[index], focus.level[index], lowest_sample(planes[0], index)
            said.append(HeadOutput(out, self.shape.components, base, level, list(residual[:index]), lowest, depth))
        return said


def _activations(whole: Tensor) -> Tensor:
    """Integers of -127 to 127 as what they count, exact in bfloat16."""
    return whole.to(torch.bfloat16) / (1 << ACTIVATION_Q)
