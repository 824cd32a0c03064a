"""Money burning, and selling without knowing the future: programs against brute force, and numbers from both sides."""

from __future__ import annotations

import time
from fractions import Fraction

import numpy as np
from registry import Row, at_most, benchmark, holds, race

import mechopt as mo
from mechopt.models.clairvoyance.gap_theory import equal_revenue, first_values
from mechopt.models.clairvoyance.money_burning_values import CONVENTIONS, Convention
from mechopt.models.clairvoyance.scenarios_engine import solve_tree
from mechopt.solvers.highs import solve as highs

TARGETS = {1: 1.1911, 2: 1.5076, 3: 1.6309, 5: 1.7396, 10: 1.8456, 20: 1.9138}


def random_burning(rng: np.random.Generator, convention: Convention) -> mo.MoneyBurning:
    """One to three buyers with up to five values below 20 and chances of their own, most of them capped."""
    buyers, caps = [], []
    for _ in range(int(rng.integers(1, 4))):
        K = int(rng.integers(1, 6))
        weights = rng.integers(1, 12, K).tolist()
        chances = [str(Fraction(w, sum(weights))) for w in weights]
        buyers.append({"values": np.sort(rng.choice(20, K, replace=False)).tolist(), "probabilities": chances})
        caps.append(None if rng.random() < 0.2 else str(Fraction(int(rng.integers(0, 60)), 10)))
    return mo.MoneyBurning(buyers=buyers, caps=caps, convention=convention)


@benchmark(
    "money-burning-random",
    "Money burning with caps: three conventions against brute-force Bayesian programs",
    """Random instances per convention: the optimum in fractions by generated scaled auctions, against the program over
    profiles with ironed virtual values, and against the Bayesian program that knows none (interim truth rows for all
    pairs, payments as the convention has them), both in CVXPY and HiGHS. Errors are relative to the optimum (absolute
    below 1). Certified: an auction with every ex-post row and multipliers above it, in rationals, meet.""",
)
def burning(smoke: bool) -> list[Row]:
    rng = np.random.default_rng(2008)
    rows = []
    for convention in CONVENTIONS:
        errors, met, undetermined, scaled = [], True, 0, 0
        for _ in range(4 if smoke else 100):
            model = random_burning(rng, convention)
            exact = float(model.auction.value)
            values = [highs(p).require().value for p in (model.primal(), model.dual(), model.primal_bayesian())]
            errors.append(max(abs(v - exact) for v in values) / max(1.0, exact))
            result = mo.solve(model)
            part = result.certificate["finite"]
            met &= result.bounds.certified and Fraction(part["lower"]) == Fraction(part["upper"])
            undetermined += not model.auction.determined
            scaled += any(0 < w < 1 for w in model.auction.weights)
        rows += [
            at_most(f"largest relative error, {convention}", max(errors), 1e-12),
            holds(f"certified, both ends one fraction, {convention}", met),
            Row(
                f"instances, weights all zero, weights inside (0, 1), {convention}",
                f"{len(errors)}, {undetermined}, {scaled}",
            ),
        ]
    return rows


@benchmark(
    "money-burning-scale",
    "Money burning with caps: generated scaled auctions against the program over profiles",
    """Buyers with thick tails and caps that bind for some: the exact optimum in fractions, with the truthful auction,
    against the value of the program over profiles in CVXPY and HiGHS, building included; then eight buyers with
    twenty values, whose 2.6e10
    profiles no program lists.""",
)
def scale(smoke: bool) -> list[Row]:
    def model(buyers: int, types: int) -> mo.MoneyBurning:
        rng = np.random.default_rng(3)
        priors, caps = [], []
        for _ in range(buyers):
            steps = 5 * 1.35 ** np.arange(types) * rng.uniform(0.6, 1.4, types)
            weights = [int(1e5 / 1.3**k) + 1 for k in range(types)]
            chances = [str(Fraction(w, sum(weights))) for w in weights]
            priors.append({"values": np.cumsum(steps.astype(int) + 1).tolist(), "probabilities": chances})
            caps.append([None, 10, 20, 30][int(rng.integers(4))])
        return mo.MoneyBurning(buyers=priors, caps=caps)

    def fresh(made: mo.MoneyBurning) -> mo.MoneyBurning:
        return mo.MoneyBurning(buyers=list(made.buyers), caps=made.caps)

    small = model(3, 5 if smoke else 12)
    found = race(lambda: fresh(small).auction, lambda: highs(fresh(small).primal()).require(), 1 if smoke else 5)
    large = model(3, 5) if smoke else model(8, 20)
    started = time.perf_counter()
    result = mo.solve(large, time_limit=60)
    seconds = time.perf_counter() - started
    return [
        at_most("difference of the values", abs(float(found.ours.value) - found.theirs.value), 1e-9),
        at_most("time over the program", found.ratio, 100 if smoke else 1),
        *found.rows("scaled auctions, exact", "profiles, HiGHS"),
        holds("large instance certified", result.bounds.certified),
        at_most("width of its bracket", result.bounds.width, 1e-9),
        Row(
            "its profiles, pivots, seconds",
            f"{large.profiles:.2g}, {result.document['statistics']['iterations']}, {seconds:.2f}",
        ),
    ]


