"""Selling without a prior: the models `regret-pricing` and `regret-auction`."""
