"""What a client is told that looks for a way to sign in: there is one, and no authorization server."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portero.gateway.http.metadata import challenge
from portero.gateway.options import Options
from tests.gateway.house import House, open_house

on_the_session = pytest.mark.asyncio(loop_scope="session")

WELL_KNOWN = "/.well-known/oauth-protected-resource"


@on_the_session
@pytest.mark.parametrize("path", ["", "/mcp", "/mcp/message"])
async def test_the_metadata_say_that_tokens_come_in_a_header(house: House, path: str) -> None:
    async with house.client() as client:
        del client.headers["authorization"]
        response = await client.get(f"{WELL_KNOWN}{path}")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.json() == {
        "resource": f"{house.url}{path}",
        "resource_name": "Portero",
        "bearer_methods_supported": ["header"],
    }


@on_the_session
async def test_a_challenge_leads_there(house: House) -> None:
    async with house.client() as client:
        del client.headers["authorization"]
        for path in ("/mcp", "/mcp/message"):
            response = await client.post(path, json={})
            assert response.status_code == 401
            expected = f'Bearer realm="portero", resource_metadata="{house.url}{WELL_KNOWN}{path}"'
            assert response.headers["www-authenticate"] == expected
            found = await client.get(expected.split('"')[3])
            assert found.json()["resource"] == f"{house.url}{path}"


@on_the_session
async def test_a_wrong_token_is_told_apart_from_none(house: House) -> None:
    async with house.client("nobody") as client:
        response = await client.post("/mcp", json={})
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


@on_the_session
async def test_behind_a_proxy_the_address_is_the_one_that_was_asked_for() -> None:
    async with (
        open_house(options=Options(port=0, allowed_hosts=("portero.example",))) as house,
        house.client() as client,
    ):
        asked = {"host": "portero.example", "x-forwarded-proto": "https"}
        assert (await client.get(f"{WELL_KNOWN}/mcp", headers=asked)).json()[
            "resource"
        ] == "https://portero.example/mcp"
        asked["x-forwarded-proto"] = 'https", x="'
        assert (await client.get(f"{WELL_KNOWN}/mcp", headers=asked)).json()["resource"] == "http://portero.example/mcp"
        refused = await client.get(f"{WELL_KNOWN}/mcp", headers={"host": "elsewhere.example"})
        assert refused.status_code == 403


@given(st.binary(max_size=300), st.binary(max_size=20))
def test_nothing_that_is_asked_with_gets_out_of_its_quotes(host: bytes, proto: bytes) -> None:
    _, value = challenge("http", "/mcp", {b"host": host, b"x-forwarded-proto": proto})
    assert value.isascii()
    assert value.count(b'"') in {2, 4}
    assert not {b"\r"[0], b"\n"[0]} & set(value)
    json.dumps(value.decode())
