"""What a grant or rule means for the tools that are known now, so that a pattern does not do more than was meant."""

from portero.cli.output import Output
from portero.cli.place import load_settings
from portero.cli.text import visible
from portero.domain.events import CatalogueTool
from portero.domain.ids import Millis
from portero.domain.patterns import Pattern
from portero.domain.policy import ConfigPolicy, decide_policy
from portero.domain.values import Action
from portero.errors import ConfigError
from projections import View

SHOWN = 5

Tools = list[tuple[str, CatalogueTool]]


def tell_covered(out: Output, view: View, pattern: str) -> Tools:
    """Says how many known tools match, and returns them."""
    parsed = Pattern.parse(pattern)
    tools = [(name, tool) for name, tool in view.upstreams.tools() if parsed.matches_name(name)]
    if tools:
        plural = "s" if len(tools) > 1 else ""
        out.line(f"It covers {len(tools)} known tool{plural}: {_some([name for name, _ in tools])}.")
    else:
        out.line("No tool that is known now matches it. `portero status` shows the servers.")
    return tools


def tell_allowed(out: Output, view: View, pattern: str, about_denials: str) -> None:
    """Says also which of them destroy, and which policies.json denies; ``about_denials`` says what becomes of those."""
    tools = tell_covered(out, view, pattern)
    destroying = [name for name, tool in tools if tool.facts.destructive]
    if destroying:
        out.line(f"Destructive by their own account: {_some(destroying)}.")
    config = _configured_policy()
    denied = [name for name, _ in tools if config is not None and _configured(name, config) is Action.DENY]
    if denied:
        out.line(f"policies.json denies {_some(denied)}: {about_denials}")


def _configured_policy() -> ConfigPolicy | None:
    """None where the configuration of this directory cannot be used."""
    try:
        return load_settings().policy
    except ConfigError:
        return None


def _configured(tool: str, config: ConfigPolicy) -> Action:
    return decide_policy(tool, None, config=config, rules=(), grants=(), locked=False, now=Millis(0)).action


def _some(names: list[str]) -> str:
    shown = ", ".join(visible(name) for name in names[:SHOWN])
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown
