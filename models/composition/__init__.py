"""The parts a user states a new problem in, and the programs they compose to: the model `design`."""
