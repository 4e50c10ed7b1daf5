"""The fake engine's rule and script, which other tests build on."""

from __future__ import annotations

import subprocess
import sys

from model.engine.fake import FakeCodec, FakeEngine, echo
from tests.model.worker.conftest import Serve


def ask(text: str) -> tuple[tuple[str, str], ...]:
    return (("system", "Be kind."), ("user", text))


def test_it_echoes_the_last_user_message():
    assert echo((*ask("first"), ("assistant", "x"), ("user", "second"))) == "second"


def test_it_asks_for_a_look_up_once():
    wish = "Tell me of him.\n!lookup Naruto | ja"
    assert echo(ask(wish)) == "Tell me of him.\n>>> Naruto\n>>> ja"
    assert ">>>" not in echo((("user", wish), ("assistant", "…"), ("user", f"[Naruto: a manga]\n{wish}")))


def test_it_writes_words_or_nothing_as_told():
    assert len(echo(ask("!words 120")).split()) == 120
    assert echo(ask("anything\n!empty")) == ""


def test_tokens_join_to_the_text_they_came_from():
    codec = FakeCodec()
    text = "  Zwei   Worte,\nund 한국어 문장 👩‍👩‍👧 too. "
    ids = codec.encode_text(text)
    assert "".join(codec.token_text(token) for token in ids) == text
    assert codec.encode_text(text) == ids


async def test_a_script_is_answered_in_order_and_then_the_rule(serve: Serve):
    engine = FakeEngine(replies=["one"])
    engine.script("two")
    running = await serve(engine)
    answers = [
        await running.client.chat.completions.create(
            model="fake", messages=[{"role": "user", "content": "three"}]
        )
        for _ in range(3)
    ]
    assert [answer.choices[0].message.content for answer in answers] == ["one", "two", "three"]
    assert [request.messages[-1] for request in engine.requests] == [("user", "three")] * 3


def test_the_server_with_the_fake_engine_imports_no_model_library():
    code = (
        "import sys, model.server.app, model.server.run, model.engine.fake, model.commands;"
        "print(sorted({'torch', 'transformers', 'numpy', 'openai', 'discord'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
