"""A result: the document of the interface, labelled arrays, the certificate, and the mechanism one can call."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import mechopt
from mechopt import registry
from mechopt.files import FILES, RESULT, digest, pack, read_json, require_free, unpack, write
from mechopt.instance import finite
from mechopt.models.inputs import fail
from mechopt.models.outcome import Array, Bounds, ClosedForm, Labelled, Outcome

if TYPE_CHECKING:
    import pandas
    import xarray
    from matplotlib.figure import Figure

    from mechopt.verification import Verification

FORMAT = 1


class MechanismView:
    """The mechanism of a result: tables over the finite program's types, and a function of any values."""

    def __init__(self, result: Result) -> None:
        self._result = result

    @property
    def allocation(self) -> xarray.DataArray:
        """Probability of each good, by type."""
        return self._result.array("allocation")

    @property
    def payment(self) -> xarray.DataArray:
        """Expected payment, by type, money."""
        return self._result.array("payment")

    def to_frame(self) -> pandas.DataFrame:
        """One row per type: its values, allocation and payment; for auctions, per profile, bidder and good."""
        import pandas
        import xarray

        arrays = self._result.arrays
        if "values" in arrays:
            tables = {name: self._result.array(name) for name in ("values", "allocation", "payment")}
            return xarray.Dataset(tables).to_dataframe().reset_index()
        allocation = arrays["allocation"]
        columns: dict[str, Any] = {
            name: coord[1] for name, coord in allocation.coords.items() if name.startswith("value_")
        }
        for j, label in enumerate(allocation.coords["good"]):
            columns[f"allocation of {label}"] = allocation.values[:, j]
        columns["payment"] = arrays["payment"].values
        return pandas.DataFrame(columns)

    def __call__(self, values: Any) -> tuple[Array, Array]:
        """Allocation (..., J) and payment (...) at any values (..., J): the mechanism that proves the upper bound."""
        function = self._result.entry.load("mechanism")(self._result.model, self._result.arrays)
        allocation, payment = function(np.asarray(values, dtype=float))
        return allocation, payment


