"""`python -m mechopt`."""

from mechopt.cli import main

main()
