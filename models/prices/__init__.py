"""Posted prices of bundles: the model `posted-prices`."""
