"""`mechopt list`, `show` and `schema`: what there is, and what an instance says before it is solved."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from mechopt.commands.common import Changes, Json, Name, app, say


@app.command("list")
def list_models(as_json: Json = False) -> None:
    """The models and the catalog of named instances."""
    from mechopt.instance import catalog, parse
    from mechopt.registry import ENTRIES

    named = [{"name": name, **{k: data.get(k) for k in ("model", "name", "source")}, "key": name}
             for name, data in ((n, parse(t, n, False)) for n, t in catalog().items())]  # fmt: skip
    rows = [{"name": row["key"], "model": row["model"], "title": row["name"], "source": row["source"]} for row in named]
    models = [{"name": e.name, "title": e.title, "source": e.source} for e in ENTRIES]
    if as_json:
        say(json.dumps({"models": models, "catalog": rows}, indent=1))
        return
    say("models")
    for model in models:
        say(f"  {model['name']:<24} {model['title']} ({model['source']})")
    say("catalog")
    for row in rows:
        say(f"  {row['name']:<30} {row['title']} ({row['source']})")


@app.command()
def show(
    name: Name,
    changes: Changes = None,
    latex: Annotated[bool, typer.Option("--latex", help="The program and its dual in LaTeX.")] = False,
) -> None:
    """An instance, its program in words, and its size before building it."""
    from mechopt.instance import load

    instance = load(name, changes or ())
    if latex:
        from mechopt.reporting.formulas import latex as formulas

        say("\n\n".join(formulas(instance.entry.name, instance.model).values()))
        return
    say(f"model       {instance.entry.name}: {instance.entry.title}")
    if instance.name:
        say(f"name        {instance.name}")
    say(f"source      {instance.source or instance.entry.source}")
    for key, value in instance.model.parameters().items():
        text = json.dumps(value)
        say(f"{key:<11} {text if len(text) < 90 else text[:87] + '...'}")
    size = instance.model.size()
    say(f"size        {size}{'' if size.fits else ', more than is free'}")
    say("")
    say(instance.model.words())


@app.command()
def schema(model: Annotated[str, typer.Argument(metavar="MODEL")]) -> None:
    """The JSON Schema of a model's instance file."""
    from mechopt.instance import schema as build

    say(json.dumps(build(model), indent=1))
