"""``portero allow | deny | unrule | rules``: what holds until it is removed."""

import click

from portero.cli import shapes
from portero.cli.complete import rule_ids, tool_names
from portero.cli.effect import tell_allowed, tell_covered
from portero.cli.output import Output, json_option
from portero.cli.params import PATTERN
from portero.cli.session import Session, in_session
from portero.cli.text import visible
from portero.cli.times import clock, left, now
from portero.domain.grant import Grant
from portero.domain.ids import Millis, RuleId
from portero.domain.rule import Rule
from portero.domain.values import Action


@click.command(short_help="Always let matching tools run.")
@click.argument("pattern", type=PATTERN, shell_complete=tool_names)
@json_option
def allow(pattern: str, out: Output) -> None:
    """Lets tools that match PATTERN run without asking, until `portero unrule`. Beats policies.json, denials too."""
    _set(pattern, Action.ALLOW, out)


@click.command(short_help="Never let matching tools run.")
@click.argument("pattern", type=PATTERN, shell_complete=tool_names)
@json_option
def deny(pattern: str, out: Output) -> None:
    """Refuses tools that match PATTERN at once, until `portero unrule`. Overrides policies.json and every grant."""
    _set(pattern, Action.DENY, out)


def _set(pattern: str, action: Action, out: Output) -> None:
    async def run(session: Session) -> None:
        rule = await session.decisions.set_rule(pattern, action, session.by)
        await session.catch_up()
        state = session.view.rules.get(rule)
        if out.as_json:
            out.document(shapes.rule(state) if state else {"rule_id": rule})
            return
        verb = "run without asking" if action is Action.ALLOW else "are refused"
        out.line(f"Rule {rule}: calls of {visible(pattern)} {verb} from now on. `portero unrule {rule}` removes it.")
        if action is Action.ALLOW:
            tell_allowed(out, session.view, pattern, "this rule overrides that.")
        else:
            tell_covered(out, session.view, pattern)

    in_session(run)


@click.command(short_help="Remove a rule that was set with allow or deny.")
@click.argument("rule_id", metavar="ID", shell_complete=rule_ids)
@json_option
def unrule(rule_id: str, out: Output) -> None:
    """Removes the rule ID; from then on policies.json decides for its tools again."""

    async def run(session: Session) -> None:
        state = session.view.rules.get(RuleId(rule_id))
        await session.decisions.remove_rule(RuleId(rule_id), session.by)
        if out.as_json:
            out.document({"rule_id": rule_id, "removed": True})
        else:
            about = f" for {visible(state.pattern)}" if state else ""
            out.line(f"Removed rule {rule_id}{about}.")

    in_session(run)


@click.command(short_help="The rules and grants in force.")
@json_option
def rules(out: Output) -> None:
    """Lists the rules and the grants that hold now. policies.json comes after them; see `portero explain TOOL`."""

    async def run(session: Session) -> None:
        moment = now()
        held, grants = list(session.view.rules), session.view.grants.active(moment)
        if out.as_json:
            out.document(
                {
                    "count": len(held) + len(grants),
                    "rules": [shapes.rule(rule) for rule in held],
                    "grants": [shapes.grant(grant) for grant in grants],
                }
            )
            return
        rows = [*map(_rule_row, held), *(_grant_row(grant, moment) for grant in grants)]
        columns = ("ID", "Does", "Pattern", "Holds", "By", "Since")
        out.table(columns, rows, empty="No rule and no grant holds; policies.json decides.")

    in_session(run)


def _pattern(pattern: str, literal: bool) -> str:
    return f"{pattern} (this one name)" if literal and "*" in pattern else pattern


def _rule_row(rule: Rule) -> tuple[object, ...]:
    does = rule.action.value if rule.action else ""
    return rule.id, does, _pattern(rule.pattern, rule.literal), "until removed", rule.by, clock(rule.at)


def _grant_row(grant: Grant, moment: Millis) -> tuple[object, ...]:
    uses = f", {grant.uses_left} uses" if grant.uses_left is not None else ""
    client = f", {grant.client} only" if grant.client is not None else ""
    ends = f"ends {left(grant.expires_at, moment)}{uses}{client}"
    return grant.id, "grant", _pattern(grant.pattern, grant.literal), ends, grant.by, clock(grant.issued_at)
