"""Text that is safe to show: what comes from file names and files steers no terminal."""


def printable(text: str) -> str:
    """Replace whatever is no printable character, but for line ends, by a question mark."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def line(text: str) -> str:
    """Make one printable line of a text."""
    return printable(text.replace("\n", "?"))
