"""What a server offers of which there is one instance: the same for every replica, byte for byte, whoever runs it."""

import zlib
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from handlers.calls.outcomes import Done
from handlers.owners import sharing
from portero.domain.replacement import Entry, Replacer
from portero.domain.values import Action, Kind
from tests.handlers.cluster import Member, definitions, open_member
from tests.log.support import everything, until
from tests.stores import Place

REPLACER = Replacer.from_entries(
    [Entry("Jane Roe", "Maria Real", bidirectional=True), Entry("fake-key", "rk_live_77", bidirectional=False)]
)


def everything_of(member: Member) -> dict[str, list[tuple[str, bytes]]]:
    catalogue = member.upstreams.catalogue
    return {
        "tools": [(tool.facts.definition, tool.definition) for tool in catalogue.tools],
        "prompts": [(prompt.canonical, prompt.definition) for prompt in catalogue.prompts],
        "resources": [(resource.uri, resource.definition) for resource in catalogue.resources],
        "templates": [(template.uri_template, template.definition) for template in catalogue.templates],
    }


async def same(one: Member, two: Member) -> None:
    await until(lambda: everything_of(one) == everything_of(two), "both know the same")


async def test_all_replicas_know_the_same_of_it(valkey: Place, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    async with open_member(valkey, notes) as one, open_member(valkey, notes, name="r2") as two:
        await one.owner()
        await same(one, two)
        assert [len(items) for items in everything_of(two).values()] == [17, 1, 1, 1]
        assert two.upstreams.catalogue.owner("made://up/anything") == "up"
        assert [tool.name for tool in two.upstreams.catalogue.search("progress")][:1] == ["progress"]
        assert two.upstreams.catalogue.resolve_prompt("up/greet") is not None
        assert two.upstreams.starting == []


async def test_a_list_that_changes_changes_everywhere_and_the_new_tool_can_be_called(
    valkey: Place, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    async with open_member(valkey, notes) as one, open_member(valkey, notes, name="r2") as two:
        await one.owner()
        await two.knows()
        changes: list[int] = []
        two.upstreams.subscribe(lambda catalogue: changes.append(catalogue.version))
        await two.done("grow", name="more")
        await two.knows("more")
        await same(one, two)
        assert len(changes) == 1


async def test_it_is_known_to_who_comes_later_and_while_nobody_runs_it(valkey: Place, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    async with open_member(valkey, notes) as one:
        await one.owner()
        await until(lambda: one.view.upstreams.catalogue("up") is not None, "it is on the log")
        before = everything_of(one)
        await one.stop()
        flags = ("--start-after", str(tmp_path / "never"))
        async with open_member(valkey, notes, name="r2", flags=flags) as two:
            await until(lambda: everything_of(two) == before, "it knows what was offered")
            assert not two.upstreams.is_connected("up")


async def test_another_owner_may_find_something_else_and_all_learn_it(valkey: Place, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    other = ("--definitions", str(definitions(tmp_path, "echo", description="Not the same.")))
    async with open_member(valkey, notes) as one, open_member(valkey, notes, name="r2", flags=other) as two:
        await one.owner()
        await same(one, two)
        await one.stop()
        await two.owner()
        await until(lambda: len(one.upstreams.catalogue.tools) == 1, "the old one learns it")
        await same(one, two)


async def test_one_that_gets_it_back_says_again_what_it_offers(valkey: Place, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    other = ("--definitions", str(definitions(tmp_path, "echo")))
    async with open_member(valkey, notes) as one:
        await one.owner()
        async with open_member(valkey, notes, name="r2", flags=other) as two:
            await one.background.stop("owner of up")
            await two.owner()
            await until(lambda: len(one.upstreams.catalogue.tools) == 1, "the old one knows the new lists")
            one.background.start("owner of up", lambda: one.workings.ownership.run("up"))
            await two.stop()
            await one.owner()
            await until(lambda: len(two.upstreams.catalogue.tools) == 17, "and these are the old ones again")


async def test_only_fakes_and_no_secrets_are_kept_and_all_know_the_same_all_the_same(
    valkey: Place, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    text = "Writes to Maria Real with rk_live_77 and s3cr3t-tok\u00e9n, as Jane Roe knows."
    flags = ("--definitions", str(definitions(tmp_path, "echo", description=text)))
    options = {"flags": flags, "replacer": REPLACER, "secrets": ("s3cr3t-tok\u00e9n",)}
    async with open_member(valkey, notes, **options) as one, open_member(valkey, notes, name="r2", **options) as two:  # type: ignore[arg-type] # passed on
        await one.owner()
        await same(one, two)
        assert b"Maria" not in one.upstreams.catalogue.tools[0].definition, "nor is it where the server runs"
        known = two.view.upstreams.catalogue("up")
        assert known is not None
        assert known.lists is not None
        kept = await two.log.blob(known.lists)
        assert kept is not None
        said = zlib.decompress(kept).decode("utf-8", "replace")
        assert "Jane Roe" in said
        assert not any(real in said for real in ("Maria", "rk_live", "s3cr3t"))
        assert (await two.done("echo", text="Jane Roe"))["content"][0]["text"] == "Jane Roe"


async def test_only_who_runs_it_knows_what_its_tools_are_really_called(valkey: Place, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    renamed = Replacer.from_entries([Entry("say", "echo"), Entry("welcome", "greet"), Entry("here", "up/one")])
    file = tmp_path / "definitions-of-two.json"
    file.write_text('[{"name": "echo"}, {"name": "keep_up/one"}, {"name": "keep_here"}]')
    options = {"flags": ("--definitions", str(file)), "replacer": renamed}
    async with open_member(valkey, notes, **options) as one, open_member(valkey, notes, name="r2", **options) as two:  # type: ignore[arg-type] # passed on
        await one.owner()
        await same(one, two)
        for member in (two, one):
            assert [tool.name for tool in member.upstreams.catalogue.tools] == ["say"], "two are not to be told apart"
            assert (await member.done("say", text="hello"))["content"][0]["text"] == "hello"
            got = await member.requests.call(member.request("welcome", kind=Kind.PROMPT))
            assert isinstance(got, Done), got
            read = await member.requests.call(member.request("made://here", kind=Kind.RESOURCE))
            assert isinstance(read, Done), read
        assert [tool.there for tool in one.upstreams.catalogue.tools] == ["echo"]
        assert [tool.there for tool in two.upstreams.catalogue.tools] == ["say"]
        for member in (one, two):
            assert member.upstreams.catalogue.owner("made://here") == "up"
        dropped = two.view.upstreams.catalogue("up").dropped  # type: ignore[union-attr] # it is known
        assert dropped == ("keep_here: it stands for more than one, once real values are replaced; none is taken",)
        kept = str(await everything(one.log))
        assert not any(real in kept for real in ("echo", "greet", "up/one"))


async def test_what_is_too_much_is_left_out_for_all_and_said(
    valkey: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "notes"
    monkeypatch.setattr(sharing, "MAX_BYTES", 1_500)
    with capture_logs() as logs:
        async with open_member(valkey, notes) as one, open_member(valkey, notes, name="r2") as two:
            await one.owner()
            await same(one, two)
            counts = [len(items) for items in everything_of(two).values()]
            assert 0 < counts[0] < 17
            assert counts[1:] == [0, 0, 0]
    (said,) = [line for line in logs if line["event"] == "a server offers too much, the rest is left out"]
    assert said["left_out"] == 20 - counts[0]


async def test_lists_that_are_gone_are_kept_anew_by_whoever_runs_it(
    valkey: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "notes"
    monkeypatch.setattr(sharing, "REFRESH_SECONDS", 0.05)
    async with open_member(valkey, notes, policies={"up/*": Action.ALLOW}) as one:
        await one.owner()
        await until(lambda: one.view.upstreams.catalogue("up") is not None, "it is on the log")
        (key,) = [key for key in valkey.found() if key.startswith("blob:lists")]
        assert 0 < valkey.redis.ttl(valkey.key(key)) <= sharing.KEPT_SECONDS
        valkey.redis.delete(valkey.key(key))
        await until(lambda: bool(valkey.redis.exists(valkey.key(key))), "it is there again")
        async with open_member(valkey, notes, name="r2") as two:
            await same(one, two)
