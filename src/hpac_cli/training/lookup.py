"""Table look-up for index tensors of any shape."""

from torch import Tensor


def look_up(table: Tensor, index: Tensor) -> Tensor:
    """Return table[index]; index_select takes int32 as it is and is several times faster.

    Args:
        table: (T,) any type; index: any shape, int32 or int64, 0 to T - 1.
    """
    return table.index_select(0, index.reshape(-1)).view(index.shape)
