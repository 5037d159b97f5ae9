"""The lock of a data home: what a killed command leaves in it decides whether its engine is replaced."""

import pytest

from commands.run import lock
from lakehouse import engine


def die(settings, **given):
    """Hold the lock, and end as a killed command does: without a word of its own."""
    with pytest.raises(KeyboardInterrupt), lock.exclusive(settings, **given):
        raise KeyboardInterrupt


@pytest.mark.parametrize(("uses_engine", "stops"), [(True, 1), (False, 0)])
def test_only_a_command_that_used_the_engine_costs_it(settings, monkeypatch, uses_engine, stops):
    stopped = []
    monkeypatch.setattr(engine, "stop", stopped.append)
    die(settings, uses_engine=uses_engine)
    with lock.exclusive(settings):
        assert len(stopped) == stops
    with lock.exclusive(settings):
        assert len(stopped) == stops


def test_a_command_without_the_engine_still_replaces_that_of_a_killed_one(settings, monkeypatch):
    stopped = []
    monkeypatch.setattr(engine, "stop", stopped.append)
    die(settings)
    with lock.exclusive(settings, uses_engine=False):
        assert len(stopped) == 1
