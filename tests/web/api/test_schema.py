"""Every operation of the described API, asked with what fits its description and with what does not (schemathesis).

A few cases each; ``ASSAY_FUZZ=1000`` asks that many. Left out: that what is described is always accepted, where a value
may name something that is not there (400: well formed, and asking for what cannot be).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any
from unittest import SkipTest

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

schemathesis = pytest.importorskip("schemathesis", reason="asking by the description needs schemathesis")

# They come after the line that skips where they are not installed.
from schemathesis import GenerationMode  # noqa: E402
from schemathesis.config import SchemathesisConfig  # noqa: E402

from assay.store import Store  # noqa: E402

EXAMPLES = int(os.environ.get("ASSAY_FUZZ", "2"))
IS_LONG = EXAMPLES > 50


def configure(bearer: dict[str, str]) -> SchemathesisConfig:
    usual = ["2xx", "3xx", "400", "404"]
    return SchemathesisConfig.from_dict(
        {
            "headers": {"Host": "localhost", **bearer},
            "checks": {
                "positive_data_acceptance": {"expected-statuses": usual},
                "negative_data_rejection": {"expected-statuses": ["400", "404", "405", "413", "415", "422"]},
                "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx"]},
            },
            "operations": [
                {
                    # Any bytes are a body, and few are results that somebody measured.
                    "include-operation-id": "import_file",
                    "checks": {"positive_data_acceptance": {"expected-statuses": [*usual, "422"]}},
                }
            ],
        }
    )


@pytest.fixture(scope="module")
def api_schema(made: Any, filled: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    store = shutil.copytree(filled.location, tmp_path_factory.mktemp("fuzzed") / "store")
    with made.serve(store) as client:
        yield schemathesis.openapi.from_asgi(
            "/api/v1/openapi.json", client.app, config=configure(made.BEARER), headers={"Host": "localhost"}
        )


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_operation_answers_as_it_is_described(api_schema: Any, mode: GenerationMode) -> None:
    asked = 0
    for found in api_schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=not IS_LONG,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate],
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            nonlocal asked
            case.call_and_validate()
            asked += 1

        try:
            ask()
        except SkipTest:  # an operation without parameters: nothing about it can be wrong
            assert mode is GenerationMode.NEGATIVE
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE
    assert asked >= EXAMPLES * 20
