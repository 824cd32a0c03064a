"""Theorem 3.8 as a certificate: optimal bank account mechanisms maximise ironed virtual welfare, and what others lose.

Multipliers beta, eta of ONE program over histories give virtual values after every history h,

    phi_i(v_j)  = v_j - (beta_i(v_-i) - G_i(v_j)) vartheta_i(v_j),    G_i(v_j) = E[g_i | v_i > v_j],
    phit_i(v_j) = phi_i(v_j) - eta_i(v_j) + eta_i(v_{j-1}) f_{j-1} / f_j,

g_i being what a unit of buyer i's balance is worth after the period. Whatever the mechanism, its revenue falls short of
E[max(0, max_i phit_i)], the optimum, by four sums of terms none of which is negative:

    E[ max(0, max_i phit_i) - sum_i phit_i x_i ]          the good does not go to the highest ironed virtual value
    E[ sum_i eta_i(v_j) (x_i(v_{j+1}) - x_i(v_j)) ]       values that are ironed together are treated differently
    E[ sum_i lambda_i y_i(v_1) ]                          balances are kept although they would pay for more
    sum_t E[ sum_i xi_i (1 - E_b[beta_i]) ]               utility is promised where it is worth less than it costs

so it is optimal exactly when all four vanish. Multipliers of separate programs per state will not do: where g has a
kink, the parent's choice among supergradients has to be the child's beta.

Erratum: the printed virtual value (Lemma 3.7) is (1 + g_i(v)) v_i - beta_i vartheta_i. It lets x_i(v_j) raise the
balance of v_j itself; raising x_i(v_j) raises the utility, and so the balance, of all higher types: G_i.
Likewise in Definition 3.1 ironing is an upward move of mass: all sums of f (phit - phi) from below are at most zero.

Source: Mirrokni, Paes Leme, Tang, Zuo (2018), Lemma 3.7, Theorem 3.8, Appendix B, corrected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.dynamic.history import chances, counts
from mechopt.models.dynamic.history_accounts import account_program
from mechopt.models.dynamic.history_certify import betas
from mechopt.models.outcome import Array
from mechopt.solvers.highs import solve

if TYPE_CHECKING:
    from mechopt.models.dynamic.dynamic_auction import DynamicAuction

ZERO = 1e-9  # money, relative to the optimum: what counts as nothing


@dataclass(frozen=True)
class Finding:
    """One of the theorem's conditions: what its failure costs (money), and where it costs most."""

    name: str
    loss: float
    where: str

    @property
    def holds(self) -> bool:
        """Whether it costs nothing."""
        return self.loss <= ZERO


