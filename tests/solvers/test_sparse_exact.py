"""Exact factors of sparse matrices: against dense rational solves, both ways, and what they refuse."""

import random

import flint
import pytest

from mechopt.solvers.sparse_exact import Factors


def random_rows(size, rng, density=0.3):
    rows = [{} for _ in range(size)]
    for i in range(size):
        rows[i][(i * 7 + 3) % size] = flint.fmpq(rng.randint(1, 9), rng.randint(1, 7))
        for j in range(size):
            if rng.random() < density:
                rows[i][j] = flint.fmpq(rng.choice([-3, -1, 1, 2, 5]), rng.randint(1, 9))
    return rows


@pytest.mark.parametrize("size", [1, 2, 5, 13, 30])
def test_both_solves_are_exact(size):
    rng = random.Random(size)
    solved = 0
    for _ in range(20):
        rows = random_rows(size, rng)
        dense = flint.fmpq_mat(size, size, [row.get(j, 0) for row in rows for j in range(size)])
        right = [flint.fmpq(rng.randint(-9, 9), rng.randint(1, 5)) for _ in range(size)]
        if dense.det() == 0:
            with pytest.raises(ValueError, match="singular"):
                Factors(rows)
            continue
        factors = Factors(rows)
        column = flint.fmpq_mat(size, 1, right)
        assert dense * flint.fmpq_mat(size, 1, factors.solve(right)) == column
        assert dense.transpose() * flint.fmpq_mat(size, 1, factors.solve_transposed(right)) == column
        solved += 1
    assert solved >= 5


def test_nearly_singular_for_floats_is_solved_all_the_same():
    tiny = flint.fmpq(1, 10**40)
    one = flint.fmpq(1)
    rows = [{0: one, 1: one}, {0: one, 1: one + tiny}]
    try:
        found = Factors(rows).solve([flint.fmpq(2), flint.fmpq(2) + tiny])
    except ValueError:  # SuperLU sees a singular matrix: refused, never wrong
        return
    assert found == [1, 1]


def test_no_rows_and_empty_rows():
    assert Factors([]).solve([]) == []
    with pytest.raises(ValueError, match="singular"):
        Factors([{}])
    with pytest.raises(ValueError, match="singular"):
        Factors([{0: flint.fmpq(1)}, {0: flint.fmpq(2)}])
