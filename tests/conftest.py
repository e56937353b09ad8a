"""Fixtures that several test files share."""

import importlib
import os
from pathlib import Path

import pytest

import smpl2mjcf


@pytest.fixture(scope="session")
def oracle():
    """A function from a module's name to the module: an independent judge of our numbers.

    Where the module is not installed the test is skipped, and fails under SMPL2MJCF_REQUIRE_ORACLES=1.
    """

    def load(name):
        try:
            return importlib.import_module(name)
        except ImportError as error:
            if os.environ.get("SMPL2MJCF_REQUIRE_ORACLES") == "1":
                pytest.fail(f"the oracle {name} is required here: {error}")
            pytest.skip(f"the oracle {name} is not installed")

    return load


@pytest.fixture(scope="session")
def default_body():
    return smpl2mjcf.default_body()


@pytest.fixture(scope="session")
def shared():
    """The folder of recordings and facts beside the checkout; its tests skip without it, except in CI."""
    folder = Path(__file__).resolve().parent.parent.parent / "shared"
    if not (folder / "data").is_dir():
        if os.environ.get("SMPL2MJCF_REQUIRE_ORACLES") == "1":
            pytest.fail(f"the recordings are required here: {folder} is not there")
        pytest.skip("the recordings in ../shared are not here")
    return folder
