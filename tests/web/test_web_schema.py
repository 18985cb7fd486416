"""The API and its OpenAPI description, held to each other by schemathesis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from web_server import TOKEN, Client, png, running

from stegcinn.web import api

schemathesis = pytest.importorskip("schemathesis")

GenerationMode = pytest.importorskip("schemathesis.generation").GenerationMode
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
EXAMPLES = 25  # of each operation, right and wrong
BOUNDS: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "derandomize": True,  # a failure here must be one everywhere
    "suppress_health_check": list(HealthCheck),
    "phases": (Phase.explicit, Phase.generate),
}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with running() as client:
        yield client


@pytest.fixture(scope="module")
def loaded(client: Client) -> Any:
    """The description as the server gives it."""
    return schemathesis.openapi.from_url(f"{client.address}/openapi.json")


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
def test_every_operation(loaded: Any, mode: GenerationMode) -> None:
    """What is described is answered as described, and what is not is refused."""
    for result in loaded.get_all_operations():
        operation = result.ok()
        called = 0

        @settings(max_examples=EXAMPLES, **BOUNDS)
        @given(case=operation.as_strategy(generation_mode=mode))
        def call(case: Any) -> None:
            nonlocal called
            called += 1
            case.call_and_validate(headers=HEADERS)

        call()
        assert called


@pytest.mark.slow
def test_operations_in_sequence(loaded: Any) -> None:
    """Uploads are looked at, measured, hidden in and forgotten, by the links of the description."""
    machine = loaded.as_state_machine()

    class Sequence(machine):  # type: ignore[misc, valid-type]
        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": HEADERS}

    Sequence.run(settings=settings(max_examples=20, stateful_step_count=8, **BOUNDS))


def test_the_description_covers_the_whole_api(client: Client, loaded: Any) -> None:
    described = {(method.upper(), path) for path, item in loaded.raw_schema["paths"].items() for method in item}
    for method, path in described:
        if method != "PARAMETERS":
            concrete = path.replace("{id}", "x" * 22).replace("{file}", "payload")
            body = {"POST": b""}.get(method)
            assert client.ask(method, concrete, body).status != 405
    served = {
        (method, route.path)
        for route in api.application().routes  # type: ignore[attr-defined]
        for method in route.methods - {"HEAD"}
        if route.path.startswith("/api/")
    }
    assert served == {(method, path) for method, path in described if method != "PARAMETERS"}


def test_the_answers_to_real_orders_are_described(client: Client, loaded: Any) -> None:
    photo, payload = client.upload(png()), client.upload(b"secret")
    container = client.done("hide", host=photo, payload=payload)
    image = client.upload(client.file(container, "container"))
    jobs = [
        container,
        client.done("look", photo=photo),
        client.done("measure", photo=photo),
        client.done("chart", photo=photo),
        client.done("weigh", payload=payload),
        client.done("reveal", image=image),
        client.done("survey", photo=photo),
        client.done("hide_album", hosts=[photo, photo], names=["a.png", "a.png"], payload=payload),
        client.done("reveal_album", images=[image, photo]),
    ]
    operation = loaded["/api/jobs/{id}"]["GET"]
    for job in jobs:
        operation.Case(path_parameters={"id": job["id"]}).call_and_validate(headers=HEADERS)
    failed = client.wait(client.order("reveal", image=photo))
    operation.Case(path_parameters={"id": failed["id"]}).call_and_validate(headers=HEADERS)
