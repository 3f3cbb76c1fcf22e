"""Kills hpac at random moments: under the final name there is never anything but the whole file.

python tests/kill.py --times 200     by hand; it takes some minutes
"""

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image as PillowImage

DATA = Path(__file__).parent / "data" / "kodim23.png"


def run(command: str, source: Path, target: Path, wait: float | None) -> bool:
    """Run hpac, killing it after a while; return whether it ended by itself."""
    line = [sys.executable, "-m", "hpac_cli", command, "--force", "-q", str(source), "-o", str(target)]
    with subprocess.Popen(line) as process:
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            process.kill()
            return False
    return True


def main() -> None:
    """Kill encoding and decoding in turn, over an old output or none."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200)
    times = parser.parse_args().times
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        picture = folder / "picture.png"
        PillowImage.open(DATA).crop((300, 100, 500, 250)).save(picture)
        run("encode", picture, folder / "whole.hpac", None)
        start = time.monotonic()
        run("decode", folder / "whole.hpac", folder / "whole.png", None)
        longest = 1.2 * (time.monotonic() - start)
        killed = left = 0
        for number in range(times):
            command, source, whole = (
                ("encode", picture, folder / "whole.hpac") if number % 2 else ("decode", folder / "whole.hpac", picture)
            )
            target, old = folder / "out", number % 4 < 2
            target.unlink(missing_ok=True)
            if old:
                shutil.copy(__file__, target)
            killed += not run(command, source, target, rng.uniform(0, longest))
            found = target.read_bytes() if target.exists() else None
            allowed = [whole.read_bytes(), Path(__file__).read_bytes() if old else None]
            if found not in allowed:
                sys.exit(f"run {number}: {command} left {len(found or b''):,} bytes under the final name")
            for partial in folder.glob(".*.partial"):
                left += 1
                partial.unlink()
    print(f"{times} runs, {killed} killed: nothing half-written; {left} temporary files were left")


if __name__ == "__main__":
    main()
