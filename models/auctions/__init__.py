"""Auctions of one good with known and with ambiguous values: `myerson-auction`, `robust-auction` and their kin."""
