"""Every wrong `design` instance: exit code 2 and a line that says field, expected, got and the nearest sensible one."""

import json

import pytest

GRID = "[parameters.environment]\nupper = [1]\npoints = 2\n"
PRIOR = "[parameters.criterion]\nprior = { uniform = true }\n"
TWO = "[parameters.environment]\nbidders = 2\nupper = [1]\npoints = 2\n"


def toml(environment=GRID, criterion=PRIOR, rest=""):
    return f'model = "design"\n{environment}{criterion}{rest}'


def criterion(text):
    return toml(criterion=f"[parameters.criterion]\n{text}\n")


def ambiguity(text, kind="worst-case"):
    return criterion(f'kind = "{kind}"\n[parameters.criterion.ambiguity]\n{text}')


def environment(text):
    return toml(environment=f"[parameters.environment]\n{text}\n")


def restricted(text, where=GRID):
    return toml(where, rest=f"[parameters.restrictions]\n{text}\n")


E = "parameters.environment"
C = "parameters.criterion"
R = "parameters.restrictions"
BAD = {
    "no environment": (toml(environment="[parameters]\n"), E, "a value"),
    "no types": (environment("bidders = 2"), f"{E}.upper", "upper and points"),
    "two forms": (environment("upper = [1]\npoints = 2\ntypes = [[[1]]]"), f"{E}.types", "write upper"),
    "no points": (environment("upper = [1]"), f"{E}.points", "write points"),
    "points beside types": (environment("types = [[[1]]]\npoints = 2"), f"{E}.points", "belongs to a grid"),
    "unknown field": (environment("upper = [1]\npoints = 2\nbuyers = 2"), f"{E}.buyers", "no such field"),
    "NaN": (environment("upper = [nan]\npoints = 2"), f"{E}.upper[0]", "finite"),
    "upper below lower": (environment("upper = [1]\nlower = [2]\npoints = 2"), f"{E}.upper[0]", "above"),
    "negative lower": (environment("upper = [1]\nlower = [-1]\npoints = 2"), f"{E}.lower[0]", "at least 0"),
    "costs": (environment("upper = [1]\ncost = [1, 2]\npoints = 2"), f"{E}.cost", "one per good"),
    "negative cost": (environment("upper = [1]\ncost = [-1]\npoints = 2"), f"{E}.cost[0]", "at least 0"),
    "repeated type": (environment("types = [[[1], [1]]]"), f"{E}.types[0][1]", "not listed before"),
    "unsorted types": (environment("types = [[[2], [1]]]"), f"{E}.types[0]", "increasing"),
    "negative type": (environment("types = [[[-1], [1]]]"), f"{E}.types[0][0]", "at least 0"),
    "ragged types": (environment("types = [[[1, 2], [1]]]"), f"{E}.types[0][1]", "2 values"),
    "empty types": (environment("types = [[]]"), f"{E}.types[0]", "at least one type"),
    "too many bidders": (environment("bidders = 99\nupper = [1]\npoints = 1"), f"{E}.bidders", "at most 6"),
    "too many profiles": (environment("bidders = 6\nupper = [1]\npoints = 99"), E, "1,000,000,000,000 profiles"),
    "too many points": (environment("upper = [1, 1]\npoints = 999"), f"{E}.points", "at most 200,000 types"),
    "expectation without a prior": (toml(criterion=""), f"{C}.prior", "uniform = true"),
    "regret without a support": (criterion('kind = "regret"'), f"{C}.ambiguity", 'kind = "support"'),
    "kind": (criterion('kind = "best"'), f"{C}.kind", "expected"),
    "measure": (criterion('measure = "fame"'), f"{C}.measure", "revenue, welfare"),
    "nothing measured": (criterion("measure = { revenue = 0 }"), f"{C}.measure", "not zero"),
    "regret of sales": (
        criterion('measure = "sale"\nkind = "regret"\nambiguity = { kind = "support" }'),
        f"{C}.measure",
        "full surplus",
    ),
    "prior and set": (
        criterion('kind = "regret"\nprior = { uniform = true }\nambiguity = { kind = "support" }'),
        f"{C}.ambiguity",
        "both",
    ),
    "expected over a set": (criterion('ambiguity = { kind = "support" }'), f"{C}.kind", "worst-case"),
    "no radius": (ambiguity('kind = "box"\ncentre = { uniform = true }'), f"{C}.ambiguity.radius", "write radius"),
    "negative radius": (
        ambiguity('kind = "box"\nradius = -1\ncentre = { uniform = true }'),
        f"{C}.ambiguity.radius",
        "at least 0",
    ),
    "no centre": (ambiguity('kind = "wasserstein"\nradius = 1'), f"{C}.ambiguity.centre", "samples or csv"),
    "radius of a support": (ambiguity('kind = "support"\nradius = 1'), f"{C}.ambiguity.radius", "wasserstein"),
    "samples too short": (
        ambiguity('kind = "wasserstein"\nradius = 1\nsamples = [[1, 2]]'),
        f"{C}.ambiguity.samples[0]",
        "1 values",
    ),
    "samples between types": (
        ambiguity('kind = "box"\nradius = 1\nsamples = [[0.3]]'),
        f"{C}.ambiguity.samples[0]",
        "between the types",
    ),
    "no such file": (
        ambiguity('kind = "wasserstein"\nradius = 1\ncsv = "nothing.csv"'),
        f"{C}.ambiguity.csv",
        "readable",
    ),
    "moments in conflict": (
        ambiguity("moments = [{ at_least = 2 }]", "regret"),
        f"{C}.ambiguity",
        "none with the moments",
    ),
    "moment of nothing": (ambiguity("moments = [{ power = 2 }]"), f"{C}.ambiguity.moments[0].at_least", "both"),
    "moment of nobody": (
        ambiguity("moments = [{ bidder = 2, at_least = 0 }]"),
        f"{C}.ambiguity.moments[0].bidder",
        "from 1 to 1",
    ),
    "empty support": (
        ambiguity("support = [{ weights = [[1]], at_most = -1 }]"),
        f"{C}.ambiguity.support",
        "at least one profile",
    ),
    "prior sums to two": (criterion("prior = { marginals = [[1, 1, 0]] }"), f"{C}.prior.marginals[0]", "sum to 1"),
    "prior too short": (criterion("prior = { marginals = [[1]] }"), f"{C}.prior.marginals[0]", "3 probabilities"),
    "negative prior": (criterion("prior = { joint = [2, -1, 0] }"), f"{C}.prior.joint[1]", "at least 0"),
    "empty prior": (criterion("prior = {}"), f"{C}.prior", "uniform"),
    "bayesian without a prior": (
        toml(rest='[parameters.incentives]\ntruth = "bayesian"\n'),
        "parameters.incentives.priors",
        'truth = "ex-post"',
    ),
    "priors for nothing": (
        toml(rest="[parameters.incentives]\npriors = [{ uniform = true }]\n"),
        "parameters.incentives.priors",
        "bayesian",
    ),
    "nobody has to be willing": (
        toml(rest='[parameters.incentives]\nparticipation = "none"\n'),
        "parameters.incentives.participation",
        "budgets",
    ),
    "paying the buyers": (
        criterion("measure = { utility = 2, revenue = 1 }\nprior = { uniform = true }"),
        f"{C}.measure",
        "welfare",
    ),
    "efficient with a reserve": (
        restricted('efficient = true\nreserve = ["1/2"]', TWO),
        f"{R}.reserve",
        "highest_bidder_only",
    ),
    "strangers treated alike": (
        restricted("anonymous = true", "[parameters.environment]\nupper = [[1], [2]]\npoints = 2\n"),
        f"{R}.anonymous",
        "same types",
    ),
    "budgets": (restricted("budgets = [1, 1, 1]", TWO), f"{R}.budgets", "one per bidder"),
    "negative budget": (restricted("budgets = [-1]"), f"{R}.budgets[0]", "at least 0"),
    "floor without a number": (
        restricted('floors = [{ measure = "sale", prior = { uniform = true } }]'),
        f"{R}.floors[0].at_least",
        "write at_least",
    ),
    "row of nobody": (
        restricted('rows = [{ name = "a", terms = [{ bidder = 3, types = [1], coefficient = 1 }] }]'),
        f"{R}.rows[0].terms[0].bidder",
        "from 1 to 1",
    ),
    "method": (toml(rest='[solve]\nmethod = "magic"\n'), "solve.method", "lazy or all-rows"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_designs(refuses, case):
    refuses(*BAD[case])


def test_a_conflict_exits_with_three_and_names_its_parts(run):
    floors = 'floors = [{ measure = "welfare", at_least = 5, prior = { uniform = true } }]'
    done = run("solve", "-", text=restricted(floors), code=3)
    assert done.stderr.startswith(
        "error: restrictions.floors[0]: expected parts some mechanism satisfies together, got"
    )
    assert "no more than the supply of a good is sold" in done.stderr
    document = json.loads(run("solve", "-", "--json", text=restricted(floors), code=3).stdout)
    assert document["status"] == "infeasible"


def test_show_tells_rows_and_latex(run):
    done = run("show", "design/welfare-floor")
    assert "nobody gains by a misreport" in done.stdout
    text = run("show", "design/welfare-floor", "--latex").stdout
    assert r"\begin{align*}" in text


def test_the_schema_knows_the_four_parts(run):
    schema = json.loads(run("schema", "design").stdout)
    fields = schema["properties"]["parameters"]["properties"]
    assert list(fields) == ["environment", "incentives", "criterion", "restrictions"]
