"""Twenty ways in which the first Portero failed its users: where each is tried, and what is tried nowhere else."""

import ast
from pathlib import Path

import pytest

from handlers.calls.outcomes import Done
from portero.domain.values import Action, Kind, Status
from tests.gateway.house import open_house
from tests.handlers.replica import ADMIN, ALLOW_ALL, open_replica
from tests.log.support import everything, until
from tests.stores import Place

TESTS = Path(__file__).parent.parent
HERE = "handlers/test_twenty_failures.py"

TRIED: dict[str, tuple[str, ...]] = {
    "1 reading a resource went past policy, log and replacement": (
        f"{HERE}::test_no_kind_of_request_goes_past_the_gate",
        "gateway/test_gateway_offers.py::test_what_is_denied_is_not_fetched",
        "gateway/test_gateway_offers.py::test_what_is_asked_for_waits_for_a_person",
        "gateway/test_gateway_replacement.py::test_nothing_real_reaches_a_client",
    ),
    "2 a tool named like a pattern became a grant for a whole server": (
        f"{HERE}::test_a_name_that_is_a_pattern_is_unknown_and_makes_no_task",
        f"{HERE}::test_a_grant_made_with_an_approval_is_for_that_one_tool",
        "domain/test_policy.py::test_a_button_made_rule_is_for_the_tool_of_that_name_only",
        "cli/test_cli_decide.py::test_always_and_grant_are_for_that_one_tool_literally",
    ),
    "3 the approval card hid arguments": (
        "telegram/test_telegram_card_properties.py::test_every_leaf_is_shown_and_the_message_accepted",
        "telegram/test_telegram_card_properties.py::test_large_values_go_into_the_file_whole",
        "telegram/test_telegram_card_properties.py::test_foreign_text_is_never_live",
        "cli/test_cli_hostile.py::test_show_has_every_argument_in_full",
    ),
    "4 two buttons together ran a tool twice, or ran what was denied": (
        "telegram/test_telegram_races.py::test_all_pairs_of_buttons_by_two_people_on_two_replicas",
        "handlers/test_handlers_replicas.py::test_of_all_deciders_of_a_task_one_decides",
        "system/test_decisions_at_once.py::test_approve_and_reject_fired_together_from_two_processes_decide_once_each",
    ),
    "5 of twenty concurrent requests one was stored": (
        "system/test_decisions_at_once.py::test_twenty_concurrent_calls_that_need_approval_are_twenty_tasks",
        "gateway/test_gateway_calls.py::test_twenty_asked_calls_at_once_are_twenty_tasks",
    ),
    "6 a crash or a failed message left a task approved or executing for ever": (
        "system/test_crashes.py::test_killed_after_approval_the_call_runs_once_at_the_next_start",
        "system/test_crashes.py::test_killed_in_mid_execution_the_outcome_is_unknown_and_nothing_is_repeated",
        "handlers/test_handlers_execution.py::test_what_cannot_be_started_ends_as_an_error_and_waits_for_nobody",
        "telegram/test_telegram_troubles.py::test_telegram_fails_at_every_step",
    ),
    "7 a card that could not be sent killed the task, and nobody said so": (
        "handlers/test_handlers_time.py::test_a_message_that_fails_is_tried_again_and_the_call_waits",
        "telegram/test_telegram_troubles.py::test_the_bot_is_blocked_and_let_in_again",
    ),
    "8 a stranger's message ended the process, a bad command the polling": (
        "telegram/test_telegram_access.py::test_strangers_have_no_effect",
        "telegram/test_telegram_troubles.py::test_a_handler_that_breaks_stops_nothing",
        "telegram/test_telegram_troubles.py::test_wrong_words_get_an_answer_and_change_nothing",
    ),
    "9 pairing worked again and again, and made a whole group admin": (
        "telegram/test_telegram_access.py::test_pairing_is_off_when_somebody_is_configured",
        "telegram/test_telegram_access.py::test_five_wrong_codes_end_pairing_until_restart",
        "telegram/test_telegram_access.py::test_two_who_pair_at_once_on_two_replicas_become_one_admin",
        "telegram/test_telegram_access.py::test_a_group_without_user_ids_lets_nobody_decide",
    ),
    "10 a misspelt action ran the call, a corrupt file of rules meant none": (
        "settings/test_settings_files.py::test_a_wrong_policy_is_named",
        "handlers/test_handlers_upkeep.py::test_a_snapshot_that_cannot_be_read_costs_time_only",
        f"{HERE}::test_rules_outlive_the_replica_that_set_them",
    ),
    "11 a denial after the request was ignored at the approval": (
        "handlers/test_handlers_execution.py::test_a_rule_set_after_the_approval_is_obeyed_and_said",
        "handlers/test_handlers_replicas.py::test_approved_calls_and_a_denial_race_and_none_starts_behind_it",
    ),
    "12 a dead upstream stayed dead and was shown as connected": (
        "upstream/test_upstream_restart.py::test_a_crashed_server_is_back_by_itself_with_its_tools",
        "upstream/test_upstream_restart.py::test_what_happens_is_reported_once_and_only_when_it_changes",
    ),
    "13 children saw all secrets": (
        "upstream/test_upstream_processes.py::test_a_child_sees_the_basics_and_its_own_variables",
    ),
    "14 every call ended after a minute, approved ones too": (
        f"{HERE}::test_an_approved_call_may_take_as_long_as_its_server_reports_progress",
        "upstream/test_upstream_stdio.py::test_progress_keeps_a_call_alive_that_nobody_watches",
    ),
    "15 an empty or overlapping replacement destroyed results": (
        "settings/test_settings_replacements.py::test_a_replacement_without_a_real_is_skipped_and_named",
        "domain/test_replacement_tables.py::test_what_is_refused_and_how_it_is_said",
        "domain/test_replacement_matching.py::test_nothing_chains_and_nothing_in_a_replacement_has_a_meaning",
        "domain/test_replacement_matching.py::test_the_longest_of_those_that_begin_together_wins",
    ),
    "16 real values stood in errors, tasks and logs": (
        "system/test_nothing_real_at_rest.py::test_no_real_value_and_no_secret_is_left_in_any_byte",
        "handlers/test_handlers_outcomes.py::test_only_fakes_are_written_and_answered",
    ),
    "17 official clients rejected the pending answer of tools with an output schema": (
        "gateway/test_gateway_schemas.py::test_a_pending_answer_never_stands_for_promised_output",
        "gateway/test_gateway_sdk.py::test_it_accepts_a_pending_answer_where_it_was_promised_output",
    ),
    "18 counts were 0, the log empty, decisions not audited": (
        f"{HERE}::test_everything_that_people_decide_is_on_the_log_with_their_names",
        "telegram/test_telegram_commands.py::test_status_shows_things_as_they_are",
        "cli/test_cli_look.py::test_logs_say_who_did_what_oldest_first",
    ),
    "19 taps made while the bot was down were lost": (
        "telegram/test_telegram_troubles.py::test_ten_taps_while_the_bot_is_down",
    ),
    "20 one token, compared carelessly, after the whole body was parsed": (
        "gateway/test_gateway_admission.py::test_the_token_is_looked_at_before_the_body",
        "gateway/test_gateway_admission.py::test_a_body_that_says_it_is_too_large_is_refused_unread",
        "gateway/test_gateway_parts.py::test_a_token_is_its_clients",
        "settings/test_settings_files.py::test_clients_are_known_by_the_digests_of_their_tokens",
    ),
}


