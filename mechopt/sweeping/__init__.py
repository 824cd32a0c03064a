"""Sweeps: many instances from one file, their store, and its tables."""
