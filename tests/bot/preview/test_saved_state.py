"""The simulated Discord on disk: whole, private, and nothing but data."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from bot.preview.errors import SavedStateUnreadable
from bot.preview.saved_state import FORMAT, SavedState, freeze, read, thaw, write
from bot.preview.simcord_live import LiveBackend


def some_state() -> SavedState:
    backend = LiveBackend()
    backend.begin()
    user = backend.make_user("ada")
    backend.set_locale(user.id, "ko")
    return SavedState(backend, "secret")


def test_a_state_comes_back_as_it_was() -> None:
    state = some_state()
    state.backend.subscribers.append(lambda event, payload: None)
    again = thaw(freeze(state))
    assert again.secret == "secret"
    assert again.backend.users == state.backend.users
    assert isinstance(again.backend, LiveBackend)
    assert list(again.backend.locales.values()) == ["ko"]
    assert again.backend.subscribers == []
    assert len(state.backend.subscribers) == 1


def test_the_file_is_for_its_owner_only_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "preview.state"
    write(path, freeze(some_state()))
    write(path, freeze(some_state()))
    assert path.stat().st_mode & 0o777 == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["preview.state"]
    assert read(path) is not None


def test_no_file_is_no_state(tmp_path: Path) -> None:
    assert read(tmp_path / "preview.state") is None


def test_a_damaged_file_is_set_aside_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "preview.state"
    path.write_bytes(freeze(some_state())[:100])
    assert read(path) is None
    assert "starts with a new server" in caplog.text
    assert not path.exists()
    assert (tmp_path / "preview.state.unreadable").exists()


def test_a_state_of_another_format_is_refused() -> None:
    with pytest.raises(SavedStateUnreadable, match="format"):
        thaw(pickle.dumps({"format": FORMAT + 1, "backend": None, "secret": ""}))


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch /tmp/owned",)


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps(Hostile()),
        b"\x80\x04\x8c\x0csimcord._env\x8c\x09os.system\x93.",
        b"\x80\x04\x8c\x0bsimcord.env\x8c\x0easyncio.system\x93.",
        b"\x80\x04\x8c\x15simcord.backend.access\x8c\x12channel_accessible\x93.",
    ],
)
def test_a_state_makes_nothing_but_data(data: bytes) -> None:
    with pytest.raises(SavedStateUnreadable):
        thaw(data)
