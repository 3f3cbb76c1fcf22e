"""How an update is launched: on a GPU as one CUDA graph, on a CPU operation by operation."""

from collections.abc import Callable

import torch


def launcher(update: Callable[[], None], device: torch.device) -> Callable[[], object]:
    """Return what makes an update each time it is called.

    Args:
        update: changes tensors on the device in place, always the same ones and in the same way, and asks the device for
            nothing. On a GPU it is run four times here, to compile and to record it: what it changed is to be set right.
        device: cpu or cuda.
    """
    if device.type != "cuda":
        return update
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            update()
    torch.cuda.current_stream().wait_stream(side)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        update()
    return graph.replay
