"""`python -m hpac_cli` is `hpac`."""

from .cli import main

main()
