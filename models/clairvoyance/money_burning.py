"""Money burning with caps: the truthful auction of one good whose buyers, payments being lost on them, gain the most.

Buyer i has the value v_i(k) with probability f_i(k); vt_i(k) is her ironed virtual value for utility
(money_burning_values.py); her expected utility counts up to the cap b_i. Over profiles t of types, the dual's letters
in brackets:

    max   sum_i u_i
    s.t.  u_i <= sum_t f(t) vt_i(t_i) x_i(t)    for i       [w_i]
          u_i <= b_i                            for i       [y_i]
          sum_i x_i(t) <= 1                     for t       [z(t)]
          x_i(t) >= 0                           for i, t

Its dual, the primal's letters in brackets:

    min   sum_i y_i b_i + sum_t z(t)
    s.t.  z(t) >= f(t) vt_i(t_i) w_i            for i, t    [x_i(t)]
          w_i + y_i = 1                         for i       [u_i]
          w, y, z >= 0

(u_i may have any sign, hence the equation.) Where w_i > 0 decides, the good goes to the highest scaled virtual value
w_i vt_i, and a fixed chance q_i keeps a buyer to her cap. Its vertices need not be truthful: profiles tied in w_i
vt_i are settled one by one. The optimum as an auction one can run is

    burning_auction(priors, caps=None, convention="upper") -> BurningAuction       (money_burning_auction.py)

    priors: [Distribution], caps: [Fraction | None], all fractions; auction.utilities E[u_i] (I,), auction.value their
    sum, auction.weights w (I,), auction.at(types) -> (chances, payments) at one profile of types counted from zero,
    auction.at_types(types (P, I)) -> the same as object arrays (P, I), auction.interim Q_i(k), auction.payments (I,),
    auction(values) -> floats at any values (..., I).

Source: V. Mirrokni, R. Paes Leme, P. Tang, S. Zuo, Non-clairvoyant dynamic mechanism design (2020), supplement,
Appendix E; J. Hartline, T. Roughgarden, Optimal mechanism design and money burning (2008).
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp
from pydantic import BeforeValidator

from mechopt.models.auctions.myerson_theory import expected_best
from mechopt.models.clairvoyance.money_burning_auction import BurningAuction, burning_auction
from mechopt.models.clairvoyance.money_burning_values import (
    CONVENTIONS,
    Convention,
    ironed_utility_values,
    utility_values,
)
from mechopt.models.distributions import Distribution
from mechopt.models.inputs import Number, checked, fail, plain
from mechopt.models.outcome import ClosedForm
from mechopt.solvers.memory import Size, available, human
from mechopt.solvers.program import Array, Program

MOST_BUYERS = 100
MOST_TOGETHER = 1000  # values of all buyers, which fractions still handle
TOLD = 10**15  # profiles up to which their number is spelled out


def _uncapped(cap: object) -> object:
    return None if isinstance(cap, float) and cap == math.inf else cap


Cap = Annotated[Number | None, BeforeValidator(_uncapped)]  # TOML has no null, but it has inf


@checked
class MoneyBurning:
    """One good; `buyers`: independent distributions, values of at least zero; `caps`: money, None or inf for no cap.

    `convention`: which auctions compete. `"upper"`: payments are at least zero. `"upper-zero"`: the lowest type of each
    buyer gets no utility besides. `"lower"`: payments are the highest the allocation allows. Raises InputError.

    >>> from mechopt.solvers.highs import solve
    >>> prior = {"values": [1, 2, 4], "probabilities": ["1/2", "1/4", "1/4"]}
    >>> model = MoneyBurning(buyers=[prior] * 2, caps=["1/2", 2])
    >>> value = float(model.auction.value)
    >>> for program in (model.primal(), model.dual(), model.primal_bayesian()):
    ...     assert abs(solve(program).value - value) < 1e-9
    """

    buyers: tuple[Distribution, ...]
    caps: tuple[Cap, ...] | None = None
    convention: Convention = "upper"

    def __post_init__(self) -> None:
        if not self.buyers:
            hint = 'write buyers = [{family = "uniform", support = [0, 1], points = 11}]'
            raise fail("buyers", "at least one distribution", "none", hint)
        if len(self.buyers) > MOST_BUYERS:
            raise fail("buyers", f"at most {MOST_BUYERS:,} distributions", f"{len(self.buyers):,}")
        for i, prior in enumerate(self.buyers):
            if prior.values[0] < 0:
                raise fail(f"buyers[{i}].values[0]", "a value of at least 0", prior.values[0])
        if (total := sum(map(len, self.buyers))) > MOST_TOGETHER:
            raise fail("buyers", f"at most {MOST_TOGETHER:,} values in all", f"{total:,}", "choose fewer points")
        if self.caps is not None:
            if len(self.caps) != len(self.buyers):
                raise fail("caps", f"{len(self.buyers)} numbers, one per buyer", f"{len(self.caps)}")
            for i, cap in enumerate(self.caps):
                if cap is not None and cap < 0:
                    raise fail(f"caps[{i}]", "a number of at least 0", cap)

    def parameters(self) -> dict[str, Any]:
        """The instance as its file has it, every number in its shortest exact form."""
        found: dict[str, Any] = {"buyers": [prior.parameters() for prior in self.buyers]}
        if self.caps is not None:
            found["caps"] = [None if cap is None else plain(cap) for cap in self.caps]
        return found | {"convention": self.convention}

    @property
    def shape(self) -> tuple[int, ...]:
        """K_1, ..., K_I: how many types each buyer has."""
        return tuple(len(prior) for prior in self.buyers)

    @property
    def profiles(self) -> int:
        """P, the number of profiles of types."""
        return math.prod(self.shape)

    @cached_property
    def vt(self) -> list[list[Fraction]]:
        """Virtual values for utility of every buyer's types, money."""
        return [utility_values(prior, self.convention) for prior in self.buyers]

    @cached_property
    def scores(self) -> list[list[Fraction]]:
        """Ironed virtual values for utility of every buyer's types, money."""
        return [ironed_utility_values(prior, self.convention) for prior in self.buyers]

    @cached_property
    def auction(self) -> BurningAuction:
        """The optimal auction, in fractions."""
        return burning_auction(self.buyers, self.caps, self.convention)

    def closed_form(self) -> ClosedForm | None:
        """Without caps E[max_i vt_i], the ironed virtual values' highest, on these very types; None with caps."""
        if self.caps is not None and any(cap is not None for cap in self.caps):
            return None
        best = expected_best(self.scores, [prior.probabilities for prior in self.buyers])
        return ClosedForm(float(best), "finite optimum", "Hartline, Roughgarden (2008)")

    def size(self, method: str = "columns") -> Size:
        """Size of the program a method solves, before it is built; generated columns need none to speak of."""
        P, count, pairs = min(self.profiles, 10**30), len(self.buyers), sum(K * K for K in self.shape)
        types, entries = sum(self.shape), P * count
        if method == "profiles":
            return Size(P + entries + 2 * count, entries + count, 3 * entries + 2 * count)
        if method == "bayesian":
            rows = pairs + 3 * types + P + entries + 2 * count
            return Size(rows, entries + 2 * types + count, 4 * pairs + 4 * entries)
        return Size(1 + count, 2 * count + 1, 3 * count + 1)

    def require_fits(self, method: str) -> None:
        """Raise InputError, saying how large the method's program would be, when it would not fit in memory."""
        size = self.size(method)
        if not size.fits:
            expected = f"a program that fits in the {human(available())} of memory that are free"
            got = f"{self.told_profiles()} profiles of types" + (f": {size}" if self.profiles < TOLD else "")
            raise fail("buyers", expected, got, 'the method "columns" lists no profiles')

    def told_profiles(self) -> str:
        """How many profiles there are, in words where there are too many to count."""
        return f"{self.profiles:,}" if self.profiles < TOLD else f"about 10^{sum(map(math.log10, self.shape)):.0f}"

    def words(self) -> str:
        """The problem and its program in words."""
        rows = (__doc__ or "").partition("brackets:\n\n")[2].partition("\n\nIts dual")[0]
        capped = sum(cap is not None for cap in self.caps or ())
        classes = {
            "upper": "payments of at least zero",
            "upper-zero": "no utility for any buyer's lowest type",
            "lower": "the highest payments the allocation allows",
        }
        return (
            f"Give one good to {len(self.buyers)} buyer{'s' if len(self.buyers) > 1 else ''} with independent values "
            f"of known distributions ({'; '.join(prior.words() for prior in self.buyers[:4])}"
            f"{'; ...' if len(self.buyers) > 4 else ''}), whose payments are lost on them. Among truthful auctions "
            f"with {classes[self.convention]}, find the one whose buyers expect the largest utility, counted up to "
            f"{f'the caps of {capped}' if capped else 'no caps'} ({self.told_profiles()} profiles of types):\n\n{rows}"
        )

    @cached_property
    def types(self) -> Any:
        """The profiles t, (P, I): every buyer's type, counted from zero, the last buyer's moving fastest."""
        return np.stack(np.unravel_index(np.arange(self.profiles), self.shape), axis=1).astype(np.int64)

    @cached_property
    def f(self) -> Array:
        """f(t), (P,)."""
        return np.asarray(np.prod([prior.f[self.types[:, i]] for i, prior in enumerate(self.buyers)], axis=0))

    @cached_property
    def worth(self) -> Array:
        """f(t) vt_i(t_i), ironed, (P, I), money."""
        rows = [np.array([float(s) for s in row])[self.types[:, i]] for i, row in enumerate(self.scores)]
        return np.asarray(self.f[:, None] * np.stack(rows, axis=1))

    @property
    def bounded(self) -> list[int]:
        """The buyers with caps."""
        return [i for i, cap in enumerate(self.caps or ()) if cap is not None]

    @property
    def b(self) -> Array:
        """The caps of the buyers who have one, money."""
        return np.array([float(cap) for cap in self.caps or () if cap is not None])

    def primal(self) -> Program:
        """The program over profiles, with ironed virtual values."""
        self.require_fits("profiles")
        x = cp.Variable((self.profiles, len(self.buyers)), name="x")
        u = cp.Variable(len(self.buyers), name="u")
        rows: dict[str, Any] = {"w": u <= cp.sum(cp.multiply(self.worth, x), axis=0)}
        if self.bounded:
            rows["y"] = u[self.bounded] <= self.b
        return Program(cp.Maximize(cp.sum(u)), {**rows, "z": cp.sum(x, axis=1) <= 1, "chance": x >= 0})

    def dual(self) -> Program:
        """Its dual; the multipliers of its rows are the allocation and the utilities, by the letters x and u."""
        self.require_fits("profiles")
        count = len(self.buyers)
        w, z = cp.Variable(count, name="w", nonneg=True), cp.Variable(self.profiles, name="z", nonneg=True)
        rows = {"x": cp.reshape(z, (self.profiles, 1), order="C") >= self.worth @ cp.diag(w)}
        if not self.bounded:
            return Program(cp.Minimize(cp.sum(z)), {**rows, "u": w == 1})
        y = cp.Variable(len(self.bounded), name="y", nonneg=True)
        spread = np.eye(count)[:, self.bounded]
        return Program(cp.Minimize(self.b @ y + cp.sum(z)), {**rows, "u": w + spread @ y == 1})

    def primal_bayesian(self) -> Program:
        """The same optimum without virtual values: chances Q_i(k) and payments m_i(k), all pairs of truth rows.

        max sum_i u_i subject to u_i <= sum_k f_i(k) U_i(k) [w_i], u_i <= b_i [y_i], truth U_i(k) = Q_i(k) v_i(k) -
        m_i(k) >= Q_i(l) v_i(k) - m_i(l), U >= 0, Q_i(k) = sum_{t_i = k} f_-i(t_-i) x_i(t), sum_i x_i(t) <= 1 [z(t)],
        and the rows of the convention: m_i(k) >= 0; U_i(1) = 0; or U_i(1) = 0 and U_i(k + 1) = U_i(k) + (v_i(k + 1) -
        v_i(k)) Q_i(k).
        """
        self.require_fits("bayesian")
        x = cp.Variable((self.profiles, len(self.buyers)), name="x")
        u = cp.Variable(len(self.buyers), name="u")
        rows: dict[str, Any] = {}
        for i, prior in enumerate(self.buyers):
            K, v = len(prior), prior.v
            Q, m = cp.Variable(K, name=f"Q_{i + 1}"), cp.Variable(K, name=f"m_{i + 1}")
            truth = cp.multiply(v, Q) - m  # (K,)
            lie = v[:, None] @ cp.reshape(Q, (1, K), order="C") - cp.reshape(m, (1, K), order="C")  # row k, column l
            here = (self.f / prior.f[self.types[:, i]], (self.types[:, i], np.arange(self.profiles)))
            rows[f"share_{i + 1}"] = Q - sp.csr_array(here, shape=(K, self.profiles)) @ x[:, i] == 0
            rows[f"gamma_{i + 1}"] = cp.reshape(truth, (K, 1), order="C") >= lie
            rows[f"beta_{i + 1}"] = truth >= 0
            rows[f"w_{i + 1}"] = u[i] <= prior.f @ truth
            if self.convention == "upper":
                rows[f"paid_{i + 1}"] = m >= 0
            else:
                rows[f"lowest_{i + 1}"] = truth[0] == 0
            if self.convention == "lower" and K > 1:
                rows[f"slope_{i + 1}"] = truth[1:] - truth[:-1] == cp.multiply(np.diff(v), Q[:-1])
        if self.bounded:
            rows["y"] = u[self.bounded] <= self.b
        return Program(cp.Maximize(cp.sum(u)), {**rows, "z": cp.sum(x, axis=1) <= 1, "chance": x >= 0})


__all__ = ["CONVENTIONS", "BurningAuction", "MoneyBurning", "burning_auction"]
