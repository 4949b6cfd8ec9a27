"""All targets of the fuzzer, by name."""

import importlib

from tests.fuzz.target import TARGETS

for module in ("from_clients", "from_upstreams", "from_servers", "from_telegram", "of_policy"):
    importlib.import_module(f"tests.fuzz.{module}")

__all__ = ["TARGETS"]
