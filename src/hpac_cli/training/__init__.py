"""The training of networks and the export of their integers, in torch; the codec never needs it."""

from hpac_cli.errors import MissingPackageError


def require_torch(what: str) -> None:
    """Make sure that torch is there.

    Args:
        what: is to be done with it, as the message begins.

    Raises:
        MissingPackageError: it is not.
    """
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(f"{what} needs torch: pip install 'hpac-cli[adapt]'") from error
