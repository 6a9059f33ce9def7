"""Unit tests are bare: no network, no server."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from pytest_socket import disable_socket, enable_socket


@pytest.fixture(autouse=True)
def _no_network() -> object:
    disable_socket(allow_unix_socket=True)
    yield
    enable_socket()


@pytest.fixture(scope="session")
def fakes() -> ModuleType:
    """The module tests/fakes/labeller.py."""
    path = Path(__file__).resolve().parents[1] / "fakes" / "labeller.py"
    spec = importlib.util.spec_from_file_location("fake_labeller", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
