"""The second decoder, written from docs/format.md alone, reads what the program writes."""

import numpy as np
import pytest
from reference.decoder import decode

import hpac_cli
from hpac_cli.model.files import weights_folder


@pytest.mark.parametrize("shape", [(10, 14, 3), (12, 9), (11, 8, 2), (9, 10, 4), (1, 1, 3), (1, 20), (20, 1, 3)])
def test_files_decode_to_the_same_samples(shape: tuple[int, ...], photograph: np.ndarray) -> None:
    array = np.resize(photograph[100 : 100 + shape[0], 200 : 200 + shape[1]], shape)
    (decoded,) = decode(hpac_cli.encode(array, tile=8), weights_folder())
    assert np.array_equal(decoded.reshape(shape), array)
