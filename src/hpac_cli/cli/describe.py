"""How is an .hpac file described, in words or as JSON?"""

import json
from typing import Any


def describe(facts: dict[str, Any], *, as_json: bool) -> str:
    """Render what api.inspect found."""
    if as_json:
        return json.dumps(facts)
    sizes, tiles = facts["bytes"], facts["tiles"]
    weights = ", ".join(f"{w['digest']} ({w['channels']} channel{'s' * (w['channels'] > 1)})" for w in facts["weights"])
    modes = ", ".join(f"{count} {mode}" for mode, count in tiles.items() if count)
    parts = ", ".join(f"{name} {size:,}" for name, size in sizes.items() if size)
    rows = {
        "image": f"{facts['width']} x {facts['height']}, {facts['channels']} channels, {facts['bit_depth']} bits, from {facts['kind']}",
        "fidelity": facts["fidelity"],
        "tiles": f"{modes} (side {facts['tile']})",
        "weights": weights,
        "bytes": parts,
        "bpsp": f"{facts['bpsp']:.4f}",
        "samples": f"sha256 {facts['samples_sha256']}",
        "format": facts["format_version"],
    }
    return "\n".join([facts["file"], *(f"  {name:<9}{text}" for name, text in rows.items())])