@pytest.mark.parametrize("failure", TRIED)
def test_each_is_tried_somewhere(failure: str) -> None:
    for place in TRIED[failure]:
        file, _, name = place.partition("::")
        names = {getattr(node, "name", "") for node in ast.parse((TESTS / file).read_text()).body}
        assert name in names, f"{place} is not there"


def test_there_are_twenty() -> None:
    assert [int(failure.split()[0]) for failure in TRIED] == list(range(1, 21))


# --- what is tried nowhere else ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "name"), [(Kind.TOOL, "do"), (Kind.RESOURCE, "made://one"), (Kind.PROMPT, "greet")])
async def test_no_kind_of_request_goes_past_the_gate(valkey: Place, kind: Kind, name: str) -> None:
    async with open_replica(valkey, policies=ALLOW_ALL) as replica:
        allowed = await replica.requests.call(replica.request(name, kind=kind))
        assert isinstance(allowed, Done)
        assert (await replica.types(allowed.call))[:3] == ["ToolCallRequested", "PolicyDecided", "ExecutionStarted"]
        await replica.decisions.set_rule("up/*", Action.DENY, ADMIN)
        assert not isinstance(await replica.requests.call(replica.request(name, kind=kind)), Done)


@pytest.mark.parametrize("name", ["fixture/*", "*", "fixture/ech*", "fixture/"])
async def test_a_name_that_is_a_pattern_is_unknown_and_makes_no_task(name: str) -> None:
    async with open_house(default=Action.ASK) as house, house.caller() as caller:
        await caller.error("tools/call", {"name": name, "arguments": {}})
        listed = await caller.document("portero/list_tasks")
        assert listed["count"] == 0


