"""An S3-compatible server, and a place for an archive in it or in a folder."""

import os
import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from portero.log.archive import Bucket
from tests.cli.home import Home
from tests.stores import Place, eventually, free_port

MOTO = Path(__file__).parents[2] / ".tools" / "moto" / "bin" / "moto_server"
KEYS = {"access_key_id": "AKIAPORTERO", "secret_access_key": "a-secret-of-the-object-store", "region": "us-east-1"}


def answers(url: str, method: str = "GET") -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=5):  # noqa: S310 - loopback
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Its address; buckets are made by a plain PUT."""
    assert MOTO.exists(), "moto is not installed: `make dev`"
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    process = subprocess.Popen(
        [MOTO, "-H", "127.0.0.1", "-p", str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: answers(f"{url}/moto-api/"), "the S3 server answers", 60)
        yield url
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def bucket(s3_server: str) -> Bucket:
    """A prefix of its own in a new bucket."""
    name = f"b{uuid.uuid4().hex[:12]}"
    assert answers(f"{s3_server}/{name}", "PUT")
    return Bucket(name, "portero/main", {**KEYS, "endpoint": s3_server})


@pytest.fixture(params=["folder", "bucket"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | Bucket:
    """A place for an archive, of either kind."""
    if request.param == "folder":
        return tmp_path / "archive"
    found: Bucket = request.getfixturevalue("bucket")
    return found


@pytest.fixture
def home(valkey: Place, tmp_path: Path) -> Home:
    return Home(tmp_path, valkey, {"PORTERO_ARCHIVE": str(tmp_path / "archive")})
