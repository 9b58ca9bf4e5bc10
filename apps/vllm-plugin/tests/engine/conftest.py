from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

# The harness skips the tests that import it where its packages are missing; a conftest cannot be skipped.
if TYPE_CHECKING:
    from tests.engine.harness import Engine, Watch


@pytest.fixture(scope="session")
def shared_engine() -> Iterator[Engine]:
    """63 blocks of 32 tokens: small, so that pressure shows."""
    from tests.engine.harness import running_engine  # noqa: PLC0415

    with running_engine("--blocks", "64", "--max-model-len", "1024") as served:
        yield served


@pytest.fixture
def engine(shared_engine: Engine) -> Iterator[Engine]:
    """The shared engine, without pins."""
    shared_engine.release_all()
    yield shared_engine
    stats = shared_engine.stats()
    assert (stats.running_requests, stats.waiting_requests, stats.active_blocks) == (0, 0, 0)


@pytest.fixture
def watch(engine: Engine) -> Iterator[Watch]:
    """Its pin events since the test began."""
    from tests.engine.harness import Watch  # noqa: PLC0415

    watching = Watch(engine)
    yield watching
    watching.close()