@dataclass(frozen=True)
class Result:
    """What `solve` returns and `save` writes."""

    document: Mapping[str, Any]
    arrays: Mapping[str, Labelled]
    certificate: Mapping[str, Any] | None
    entry: registry.Entry

    @classmethod
    def of(cls, entry: registry.Entry, model: Any, outcome: Outcome, name: str | None) -> Result:
        """Dress a model's outcome as a result."""
        parameters = model.parameters()
        bounds = None if outcome.bounds is None else asdict(outcome.bounds)
        document: dict[str, Any] = {
            "mechopt": mechopt.__version__,
            "model": entry.name,
            "name": name,
            "instance": {"model": entry.name, "parameters": parameters},
            "status": outcome.status.word,
            "message": outcome.status.value,
            "value": finite(outcome.value),
            "bounds": bounds,
            "closed_form": None if outcome.closed_form is None else asdict(outcome.closed_form),
            "quantities": dict(outcome.quantities),
            "statistics": asdict(outcome.statistics),
            "residuals": {k: finite(v) for k, v in asdict(outcome.residuals).items()},
            "method": outcome.method,
            "notes": list(outcome.notes),
            "files": dict(FILES) if outcome.certificate is not None else {"arrays": FILES["arrays"]},
            "arrays": {
                key: {"dims": list(a.dims), "coords": sorted(a.coords), "role": a.role}
                for key, a in outcome.arrays.items()
            },
        }
        certificate = None
        if outcome.certificate is not None:
            certificate = {
                "format": FORMAT, "model": entry.name, "instance": parameters, "status": document["status"],
                "value": document["value"], "bounds": bounds, **outcome.certificate,
            }  # fmt: skip
        return cls(document, outcome.arrays, certificate, entry)

    @property
    def value(self) -> float:
        """Optimum of the finite program, as the solver reports it; NaN when there is none."""
        return float("nan") if self.document["value"] is None else float(self.document["value"])

    @property
    def status(self) -> str:
        """CVXPY's word for why the solver stopped."""
        return str(self.document["status"])

    @property
    def bounds(self) -> Bounds:
        """Proven bounds of the stated problem. Raises ValueError when there are none."""
        if self.document["bounds"] is None:
            raise ValueError("this result has no bounds: the solver stopped before any could be proved")
        return Bounds(**self.document["bounds"])

    @property
    def closed_form(self) -> ClosedForm | None:
        """The theorem's number, None where no theorem covers the instance."""
        found = self.document["closed_form"]
        return None if found is None else ClosedForm(**found)

    @property
    def quantities(self) -> Mapping[str, Any]:
        """The model's own named scalars and short lists."""
        return dict(self.document["quantities"])

    @cached_property
    def model(self) -> Any:
        """The model object, rebuilt from the instance."""
        return self.entry.load("model")(**self.document["instance"]["parameters"])

    @property
    def mechanism(self) -> Any:
        """The mechanism: `.allocation`, `.payment`, `.to_frame()`, and callable at any values.

        Mechanisms that unfold over time are objects of their own, which the page of their model describes.
        """
        if self.entry.own_mechanism:
            return self.entry.load("mechanism")(self.model, self.arrays)
        return MechanismView(self)

    @property
    def worst_case(self) -> xarray.DataArray:
        """Nature's distribution: a probability for each type of the finite program."""
        return self.array("worst_case")

    @property
    def dual(self) -> dict[str, xarray.DataArray]:
        """The paper's multipliers by the paper's letters."""
        return {name: self.array(name) for name, a in self.arrays.items() if a.role == "dual"}

    def array(self, name: str) -> xarray.DataArray:
        """Any of the result's arrays, labelled. Raises KeyError naming those there are."""
        import xarray

        if name not in self.arrays:
            raise KeyError(f"no array {name!r}; there are {', '.join(self.arrays)}")
        found = self.arrays[name]
        return xarray.DataArray(found.values, dims=found.dims, coords=dict(found.coords), name=name)

    def verify(self) -> Verification:
        """Re-check the certificate in rationals, as `mechopt verify` does."""
        from mechopt.verification import verify_documents

        return verify_documents(self.document, self.certificate)

    def plot(self, kind: str | None = None) -> Figure:
        """The picture of this result. Raises InputError for a kind there is not."""
        figure: Figure = self.entry.load("picture")(self, kind)
        return figure

    def summary(self) -> str:
        """About a dozen lines for people."""
        from mechopt.summary import summary

        return summary(self)

    def to_frame(self) -> pandas.DataFrame:
        """One row with the columns of a sweep's table; units in `frame.attrs["columns"]`."""
        from mechopt.sweeping.frame import row, table

        return table([row(self.document) | {"state": "done"}], [])

    def to_json(self) -> str:
        """The result document."""
        return json.dumps(self.document, indent=1, allow_nan=False)

    def save(self, path: str | Path, force: bool = False) -> Path:
        """Write result.json, arrays.npz and certificate.json to a directory; result.json last, each file atomically.

        Raises InputError when the directory already holds a result and `force` is not given.
        """
        folder = Path(path)
        require_free(folder, force)
        folder.mkdir(parents=True, exist_ok=True)
        for stale in (RESULT, *FILES.values()):
            (folder / stale).unlink(missing_ok=True)
        packed = pack(self.arrays)
        write(folder / FILES["arrays"], packed)
        if self.certificate is not None:
            sealed = {
                **self.certificate,
                "arrays_sha256": hashlib.sha256(packed).hexdigest(),
                "result_sha256": digest(self.document),
            }
            sealed["digest"] = digest(sealed)
            write(folder / FILES["certificate"], json.dumps(sealed, allow_nan=False).encode())
        write(folder / RESULT, self.to_json().encode())
        return folder

    @classmethod
    def load(cls, path: str | Path) -> Result:
        """Read a saved result. Raises InputError when the directory holds none, or one that cannot be read."""
        folder = Path(path)
        document = read_json(folder / RESULT, f"{folder}")
        entry = registry.find(document.get("model"))
        try:
            arrays = unpack(folder / FILES["arrays"], document["arrays"])
        except (OSError, KeyError, ValueError) as error:
            raise fail(str(folder / FILES["arrays"]), "the arrays of the result", str(error)) from None
        certificate = None
        if "certificate" in document.get("files", {}):
            certificate = read_json(folder / FILES["certificate"], str(folder))
        return cls(document, arrays, certificate, entry)
