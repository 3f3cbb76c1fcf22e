"""Keeps a stack of pictures in zarr, each chunk coded by hpac, and reads a part of it back.

python zarr_array.py STACK.npy STACK.zarr      needs pip install 'hpac-cli[zarr]'
"""

import sys

import numpy as np
import zarr

from hpac_cli.plugins.zarr import HpacCodec

source, target = sys.argv[1:]
stack = np.load(source)  # (frames, rows, columns)

array = zarr.create_array(
    target,
    shape=stack.shape,
    dtype=stack.dtype,
    chunks=(1, *stack.shape[1:]),  # a frame a chunk; rows and columns are the last two axes
    serializer=HpacCodec(effort=3),  # 1 is quick, 9 is small
    compressors=None,  # hpac's bytes cannot be compressed again
)
array[:] = stack

again = zarr.open_array(target, mode="r")  # readers find the codec by its name
if not np.array_equal(again[-1], stack[-1]):
    sys.exit("hpac: the last frame did not come back; please report it")
print(f"{stack.nbytes:,} bytes of samples, {again.nbytes_stored():,} in {target}")
