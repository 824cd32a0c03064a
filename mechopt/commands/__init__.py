"""The commands of `mechopt`, a few per module; `mechopt.cli` puts them together."""
