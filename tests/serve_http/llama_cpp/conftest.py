# SPDX-License-Identifier: MIT
"""What pytest does around the tests of llama.cpp's server: it stops servers, and takes each count of a prompt."""
import pytest
import utils


def pytest_collection_modifyitems(items):
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if "n_prompt" in parameters:
            parameters["n_prompt"] = utils.AnyCount()


@pytest.fixture(autouse=True)
def stop_servers():
    yield
    for server in list(utils.running):
        server.stop()