@dataclass(frozen=True)
class Report:
    """The optimum by virtual values, a mechanism's revenue, and the four conditions."""

    optimum: float
    revenue: float
    findings: tuple[Finding, ...]

    @property
    def optimal(self) -> bool:
        """Whether all conditions hold."""
        return all(finding.loss <= ZERO * max(1.0, abs(self.optimum)) for finding in self.findings)

    def __str__(self) -> str:
        lines = [f"revenue {self.revenue:.9g} of {self.optimum:.9g}"]
        for found in self.findings:
            fine = found.loss <= ZERO * max(1.0, abs(self.optimum))
            lines.append(
                f"{'holds' if fine else 'FAILS'}  {found.name}"
                + ("" if fine else f": costs {found.loss:.6g}, most {found.where}")
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class VirtualValues:
    """Of buyer i in period t, per line (history before, v_-i) and own type: arrays (N_t, others, n)."""

    phi: Array
    phit: Array
    g: Array
    beta: Array  # (N_t, others)
    eta: Array
    printed: Array


def lines(table: Array, shape: tuple[int, ...], i: int) -> Array:
    """A table over histories (N_{t+1},) as (N_t, profiles of the others, n_i)."""
    whole = np.reshape(table, (-1, *shape))
    return np.moveaxis(whole, i + 1, -1).reshape(len(whole), -1, shape[i])


def virtual_values(model: DynamicAuction, dual: Mapping[str, Array]) -> dict[tuple[int, int], VirtualValues]:
    """Corrected and printed virtual values from the multipliers of `account_program`, by (period, buyer) from zero."""
    beta = betas(model, dual)
    found = {}
    worth: list[Array] = [np.zeros(counts(model)[-1])] * model.buyers
    chance = [np.ones(1)]
    for t in range(model.horizon):
        chance.append(np.outer(chance[-1], chances(model, t)).ravel())
    for t in reversed(range(model.horizon)):
        shape, before = model.shapes[t], []
        for i, prior in enumerate(model.periods[t]):
            g, f = lines(worth[i], shape, i), prior.f
            own = beta[t][i][:, :, None]
            step = np.append(np.diff(prior.v), 0.0)
            owed = np.cumsum((f * (own - g))[..., ::-1], axis=-1)[..., ::-1] - f * (own - g)  # over higher types
            phi = prior.v - step * owed / f
            eta = np.zeros_like(g)
            if shape[i] > 1:
                raw = np.maximum(dual[f"eta_{i + 1}_{t + 1}"], 0)
                eta[..., :-1] = _short_lines(raw, shape, i) / _short_lines(
                    _without_top(chance[t + 1], shape, i), shape, i
                )
            into = np.concatenate([np.zeros_like(eta[..., :1]), (f * eta)[..., :-1]], axis=-1) / f
            tail = np.append(np.cumsum(f[::-1])[::-1][1:], 0.0)
            printed = (1 + g) * prior.v - own * step * tail / f
            found[t, i] = VirtualValues(phi, phi - eta + into, g, beta[t][i], eta, printed)
            rest = lines(chances(model, t), shape, i)[0].sum(axis=-1)
            before.append(beta[t][i] @ rest)
        worth = before
    return found


def _without_top(table: Array, shape: tuple[int, ...], i: int) -> Array:
    whole = np.reshape(table, (-1, *shape))
    return np.take(whole, range(shape[i] - 1), axis=i + 1).ravel()


def _short_lines(table: Array, shape: tuple[int, ...], i: int) -> Array:
    return lines(table, (*shape[:i], shape[i] - 1, *shape[i + 1 :]), i)


def virtual_welfare(model: DynamicAuction, primal: Mapping[str, Array] | None = None) -> Report:
    """The report on a bank account mechanism, `x_i_t` and `xi_i_t` by name as in `account_program`; None: its optimum.

    Raises InputError where the program would not fit.

    >>> from mechopt.models.dynamic.dynamic_auction import DynamicAuction
    >>> coin = {"values": [1, 2], "probabilities": ["1/2", "1/2"]}
    >>> model = DynamicAuction(periods=[[coin]] * 2)
    >>> assert virtual_welfare(model).optimal
    >>> always_two = {"x_1_1": np.array([0, 1.0]), "x_1_2": np.array([0, 1.0] * 2), "xi_1_1": [0.0], "xi_1_2": [0.0]}
    >>> report = virtual_welfare(model, always_two)
    >>> assert abs(report.revenue - 2) < 1e-9 and not report.optimal
    """
    model.require_fits("history")
    solution = solve(account_program(model)).require()
    mechanism = solution.primal if primal is None else primal
    values = virtual_values(model, solution.dual)
    sums: dict[str, list[tuple[float, str]]] = {name: [] for name in _CONDITIONS}
    chance, optimum, revenue = np.ones(1), 0.0, 0.0
    balance: list[Any] = [np.zeros(1)] * model.buyers
    for t in range(model.horizon):
        shape = model.shapes[t]
        best, served = np.zeros((len(chance), *shape)), np.zeros((len(chance), *shape))
        after = []
        for i, prior in enumerate(model.periods[t]):
            found = values[t, i]
            x = lines(np.asarray(mechanism[f"x_{i + 1}_{t + 1}"], dtype=float), shape, i)
            xi = np.asarray(mechanism[f"xi_{i + 1}_{t + 1}"], dtype=float)
            rest = lines(chances(model, t), shape, i)[0].sum(axis=-1)
            weight = chance[:, None] * rest
            phit = _back(found.phit, shape, i)
            best, served = np.maximum(best, phit), served + phit * _back(x, shape, i)
            rent = np.concatenate(
                [np.zeros_like(x[..., :1]), np.cumsum(x[..., :-1] * np.diff(prior.v), axis=-1)], axis=-1
            )
            lowest = balance[i][:, None] + xi - rent @ prior.f
            where = f"in period {t + 1}, buyer {i + 1}"
            moved = weight[..., None] * (prior.f * found.eta)[..., :-1] * np.diff(x, axis=-1)
            kept = weight * (found.beta - found.g @ prior.f) * lowest
            idle = rest * xi * (1 - chance @ found.beta)
            for name, part in zip(_CONDITIONS[1:], (moved, kept, idle), strict=True):
                sums[name].append((float(part.sum()), where))
            revenue += float((weight * (x @ (prior.f * prior.v))).sum() - rest @ xi)
            after.append(_back(lowest[..., None] + rent, shape, i).ravel())
        f = chances(model, t).reshape(shape)
        optimum += float((chance.reshape(-1, *[1] * len(shape)) * f * best).sum())
        lost = chance.reshape(-1, *[1] * len(shape)) * f * (best - served)
        sums[_CONDITIONS[0]].append((float(lost.sum()), f"in period {t + 1}"))
        chance, balance = np.outer(chance, f.ravel()).ravel(), after
    findings = [Finding(name, sum(x for x, _ in parts), max(parts)[1]) for name, parts in sums.items()]
    return Report(optimum, revenue, tuple(findings))


_CONDITIONS = (
    "the good goes to the highest ironed virtual value that is not negative",
    "values ironed together get the same",
    "balances are spent wherever they would pay for more",
    "utility is promised only where it is worth what it costs: E_b[beta] = 1 or xi = 0",
)


def _back(table: Array, shape: tuple[int, ...], i: int) -> Array:
    """Lines (N_t, others, n_i) as a table (N_t, n_1, .., n_k)."""
    others = shape[:i] + shape[i + 1 :]
    return np.moveaxis(table.reshape(len(table), *others, shape[i]), -1, i + 1)
