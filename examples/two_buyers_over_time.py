"""Two buyers, two periods: bank accounts make a mechanism truthful over time, and every promise can be checked.

Any mechanism whose periods are truthful (IC), whose expected utility does not depend on balances (BI) and whose
accounts are never overdrawn (BU) is truthful over time and never a loss in total. Charging what goes on the account at
once makes no period a loss, and costs truth within the period, though not over time.
"""

from fractions import Fraction

import mechopt as mo
from mechopt.models.dynamic.bank_account_sources import of_points
from mechopt.models.dynamic.dynamic_audit import audit
from mechopt.models.dynamic.dynamic_transforms import per_period_ir

week = {"values": [1, 2, 4], "probabilities": ["1/2", "1/4", "1/4"]}
sale = {"values": [1, 6], "probabilities": ["3/4", "1/4"]}
result = mo.solve(mo.DynamicAuction(periods=[[week, week], [sale, sale]]), gap=1e-6)
assert result.bounds.certified
print(f"revenue {result.value:.6f}, the best auctions period by period earn {result.quantities['static_revenue']:.6f}")

mechanism = of_points(result.model.periods, result.arrays, exact=True)
assert mechanism.expected_revenue() == Fraction(result.certificate["finite"]["lower"])

run = mechanism.start()
for t, bids in enumerate(([4, 2], [1, 1]), 1):
    record = run.bid(bids)
    for i, bid in enumerate(bids):
        row = [float(getattr(record, name)[i]) for name in ("allocation", "payment", "spend", "deposit", "balance")]
        told = "gets {:.3g}, pays {:.4g}, spends {:.4g}, saves {:.4g}, has {:.4g}".format(*row)
        print(f"period {t}, buyer {i + 1} bids {bid}: {told}")

found = audit(mechanism)
assert all(found[name].violation == 0 for name in ("IC", "BI", "BU", "DIC", "eP-IR", "PPIC", "INDU", "PFIR", "PEIR"))
print(f"every strategy of reports checked; a single period may lose a buyer {float(found['PPIR'].violation):.4g}")

changed = audit(per_period_ir(mechanism))
assert all(changed[name].violation == 0 for name in ("DIC", "eP-IR", "PPIR"))
assert changed["PPIC"].violation > 0
assert changed["INDU"].violation > 0
print(f"charged at once: no period loses, a lie gains {float(changed['PPIC'].violation):.4g} now and costs it later")
