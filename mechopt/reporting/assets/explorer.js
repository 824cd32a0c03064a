"use strict";
// Looks up the mechanism at what the reader types: the nearest listed type, and every number the tables have there.
(function () {
  const tables = JSON.parse(document.getElementById("mechanism-data").textContent);
  const shown = (x) => (x === null ? "none" : String(Number(x.toPrecision(7))));

  function nearest(values, wanted) {
    let best = 0;
    values.forEach((v, k) => { if (Math.abs(v - wanted) < Math.abs(values[best] - wanted)) best = k; });
    return best;
  }

  function nearestRow(inputs, wanted) {
    let best = 0, least = Infinity;
    for (let k = 0; k < inputs[0].values.length; k += 1) {
      const far = Math.max(...inputs.map((input, j) => Math.abs(input.values[k] - wanted[j])));
      if (far < least) { least = far; best = k; }
    }
    return best;
  }

  function look(table, wanted) {
    if (table.kind === "profile") {
      const row = nearestRow(table.inputs, wanted);
      return {
        at: table.inputs.map((input) => input.values[row]),
        found: table.outputs.map((output) => [output.label, output.values[row]]),
      };
    }
    const place = table.inputs.map((input, j) => nearest(input.values, wanted[j]));
    return {
      at: table.inputs.map((input, j) => input.values[place[j]]),
      found: table.outputs.map((output) => [output.label, place.reduce((values, k) => values[k], output.values)]),
    };
  }

  function fill(output, table, fields) {
    const wanted = fields.map((field) => field.valueAsNumber);
    output.replaceChildren();
    if (wanted.some(Number.isNaN)) { output.textContent = "Type a number into every field."; return; }
    const { at, found } = look(table, wanted);
    const where = document.createElement("p");
    where.className = "note";
    where.textContent = "At " + table.inputs.map((input, j) => `${input.label} = ${shown(at[j])}`).join(", ") + ":";
    const list = document.createElement("table");
    for (const [label, value] of found) {
      const row = list.insertRow();
      row.insertCell().textContent = label;
      const cell = row.insertCell();
      cell.className = "number";
      cell.textContent = shown(value);
    }
    output.append(where, list);
  }

  tables.forEach((table, number) => {
    const box = document.querySelector(`fieldset[data-table="${number}"]`);
    const fields = [...box.querySelectorAll("input")];
    const output = box.querySelector("output");
    for (const event of ["input", "change"]) {
      fields.forEach((field) => field.addEventListener(event, () => fill(output, table, fields)));
    }
    fill(output, table, fields);
  });
})();
