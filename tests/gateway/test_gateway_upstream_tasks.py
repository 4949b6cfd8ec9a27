"""Tasks of upstreams: passed through under an id that only its client, and every replica, can use."""

import json

import pytest

from portero.domain.ids import ClientId
from portero.errors import INVALID_PARAMS
from portero.gateway.results import Results
from portero.gateway.services import Services
from portero.gateway.upstream_tasks import UpstreamTasks
from tests.gateway.house import TASKS, House

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADA = ClientId("ada")
MADE = b'{"resultType":"task","taskId":"theirs","status":"working"}'


def upstream_tasks(house: House) -> UpstreamTasks:
    services = Services.__new__(Services)
    object.__setattr__(services, "core", house.core)
    return UpstreamTasks(services, Results("1"))


def public_id(house: House, client: ClientId, upstream: str = "gone") -> str:
    return str(json.loads(upstream_tasks(house).adopted(client, upstream, MADE))["taskId"])


async def test_an_id_is_the_same_on_every_replica_and_for_one_client_only(house: House) -> None:
    first = public_id(house, ADA)
    assert "theirs" not in first
    assert first == public_id(house, ADA)
    assert first != public_id(house, ClientId("bob"))


async def test_other_results_stay_as_they_are(house: House) -> None:
    for result in (b'{"content":[]}', b'{"resultType":"complete","structuredContent":{"kind":"task"}}'):
        assert upstream_tasks(house).adopted(ADA, "u", result) is result


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_another_client_finds_no_such_task(house: House, name: str, method: str) -> None:
    async with house.caller(name, modern=True, capabilities=TASKS) as bob:
        status, foreign = await bob.error(method, {"taskId": public_id(house, ADA)})
        _, garbled = await bob.error(method, {"taskId": "u.x.y"})
    assert (status, foreign["code"], garbled["code"]) == (400, INVALID_PARAMS, INVALID_PARAMS)


async def test_a_task_of_an_upstream_that_is_gone_says_so(house: House, name: str) -> None:
    async with house.caller(name, modern=True, capabilities=TASKS) as bob:
        _, error = await bob.error("tasks/get", {"taskId": public_id(house, ClientId(name))})
    assert "no server 'gone'" in error["message"]
