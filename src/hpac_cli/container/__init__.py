"""Bytes to typed sections and back; never sees a pixel. The normative text is docs/format.md."""
