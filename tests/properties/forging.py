"""Forged certificates: one thing changed at random, barely or absurdly, dropped, or swapped with its neighbour."""

import copy
from fractions import Fraction


def leaves(node, path=()):
    """The paths to all numbers and words of a document."""
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(value, (*path, key))
    else:
        yield path


def at(node, path):
    """What stands at a path."""
    for step in path:
        node = node[step]
    return node


def change(value, rng):
    """Another value of the same kind, sometimes barely different, sometimes absurd."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + rng.choice([-3, -1, 1, 2])
    if isinstance(value, float):
        return rng.choice([value * (1 + 2**-50) + 5e-324, value + 1e-6, -value - 1, value / 2 + 1e-9])
    if value is None:
        return "0"
    try:
        number = Fraction(value)
    except ValueError:
        return value + rng.choice(["x", "0", " "])
    step = rng.choice([Fraction(1, 10**15), Fraction(-1, 10**15), Fraction(1, 1000), Fraction(-1, 7), Fraction(2)])
    return rng.choice([str(number + step), str(-number - 1), "nonsense", str(number * Fraction(999, 1000) + step)])


def mutant(certificate, rng, parts=None):
    """A path and the certificate with a change there; `parts` are the sections it may be in, all when None."""
    changed = copy.deepcopy(certificate)
    path = rng.choice([p for p in leaves(changed) if parts is None or p[0] in parts])
    parent = at(changed, path[:-1])
    kind = rng.random()
    if kind < 0.1 and isinstance(parent, list) and len(parent) > 1:
        i, j = rng.sample(range(len(parent)), 2)
        parent[i], parent[j] = parent[j], parent[i]
    elif kind < 0.2:
        del parent[path[-1]]
    else:
        parent[path[-1]] = change(parent[path[-1]], rng)
    return path, changed
