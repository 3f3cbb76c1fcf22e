"""Integer distributions to coded words and back."""
