"""Auctions over several periods with known distributions: the model `dynamic-auction`."""
