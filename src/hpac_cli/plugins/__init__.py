"""hpac inside other libraries: Pillow (and imageio through it), numcodecs (and zarr through it)."""