@benchmark(
    "non-clairvoyant-gap",
    "Theorem 5.1: the best guarantee of a seller who does not know the future, from both sides",
    """The factor a at mu, epsilon = 0, on the continuum of prices: two prices from above, nature's weights of the two
    scenarios from below, in ball arithmetic. Distance of the farther end of the certified bracket from the target,
    and the value of the program over 1,001
    prices beside it.""",
)
def guarantee(smoke: bool) -> list[Row]:
    rows, certified, widths, grid = [], [], [], []
    for mu, target in TARGETS.items():
        result = mo.solve(mo.NonClairvoyantGap(mu=mu, points=100 if smoke else 1000))
        bounds = result.bounds
        rows.append(
            at_most(
                f"distance from {target} at mu = {mu}", max(abs(e - target) for e in (bounds.lower, bounds.upper)), 1e-4
            )
        )
        rows.append(Row(f"bracket at mu = {mu}", f"[{bounds.lower:.15g}, {bounds.upper:.15g}]"))
        certified.append(bounds.certified and result.verify().passed)
        widths.append(bounds.width)
        grid.append(result.value - bounds.upper)
    largest = mo.solve(mo.NonClairvoyantGap(mu="26.58"))
    return [
        *rows,
        holds("all certified", all(certified) and largest.bounds.certified),
        at_most("largest width", max(widths), 1e-15),
        Row("largest excess of the grid of prices", max(grid)),
        Row("at mu = 26.58, the largest usable", f"{largest.bounds.lower:.12f}"),
    ]


@benchmark(
    "finite-futures",
    "Non-clairvoyant mechanisms of finitely many futures: one program over all mechanisms",
    """The theorem's distributions with rational values and chances, the second cut off where it just spends every
    balance: all mechanisms against posted prices. Random futures of up to three periods: the engine with neighbouring
    truth rows in fractions,
    against the plain program in CVXPY with all pairs.""",
)
def futures(smoke: bool) -> list[Row]:
    errors, exact = [], []
    for mu, points, doublings in (
        ((1.0, 5, 6),) if smoke else ((0.5, 8, 4), (1.0, 5, 6), (1.0, 12, 6), (1.2, 10, 9), (1.5, 8, 20))
    ):
        first, second = first_values(mu, points), equal_revenue(Fraction(1), doublings)
        result = mo.solve(mo.NonClairvoyantGap(first=first, second=second))
        errors.append(abs(result.value - result.quantities["posted_price_bound"]))
        exact.append(result.bounds.certified and result.bounds.width < 1e-12)
    rng = np.random.default_rng(2020)
    apart, certified, most = [], [], 0.0
    for _ in range(2 if smoke else 40):
        priors = []
        for _ in range(3):
            K = int(rng.integers(1, 4))
            weights = rng.integers(1, 8, K).tolist()
            chances = [str(Fraction(w, sum(weights))) for w in weights]
            priors.append(
                {"values": np.sort(rng.choice(np.arange(1, 20), K, replace=False)).tolist(), "probabilities": chances}
            )
        a, b, c = priors
        model = mo.NonClairvoyantGap(scenarios=[[a], [a, b], [a, b, c], [a, c]] if b != c else [[a], [a, b]])
        result = mo.solve(model)
        apart.append(abs(highs(model.primal_scenarios()).require().value - result.value))
        certified.append(result.bounds.certified)
        most = max(most, result.bounds.upper)
    model = mo.NonClairvoyantGap(first=first_values(1.0, 5), second=equal_revenue(Fraction(1), 6))
    found = race(
        lambda: solve_tree(model.tree, model.best), lambda: highs(model.primal_scenarios()).require(), 1 if smoke else 5
    )
    return [
        at_most("all mechanisms against posted prices, largest difference", max(errors), 1e-9),
        holds("all of them certified, equal ends", all(exact)),
        at_most("engine against the plain program, largest difference", max(apart), 1e-7),
        holds("random futures certified", all(certified)),
        Row("largest factor a among the random futures", f"{most:.6f}"),
        Row("time over the plain program in CVXPY, fractions included", found.ratio),
    ]