async def test_a_grant_made_with_an_approval_is_for_that_one_tool(valkey: Place) -> None:
    async with open_replica(valkey) as replica:
        call = await replica.ask("do", id="a")
        await replica.decisions.approve(call, ADMIN, grant_ms=60_000)
        await replica.becomes(call, Status.COMPLETED)
        await replica.done("do", id="b")
        await replica.ask("look", id="c")
        (grant,) = replica.view.grants
        assert (grant.pattern, grant.literal) == ("up/do", True)


async def test_rules_outlive_the_replica_that_set_them(valkey: Place) -> None:
    async with open_replica(valkey, policies=ALLOW_ALL) as first:
        await first.decisions.set_rule("up/do", Action.DENY, ADMIN)
    async with open_replica(valkey, name="r2", policies=ALLOW_ALL) as second:
        assert not isinstance(await second.call("do", id="a"), Done)
        assert second.did() == {}


async def test_an_approved_call_may_take_as_long_as_its_server_reports_progress(valkey: Place, tmp_path: Path) -> None:
    go = tmp_path / "go"
    async with open_replica(valkey, timeout_seconds=0.4) as replica:
        call = await replica.approved(id="a", until=str(go), progress=True)
        started = await replica.becomes(call, Status.EXECUTING)
        assert started.started_at is not None
        begun = started.started_at
        await until(lambda: replica.core.clock() - begun > 1200, "three times its limit is over")
        go.touch()
        await replica.becomes(call, Status.COMPLETED)
        assert "ExecutionOutcomeUnknown" not in await replica.types(call)


async def test_everything_that_people_decide_is_on_the_log_with_their_names(valkey: Place) -> None:
    async with open_replica(valkey) as replica:
        decisions = replica.decisions
        calls = [await replica.ask(id=str(n)) for n in range(3)]
        await decisions.approve(calls[0], ADMIN, grant_ms=1000)
        await decisions.deny(calls[1], ADMIN, reason="no", always=True)
        await decisions.cancel(calls[2], ADMIN)
        grant = await decisions.grant("up/look", 1000, ADMIN)
        await replica.core.catch_up()
        await decisions.revoke(grant, ADMIN)
        await decisions.remove_rule(await decisions.set_rule("up/look", Action.ALLOW, ADMIN), ADMIN)
        await decisions.lock(ADMIN, reason="away")
        await replica.core.catch_up()
        await decisions.unlock(ADMIN)
        theirs = [event.type for event in await everything(replica.log) if event.meta.actor == ADMIN]
        assert theirs == [
            *("CallApproved", "GrantIssued", "CallDenied", "RuleSet", "CallCancelled"),
            *("GrantIssued", "GrantRevoked", "RuleSet", "RuleRemoved", "AccessLocked", "AccessUnlocked"),
        ]
