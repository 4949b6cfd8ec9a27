"""Searching tools, on the names and annotations of real servers."""

import json

import pytest

from portero.settings import UpstreamConfig
from portero.upstream import Catalogue
from portero.upstream.offer import merge
from portero.upstream.offer.search import CATEGORIES, words
from portero.upstream.session.listing import Listing

TOOLS = {
    "github": {
        "create_issue": "Create a new issue in a GitHub repository",
        "list_issues": "List issues in a GitHub repository with filtering options",
        "search_code": "Search for code across GitHub repositories",
        "create_pull_request": "Create a new pull request",
        "delete_file": "Delete a file from a GitHub repository",
    },
    "google": {
        "search_gmail_messages": "Searches messages in a user's Gmail account based on a query.",
        "send_gmail_message": "Sends an email using the user's Gmail account.",
        "get_events": "Retrieves events from a specified Google Calendar within a given time range.",
        "create_event": "Creates a new event on a calendar, with optional attendees.",
        "search_drive_files": "Searches for files and folders within a user's Google Drive.",
    },
    "stripe": {
        "create_refund": "Refund a payment intent in Stripe.",
        "list_customers": "Fetch a list of Customers from Stripe.",
        "create_customer": "Create a new customer in Stripe.",
    },
    "filesystem": {
        "read_text_file": "Read the complete contents of a file from the file system as text.",
        "write_file": "Create a new file or completely overwrite an existing file with new content.",
        "list_directory": "Get a detailed listing of all files and directories in a specified path.",
        "move_file": "Move or rename files and directories.",
    },
    "everything": {
        "getTinyImage": "Returns the MCP_TINY_IMAGE",
        "echo": "Echoes back the input",
    },
}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    def listing(tools: dict[str, str]) -> Listing:
        definitions = ({"name": name, "description": text, "inputSchema": {}} for name, text in tools.items())
        return Listing(tuple(json.dumps(definition).encode() for definition in definitions))

    return merge.merge([merge.section(UpstreamConfig(name, "x"), listing(tools)) for name, tools in TOOLS.items()], 1)


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("create issue", "github/create_issue"),
        ("github/create_issue", "github/create_issue"),
        ("github__create_issue", "github/create_issue"),
        ("issues", "github/list_issues"),
        ("send an email", "google/send_gmail_message"),
        ("find mail", "google/search_gmail_messages"),
        ("refund", "stripe/create_refund"),
        ("new customer", "stripe/create_customer"),
        ("read file", "filesystem/read_text_file"),
        ("list a folder", "filesystem/list_directory"),
        ("rename", "filesystem/move_file"),
        ("tiny image", "everything/getTinyImage"),
        ("create a meeting", "google/create_event"),
        ("pull req", "github/create_pull_request"),
    ],
)
def test_what_is_meant_comes_first(catalogue: Catalogue, query: str, best: str) -> None:
    assert catalogue.search(query)[0].canonical == best


def test_what_has_nothing_of_it_is_not_found(catalogue: Catalogue) -> None:
    assert catalogue.search("quantum chromodynamics") == []
    assert catalogue.search("zz") == []


def test_without_words_everything_comes_in_order(catalogue: Catalogue) -> None:
    assert catalogue.search() == catalogue.search("  ", "") == list(catalogue.tools)


@pytest.mark.parametrize(
    ("category", "servers"),
    [
        ("filesystem", {"filesystem"}),
        ("Google", {"google"}),
        ("stripe", {"stripe"}),
        ("calendar", {"google"}),
        ("image", {"everything"}),
        ("nothing-like-it", set()),
    ],
)
def test_categories_are_keywords_over_name_and_description(
    catalogue: Catalogue, category: str, servers: set[str]
) -> None:
    assert {tool.server for tool in catalogue.search(None, category)} == servers


def test_a_category_narrows_a_query(catalogue: Catalogue) -> None:
    found = [tool.canonical for tool in catalogue.search("create", "stripe")]
    assert found[0] in {"stripe/create_refund", "stripe/create_customer"}
    assert all(name.startswith("stripe/") for name in found)


def test_every_category_of_the_original_is_there() -> None:
    assert set(CATEGORIES) == {"filesystem", "google", "gmail", "calendar", "drive", "email", "stripe"}
    assert CATEGORIES["email"] == ("mail", "message", "send_email", "gmail", "send_gmail")


def test_words_are_found_in_every_way_of_writing_names() -> None:
    assert words("getTinyImage API-post-page list_issues HTTPServer2 über") == [
        *("get", "tiny", "image"),
        *("api", "post", "page", "list", "issue"),
        *("http", "server", "2", "über"),
    ]


@pytest.mark.parametrize("query", ["***", "a", "\\", "the", "(" * 1000, "x" * 10_000, "ü ß İ"])
def test_odd_queries_are_answered(catalogue: Catalogue, query: str) -> None:
    assert isinstance(catalogue.search(query), list)
