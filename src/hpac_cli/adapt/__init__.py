"""SARP-FT: weights are adapted to one image while it is encoded, and the change travels in its file."""
