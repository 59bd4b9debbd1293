"""The tables of docs/samplers.md, printed from the rows: `python -m pipelines.samplers.table`."""

from __future__ import annotations

from pipelines.samplers.rows import PLACED, SAMPLERS, Sampler
from pipelines.samplers.schedules import SCHEDULES


def samplers() -> str:
    """One line a sampler, Markdown."""
    head = ("| Sampler | diffusers | order | calls in n steps | noise | Automatic is | schedules | for | remarks |"
            "\n|---|---|---|---|---|---|---|---|---|")
    return "\n".join([head, *(_line(row) for row in SAMPLERS)])


def _line(row: Sampler) -> str:
    if row.broken:
        return f"| ~~{row.name}~~ | none | {row.order} | | | | | | broken: {row.broken}; use {row.instead} |"
    schedules = "all" if row.schedules is PLACED else ", ".join(row.schedules)
    return (f"| {row.name} | {row.scheduler} | {row.order} | {calls(row)} | "
            f"{'fresh each step' if row.stochastic else 'none'} | "
            f"{'its own' if row.automatic == 'Automatic' else row.automatic} | {schedules} | "
            f"{', '.join(row.recommended_for).replace('_', ' ')} | {row.note} |")


def calls(row: Sampler) -> str:
    """"2n - 1" and the like."""
    each = "n" if row.calls_per_step == 1 else f"{row.calls_per_step}n"
    return each + (f" {'+' if row.extra_calls > 0 else '-'} {abs(row.extra_calls)}" if row.extra_calls else "")


def schedules() -> str:
    """One line a schedule type, Markdown."""
    lines = ["| Schedule type | also known as | remarks |", "|---|---|---|"]
    for row in SCHEDULES:
        name, remark = (f"~~{row.name}~~", f"broken: {row.broken}; use {row.instead}") if row.broken else (row.name,
                                                                                                           row.note)
        lines.append(f"| {name} | {', '.join(row.aliases)} | {remark} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(samplers(), schedules(), sep="\n\n")
