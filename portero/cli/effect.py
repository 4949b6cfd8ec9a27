"""What a grant or rule means for the tools that are known now, so that a pattern does not do more than was meant."""

from portero.cli.output import Output
from portero.cli.text import visible
from portero.domain.events import CatalogueTool
from portero.domain.patterns import Pattern
from portero.domain.values import Action
from projections import View

SHOWN = 5


def matching(view: View, pattern: str) -> list[tuple[str, CatalogueTool]]:
    """The known tools that a pattern covers, by name."""
    parsed = Pattern.parse(pattern)
    return [(name, tool) for name, tool in view.upstreams.tools() if parsed.matches_name(name)]


def tell_effect(out: Output, view: View, pattern: str, action: Action) -> None:
    """Says how many tools match, and which of them destroy, or that there is none."""
    tools = matching(view, pattern)
    if not tools:
        out.line("No tool that is known now matches it. `portero status` shows the servers.")
        return
    out.line(f"It covers {len(tools)} known tool{'s' if len(tools) > 1 else ''}: {_some([name for name, _ in tools])}.")
    destroying = [name for name, tool in tools if tool.facts.destructive]
    if destroying and action is Action.ALLOW:
        out.line(f"Destructive by their own account: {_some(destroying)}.")


def _some(names: list[str]) -> str:
    shown = ", ".join(visible(name) for name in names[:SHOWN])
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown
