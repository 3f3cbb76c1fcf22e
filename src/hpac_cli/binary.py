"""Numbers and byte strings put one after another, and read back without trust."""

from .errors import HpacError

MAX_NUMBER = (1 << 64) - 1


def put_varint(value: int) -> bytes:
    """Write an unsigned integer seven bits a byte, low bits first (LEB128)."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def put_signed(value: int) -> bytes:
    """Write an integer: 2 v, or -2 v - 1 where it is negative."""
    return put_varint(2 * value if value >= 0 else -2 * value - 1)


def put_string(data: bytes) -> bytes:
    """Write a byte string after its length."""
    return put_varint(len(data)) + data


class Fields:
    """Reads fields one after another; every method raises the given error where they end early."""

    def __init__(self, data: bytes, error: type[HpacError], what: str) -> None:
        """Begin to read.

        Args:
            data: all fields.
            error: raised when they are damaged.
            what: names them in messages: "a chunk".
        """
        self._data, self._at = data, 0
        self._error, self._what = error, what

    @property
    def bytes_left(self) -> int:
        """Bytes that were not read yet."""
        return len(self._data) - self._at

    def varint(self) -> int:
        """Read an unsigned integer of at most 64 bits, written as short as possible."""
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if value > MAX_NUMBER:
                raise self._error(f"{self._what} has a number that is too large")
            if byte < 128:
                if byte == 0 and shift > 7:
                    raise self._error(f"{self._what} has a number written longer than need be")
                return value
            if shift > 63:
                raise self._error(f"{self._what} has a number that does not end")

    def signed(self) -> int:
        """Read an integer that put_signed wrote."""
        value = self.varint()
        return -(value + 1) // 2 if value & 1 else value // 2

    def string(self) -> bytes:
        """Read a byte string after its length."""
        return self.take(self.varint())

    def take(self, count: int) -> bytes:
        """Read exactly so many bytes."""
        part = self._data[self._at : self._at + count]
        if len(part) < count:
            raise self._error(f"{self._what} is shorter than its fields")
        self._at += count
        return part

    def rest(self) -> bytes:
        """Read what is left."""
        return self.take(len(self._data) - self._at)

    @property
    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self._at == len(self._data)

    def end(self) -> None:
        """Make sure that nothing is left."""
        if not self.at_end:
            raise self._error(f"{self._what} is longer than its fields")
