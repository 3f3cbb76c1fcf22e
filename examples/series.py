"""Stores all slices of a scan as one file, and gives them back byte for byte.

Slices are coded with what is known of the slices before; files that are no pictures are kept whole beside them.

python series.py CT/ ct.hpac
"""

import sys
from pathlib import Path

import hpac_cli

folder, archive = map(Path, sys.argv[1:])

files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
archive.write_bytes(hpac_cli.encode_series(files))

back = hpac_cli.decode_series(archive.read_bytes())
if back != files:
    sys.exit("hpac: these files did not come back; please report it")

size = sum(map(len, files.values()))
print(f"{len(files)} files of {size:,} bytes, {archive.stat().st_size:,} in {archive}")
