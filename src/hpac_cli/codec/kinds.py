"""Names of the container's source kinds elsewhere."""

from hpac_cli.container.fields import Kind

KIND_NAMES = {
    Kind.ARRAY_2D: "array2d",
    Kind.ARRAY: "array",
    Kind.ARRAY_FRAMES: "arrays",
    Kind.PNG: "png",
    Kind.TIFF: "tiff",
    Kind.DICOM: "dicom",
    Kind.FILE: "file",
    Kind.PNM: "pnm",
    Kind.BMP: "bmp",
    Kind.NPY: "npy",
    Kind.RAW: "raw",
    Kind.SERIES: "series",
}
KINDS = {name: kind for kind, name in KIND_NAMES.items()}
