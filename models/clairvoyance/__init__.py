"""Selling without knowing the future (`non-clairvoyant-gap`, `non-clairvoyant-auction`), and `money-burning`."""
