"""How are the container's source kinds called elsewhere?"""

from hpac_cli.container.fields import Kind

KIND_NAMES = {Kind.ARRAY_2D: "array2d", Kind.ARRAY: "array", Kind.PNG: "png"}
KINDS = {name: kind for kind, name in KIND_NAMES.items()}
