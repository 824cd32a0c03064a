"""Selling without knowing the future, and burning money: `non-clairvoyant-gap`, `non-clairvoyant-auction`, `money-burning`."""
