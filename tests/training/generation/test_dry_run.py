"""The dry run: what a run will take, without asking anybody."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.training.generation.conftest import Command, Serve
from tests.training.generation.stub import Stub, per_stage

PRICES = ("--price-in", "1", "--price-out", "4")


def said(capsys: pytest.CaptureFixture[str]) -> tuple[int, int, int, float]:
    """Calls, tokens in, tokens out, USD."""
    text = " ".join(capsys.readouterr().out.split())
    found = re.search(r"(\d+) calls.*?, about ([\d,]+) tokens in and ([\d,]+) out: \$([\d.]+)", text)
    assert found is not None, text
    calls, tokens_in, tokens_out, usd = (group.replace(",", "") for group in found.groups())
    return int(calls), int(tokens_in), int(tokens_out), float(usd.rstrip("."))


@pytest.mark.parametrize("extra", [(), ("--properties", "model"), ("--prompts", "article")])
def test_it_says_exactly_the_calls_that_the_run_then_makes(
    extra: tuple[str, ...], serve: Serve, generate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(Stub())
    options = ("--languages", "fi,ja", "--works", "4", "--chats", "2", *PRICES, *extra)
    assert generate(*options, "--dry-run") == 0
    calls, tokens_in, tokens_out, usd = said(capsys)
    assert server.stub.bodies == []
    assert generate(*options) == 0
    assert calls == sum(per_stage(server.stub).values())
    assert usd == pytest.approx((tokens_in + 4 * tokens_out) / 1e6, abs=1e-4)


def test_what_is_in_the_journal_already_is_not_counted_again(
    serve: Serve, generate: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(Stub())
    assert generate("--languages", "fi", "--works", "2", "--chats", "1", *PRICES) == 0
    made = len(server.stub.bodies)
    capsys.readouterr()
    assert generate("--languages", "fi", "--works", "4", "--chats", "1", *PRICES, "--dry-run") == 0
    output = capsys.readouterr().out
    assert f"({made} more are in the journal already)" in " ".join(output.split())


def test_it_writes_nothing(serve: Serve, generate: Command, tmp_path: Path) -> None:
    serve(Stub())
    assert generate("--languages", "fi", "--dry-run") == 0
    assert not (tmp_path / "out").exists()


def test_forty_languages_at_full_scale_in_one_command(
    serve: Serve, generate: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(Stub())
    monkeypatch.setenv("OPENAI_BASE_URL", "https://api.openai.com/v1")
    assert generate("--dry-run", *PRICES) == 0
    calls, tokens_in, tokens_out, _ = said(capsys)
    # 40 × 20 works: one request for the five first questions, three more for each chat, and the longer rows.
    assert calls == 800 + 4000 * 3 + 40 * 5 * (3 * 2 + 1)
    assert 5_000_000 < tokens_in < 15_000_000
    assert 1_500_000 < tokens_out < 4_000_000


def test_tokens_come_close_to_what_a_tokenizer_counts(
    serve: Serve, generate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """Against Llama 3's tokenizer, on what the run sends and gets; the stub's replies are shipped texts."""
    tokenizer = pytest.importorskip("llama_models.llama3.tokenizer").Tokenizer.get_instance()
    server = serve(Stub())
    options = ("--languages", "fi,hi,zh,en", "--works", "5", "--chats", "1", *PRICES)
    assert generate(*options, "--dry-run") == 0
    _, tokens_in, _, _ = said(capsys)
    assert generate(*options) == 0
    sent = 0
    for body in server.stub.bodies:
        texts = [message["content"] for message in body["messages"]]
        texts.append(json.dumps(body["response_format"]["json_schema"]["schema"]))
        sent += sum(len(tokenizer.encode(text, bos=False, eos=False)) for text in texts)
    assert tokens_in == pytest.approx(sent, rel=0.25)
