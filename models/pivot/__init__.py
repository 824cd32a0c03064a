"""Signals that arrive over time: `virtual-pivot`, `optimal-contract` and `virtual-index`."""
