"""The checker finds every broken promise in histories made by hand, and nothing in those that keep them."""

from collections.abc import Callable

import pytest

from tests.chaos import stories, stories_owned, stories_told
from tests.chaos.checker import answers, effects, lives, order, owners, policy, times
from tests.chaos.tape import Tape

Story = Callable[[Tape], object]


@pytest.mark.parametrize("story", [stories.a_good_day, stories_owned.a_change_of_hands])
def test_a_good_day_breaks_no_promise(story: Story) -> None:
    tape = Tape()
    story(tape)
    assert tape.broken() == set()


WRONG: list[tuple[Story, str]] = [
    (stories.a_gap, order.DENSE),
    (stories.a_version_twice, order.VERSIONS),
    (stories.a_version_that_begins_again, order.VERSIONS),
    (stories.a_call_that_goes_on_elsewhere, order.VERSIONS),
    (stories.an_approval_that_is_not_there, order.ACKNOWLEDGED),
    (stories.two_decisions, lives.LIVES),
    (stories.two_starts, lives.LIVES),
    (stories.an_end_after_the_end, lives.LIVES),
    (stories.an_outcome_of_who_did_not_run_it, lives.LIVES),
    (stories.a_cancellation_after_the_end, lives.LIVES),
    (stories.a_late_answer_twice, lives.LIVES),
    (stories.an_attempt_that_was_left_out, lives.LIVES),
    (stories.a_denied_call_that_starts, lives.LIVES),
    (stories.a_rerun_of_what_must_not_be_repeated, lives.LIVES),
    (stories.no_end, lives.ENDS),
    (stories.no_start, lives.ENDS),
    (stories.a_start_behind_a_denial, policy.STARTED),
    (stories.a_start_behind_a_denial, policy.DECIDED),
    (stories.a_start_behind_a_lock, policy.STARTED),
    (stories.a_start_behind_a_revocation, policy.STARTED),
    (stories.a_start_after_the_grants_time, policy.STARTED),
    (stories.a_start_that_nobody_approved, policy.STARTED),
    (stories_told.an_effect_twice, effects.ONCE),
    (stories_told.an_effect_on_no_log, effects.STARTED),
    (stories_told.an_effect_of_a_cancelled_call, effects.STARTED),
    (stories_told.an_effect_before_its_start, effects.STARTED),
    (stories_told.an_effect_of_what_was_not_sent, effects.UNSENT),
    (stories_told.an_end_as_if_it_had_not_run, effects.UNSENT),
    (stories_told.a_success_without_effect, effects.HAPPENED),
    (stories_told.an_early_expiry, times.EARLY),
    (stories_told.a_late_approval, times.LATE),
    (stories_told.a_start_after_the_approval_has_expired, times.LATE),
    (stories_told.a_lease_given_up_early, times.EARLY),
    (stories_told.an_approval_that_waits_for_ever, times.FORGOTTEN),
    (stories_told.a_grant_for_ever, times.FORGOTTEN),
    (stories_told.a_grant_that_ends_twice, times.ONCE),
    (stories_told.told_done_of_what_was_lost, answers.AGREES),
    (stories_told.told_of_another_call, answers.AGREES),
    (stories_told.told_nothing_was_done, answers.AGREES),
    (stories_told.told_done_of_nothing_on_the_log, answers.AGREES),
    (stories_told.told_a_task_of_another_call, answers.AGREES),
    (stories_told.told_it_was_refused, answers.AGREES),
    (stories_told.told_that_portero_failed, answers.SOUND),
    (stories_told.shown_as_what_it_never_was, answers.AGREES),
    (stories_told.shown_as_unknown, answers.KNOWN),
    (stories_told.shown_the_past, answers.FORWARD),
    (stories_told.said_to_be_called_off_and_started, answers.CALLED_OFF),
    (stories_owned.a_start_by_the_owner_before, owners.OWNED),
    (stories_owned.a_start_after_it_was_given_back, owners.OWNED),
    (stories_owned.an_epoch_twice, owners.TAKEN),
    (stories_owned.given_back_by_who_has_it_not, owners.TAKEN),
    (stories_owned.taken_for_another, owners.TAKEN),
    (stories_owned.two_processes_in_turn, owners.ALONE),
    (stories_owned.a_process_beside_another, owners.ALONE),
    (stories_owned.a_process_that_goes_on_for_the_next_owner, owners.BELONGS),
    (stories_owned.given_up_while_its_owner_has_it, owners.GIVEN_UP),
    (stories_owned.a_start_after_its_time, owners.IN_TIME),
    (stories_owned.waits_though_it_is_denied, lives.LIVES),
]


@pytest.mark.parametrize(("story", "promise"), WRONG, ids=lambda value: getattr(value, "__name__", None))
def test_a_broken_promise_is_found(story: Story, promise: str) -> None:
    tape = Tape()
    story(tape)
    assert promise in tape.broken()
