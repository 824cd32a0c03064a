"""Every wrong price list: exit code 2 and a line that says field, expected, got, and what to do."""

import pytest

import mechopt as mo

BOTH = '"1+2" = 1\n'


def toml(prices=None, parameters="upper = [1, 1]", solve=""):
    table = "" if prices is None else f"[parameters.prices]\n{prices}"
    return f'model = "posted-prices"\n[parameters]\n{parameters}\n{table}\n{solve}\n'


BAD = {
    "no such good": (toml(BOTH + "3 = 1"), "parameters.prices.3", "goods from 1 to 2"),
    "no such good in a bundle": (toml(BOTH + '"1+7" = 1'), "parameters.prices.1+7", "goods from 1 to 2"),
    "good zero in a bundle": (toml(BOTH + '"0+1" = 1'), "parameters.prices.0+1", "goods from 1 to 2"),
    "a good twice": (toml(BOTH + '"1+1" = 1'), "parameters.prices.1+1", "good 1 once"),
    "a bundle twice": (toml(BOTH + '"2+1" = 1'), "parameters.prices.2+1", '"1+2" is the same one'),
    "the empty bundle twice": (toml(BOTH + '0 = 0\n"" = 0'), "parameters.prices.", "listed before"),
    "not a bundle": (toml(BOTH + '"first" = 1'), "parameters.prices.first", 'joined by "+"'),
    "negative good": (toml(BOTH + '"-1" = 1'), "parameters.prices.-1", 'joined by "+"'),
    "a comma": (toml(BOTH + '"1,2" = 1'), "parameters.prices.1,2", 'joined by "+"'),
    "a digit that is none": (toml(BOTH + '"²" = 1'), "parameters.prices.²", 'joined by "+"'),
    "empty bundle sold": (toml(BOTH + "0 = 0.5"), "parameters.prices.0", "free to leave"),
    "empty bundle paid for": (toml(BOTH + "0 = -1"), "parameters.prices.0", "paid to leave"),
    "grand bundle missing": (toml("1 = 0.5\n2 = 0.5"), "parameters.prices", "price it above the sum of upper"),
    "no prices at all": (toml(""), "parameters.prices", 'the bundle of all goods, "1+2", got none'),
    "negative price": (toml(BOTH + "1 = -0.1"), "parameters.prices.1", "at least 0"),
    "NaN": (toml(BOTH + "1 = nan"), "parameters.prices.1", "finite"),
    "infinity": (toml(BOTH + "1 = inf"), "parameters.prices.1", "finite"),
    "text": (toml(BOTH + '1 = "half"'), "parameters.prices.1", "finite number"),
    "huge": (toml(BOTH + "1 = 1e300"), "parameters.prices.1", "1e15"),
    "boolean": (toml(BOTH + "1 = true"), "parameters.prices.1", "number"),
    "a list of prices": (toml(parameters="upper = [1, 1]\nprices = [1, 2]"), "parameters.prices", "a table"),
    "no goods": (toml(parameters="upper = []"), "parameters.upper", "one positive number per good"),
    "upper missing": (toml(parameters="cost = [1]"), "parameters.upper", "one positive number per good"),
    "upper zero": (toml(parameters="upper = [1, 0]"), "parameters.upper[1]", "positive"),
    "upper negative": (toml(parameters="upper = [-1]"), "parameters.upper[0]", "positive"),
    "cost negative": (toml(parameters="upper = [1]\ncost = [-1]"), "parameters.cost[0]", "at least 0"),
    "cost too short": (toml(BOTH, "upper = [1, 1]\ncost = [0]"), "parameters.cost", "2 numbers, one per good"),
    "lower": (toml(parameters="upper = [1]\nlower = [0]"), "parameters.lower", "no such field"),
    "points zero": (toml(parameters="upper = [1]\npoints = 0"), "parameters.points", "at least 1"),
    "points fractional": (toml(parameters="upper = [1]\npoints = 1.5"), "parameters.points", "integer"),
    "points and prices": (toml(BOTH, "upper = [1, 1]\npoints = 2"), "parameters.points", "the whole box"),
    "too many goods": (toml(parameters=f"upper = {[1] * 40}"), "parameters.upper", "2^40 bundles"),
    "too many to seek prices": (toml(parameters=f"upper = {[1] * 12}"), "parameters.upper", "4,096 bundles"),
    "too fine a grid": (toml(parameters="upper = [1, 1]\npoints = 1000"), "parameters.points", "1,002,001 profiles"),
    "method": (toml(BOTH, solve='[solve]\nmethod = "magic"'), "solve.method", "one way"),
    "gap": (toml(BOTH, solve="[solve]\ngap = -1"), "solve.gap", "greater than 0"),
    "solver option": (toml(solve="[solve.options]\nspeed = 1"), "solve.options", "speed"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_price_lists(refuses, case):
    refuses(*BAD[case])


def test_too_many_sign_patterns_are_counted_before_anything_is_built(run):
    goods = 18
    parameters = f"upper = {[1] * goods}\ncost = {[0.5] * goods}"
    grand = "+".join(str(j + 1) for j in range(goods))
    done = run("solve", "-", text=toml(f'"{grand}" = 5', parameters), code=2)
    assert "at most 1,024 bundles and 60,000 linear programs" in done.stderr
    assert "2 bundles for 18 goods, 262,145 programs of 1 rows, 18 columns" in done.stderr
    assert "262,145 linear programs" in run("show", "-", text=toml(f'"{grand}" = 5', parameters)).stdout


def test_every_problem_of_a_table_is_listed(run):
    done = run("solve", "-", text=toml('1 = -1\n3 = 1\n"2+1" = 1\n"1+2" = 1'), code=2)
    assert len(done.stderr.splitlines()) == 3


def test_python_raises_the_same_words():
    with pytest.raises(mo.InputError, match=r"prices.2\+1: expected a bundle not listed before"):
        mo.PostedPrices(upper=[1, 1], prices={"1+2": 1, "2+1": 1})
    with pytest.raises(mo.InputError, match="price it above the sum of upper"):
        mo.PostedPrices(upper=[1, 1], prices={"1": 1})
    assert mo.PostedPrices(upper=[1, 1], prices={" 2 + 1 ": 1, "0": 0, "1": "1/2"}).prices == {"1": 0.5, "1+2": 1}


def test_prices_can_be_changed_on_the_command_line(run):
    changes = [f"--set=parameters.prices.{bundle}={price}" for bundle, price in (("1+2", 0.9), (1, 0.7), (2, 0.4))]
    done = run("solve", "prices/two-goods-bundle", *changes)
    assert "[1.1, 1.1]" in done.stdout
    assert "prices       1: 0.7, 2: 0.4, 1+2: 0.9" in done.stdout
