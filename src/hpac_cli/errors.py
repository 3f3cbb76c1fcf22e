"""What can fail, and which exit code says so.

HpacError
├── UsageError               asked for what cannot be                                 exit 2
│   └── MissingPackageError  needs a package that is not installed                    exit 2
├── InputError               the picture is damaged                                   exit 4
│   └── UnsupportedError     valid, but of a kind that this version does not take     exit 3
│       └── DecoderMissingError  it needs a decoder that is not installed             exit 3
├── ContainerError           not hpac, truncated, or altered                          exit 4
│   └── NewerVersionError    written by a later format version                        exit 3
├── ModelError               weights missing or damaged                               exit 8
├── LimitExceededError       valid, but larger than a named limit                     exit 5
├── OutputExistsError        refused to overwrite                                     exit 6
├── FileAccessError          cannot read or write                                     exit 7
├── IncompleteError          salvaged, but samples are lost                           exit 9
└── RoundTripError           our bug: decoding did not give back what was encoded     exit 70
"""

CHANGED = "it changed while it was read; try again when it is complete"
"""What is said of a file that cannot have been read as it is, or was."""


class HpacError(Exception):
    """Base of every error that hpac raises on purpose; the message is one line for the user."""

    exit_code = 1


class UsageError(HpacError):
    """What was asked for cannot be done, whatever the input."""

    exit_code = 2


class MissingPackageError(UsageError):
    """What was asked for needs an optional package; the message says how to install it."""


class InputError(HpacError):
    """The picture is damaged."""

    exit_code = 4


class UnsupportedError(InputError):
    """The picture is valid but of a kind that is not supported."""

    exit_code = 3


class DecoderMissingError(UnsupportedError):
    """The picture needs an optional package that is not installed."""


class ContainerError(HpacError):
    """The .hpac data is not hpac, truncated, or altered."""

    exit_code = 4


class NewerVersionError(ContainerError):
    """The .hpac data needs a later version of this program."""

    exit_code = 3


class ModelError(HpacError):
    """Weights are missing, damaged, or not those that the file names."""

    exit_code = 8


class LimitExceededError(HpacError):
    """The input is valid but larger than a named limit."""

    exit_code = 5


class OutputExistsError(HpacError):
    """The output exists and overwriting was not asked for."""

    exit_code = 6


class FileAccessError(HpacError):
    """The operating system refused to read or write."""

    exit_code = 7


class IncompleteError(HpacError):
    """A damaged file was salvaged, but not all of it."""

    exit_code = 9


class RoundTripError(HpacError):
    """What was encoded does not decode to what went in."""

    exit_code = 70
