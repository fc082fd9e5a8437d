"""``python -m ispfit``."""

from ispfit.cli import main

main()
