"""What is read from outside, against anything at all: no parser raises but what it says it does, and what comes out
keeps to its form. FUZZ_EXAMPLES sets how many examples each test tries."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import io
import json
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.errors import WorkerError
from bot.export.prose import safe_url
from bot.text.files import FILE_END, TextFile, decode, turn_with
from bot.worker_client import Generation, OpenAIWorker, open_client
from model.adapter_folder import CONFIG, METADATA, TEMPLATE, WEIGHTS, read
from model.engine.errors import AdapterNotFound, AdapterRefused
from model.engine.fake import FakeEngine
from model.errors import WikipediaUnavailable
from model.languages import LANGUAGES
from model.server.errors import as_api_error
from model.server.protocol import ChatCompletionRequest, TokenizeRequest
from model.wikipedia.answer import read_answer, read_titles
from tests.model.worker.conftest import fake_model, listening
from tests.training.serving.conftest import listening as trainer_listening
from training.errors import TrainingError
from training.importing.chats import import_chats
from training.importing.reading import Source, read_file
from training.importing.works import import_works
from training.serving.rows import read_rows

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "40"))
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
        HealthCheck.data_too_large,
    ],
)
served = settings(fuzz, max_examples=max(1, EXAMPLES // 8))
"""Where a server is started for each."""

_odd = st.sampled_from([
    *("", "\x00", "\ud800", "\u202e", "<|eot_id|>", "[INST]", "[/INST]", "<<SYS>>", "### Human:"),
    *(">>> x", "'; --", "../..", "en"),
])  # fmt: skip
_texts = st.one_of(st.text(max_size=40), _odd, st.lists(_odd, max_size=5).map("".join))
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    _texts,
    st.just(10**400),
    st.just("x" * 5000),
)


def _json(names: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.recursive(
        _scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(st.one_of(names, _texts), inner, max_size=5)
        ),
        max_leaves=12,
    )


_CHAT = [
    *ChatCompletionRequest.model_fields,
    *TokenizeRequest.model_fields,
    "role",
    "content",
    "type",
    "text",
]
_ROW = [
    *(
        "id",
        "language",
        "task",
        "messages",
        "lookup",
        "background",
        "rating",
        "members",
        "model",
        "conversations",
    ),
    *(
        "role",
        "content",
        "from",
        "value",
        "text",
        "prompt",
        "response",
        "instruction",
        "output",
        "history",
        "input",
    ),
    *(
        "question_1",
        "answer_1",
        "english_name",
        "local_name",
        "property_type",
        "is_local",
        "wp_code",
        "rows",
        "title",
    ),
]
_messages = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system", "x"]), "content": _texts}),
    max_size=4,
)
_requests = st.dictionaries(
    st.sampled_from(_CHAT), st.one_of(_messages, _json(st.sampled_from(_CHAT))), max_size=8
)
_rows = st.dictionaries(st.sampled_from(_ROW), st.one_of(_messages, _json(st.sampled_from(_ROW))), max_size=7)


# --- The worker's protocol


@fuzz
@given(_requests)
def test_a_request_is_taken_or_refused_by_the_name_of_its_field(fields: dict[str, Any]) -> None:
    for kind in (ChatCompletionRequest, TokenizeRequest):
        try:
            kind.model_validate(fields)
        except ValidationError as error:
            told = as_api_error(error)
            assert told.status == 400
            json.dumps(told.body("id")).encode()


@served
@given(
    st.lists(
        st.one_of(_requests.map(lambda fields: json.dumps(fields).encode()), st.binary(max_size=80)),
        min_size=1,
        max_size=8,
    )
)
def test_whatever_the_worker_is_sent_it_answers_and_goes_on(bodies: list[bytes]) -> None:
    async def ask() -> None:
        model = fake_model(FakeEngine(replies=["Yes."]), context_length=512)
        async with listening([model]) as running, aiohttp.ClientSession() as http:
            for body in bodies:
                for path in ("/v1/chat/completions", "/tokenize"):
                    async with http.post(running.url + path, data=body) as answer:
                        assert answer.status in {200, 400, 404}, await answer.text()
                        await answer.read()
            async with http.get(f"{running.url}/health") as answer:
                assert (await answer.json())["load"]["running"] == 0

    asyncio.run(ask())


_LINES = [
    *("data: ", "data:", "event: x", ":", "\n", "\n\n", "\r\n", "[DONE]", "{", "}", "null", '{"choices":[]}', "\x00"),
    *('{"choices":[{"delta":{"content":"a"},"finish_reason":null}]}', '{"choices":[{"delta":{"content":{}}}]}', "[[[["),
    *('{"choices":[{"finish_reason":"stop"}]}', '{"choices":[{"delta":null}]}', '{"choices":{"a":1}}'),
    *('{"error":{"message":"no"}}', '{"error":1}', '{"choices":[{"delta":{"content":"\\ud800"}}]}', "data: [DONE]\n\n"),
]  # fmt: skip


@served
@given(
    st.lists(st.one_of(st.sampled_from(_LINES).map(str.encode), st.binary(max_size=12)), max_size=14).map(
        b"".join
    )
)
def test_whatever_a_worker_streams_is_text_or_an_error_of_ours(stream: bytes) -> None:
    async def ask() -> None:
        async def models(_: web.Request) -> web.Response:
            return web.json_response(
                {"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "x"}]}
            )

        async def chat(request: web.Request) -> web.Response:
            await request.read()
            return web.Response(body=stream, headers={"Content-Type": "text/event-stream"})

        app = web.Application()
        app.router.add_get("/v1/models", models)
        app.router.add_post("/v1/chat/completions", chat)
        async with TestServer(app) as server, open_client(str(server.make_url("/v1")), None) as client:
            wanted = Generation([{"role": "user", "content": "x"}], 4, "id")
            with contextlib.suppress(WorkerError):
                async for piece in OpenAIWorker(client).write(wanted):
                    assert isinstance(piece.text, str)

    asyncio.run(ask())


# --- Wikipedia, attachments, links


_PAGE = [
    *(
        "query",
        "pages",
        "title",
        "extract",
        "fullurl",
        "thumbnail",
        "source",
        "langlinks",
        "lang",
        "redirects",
    ),
    *("from", "to", "error", "index", "ns", "prefixsearch", "missing", "pageprops"),
]
_page = st.dictionaries(st.sampled_from(_PAGE), _json(st.sampled_from(_PAGE)), max_size=6)
_answers = st.lists(_page, max_size=3).map(lambda pages: {"query": {"pages": pages}})


@fuzz
@given(
    st.one_of(_answers, _json(st.sampled_from(_PAGE))).map(lambda it: json.dumps(it).encode())
    | st.binary(max_size=60)
)
@example(b'{"query":{"pages":[' + b"[" * 100_000)
def test_whatever_wikipedia_answers_is_pages_or_that_it_is_away(body: bytes) -> None:
    with contextlib.suppress(WikipediaUnavailable):
        for found in read_answer(body, "Dune", LANGUAGES["de"]):
            assert found.page.url is None or found.page.url.startswith(("https://", "http://"))
            assert found.page.thumbnail_url is None or found.page.thumbnail_url.startswith("https://")
            assert not {"\x00", "\u202e"} & set(found.page.title + found.page.extract)
    with contextlib.suppress(WikipediaUnavailable):
        assert all("\n" not in title for title in read_titles(body))


_CHARSETS = ["utf-8", "idna", "punycode", "utf-7", "utf-16", "hz", "big5"]


@fuzz
@given(st.binary(max_size=200), st.one_of(st.none(), _texts, st.sampled_from(_CHARSETS)), _texts)
def test_whatever_is_attached_is_text_in_its_block_or_left_out(
    data: bytes, charset: str | None, name: str
) -> None:
    text = decode(data, f"text/plain; charset={charset}")
    if text is not None:
        turn = turn_with("words", [TextFile(name, text)])
        assert turn.count(FILE_END) == 1
        assert turn.endswith(FILE_END)
        turn.encode()


@fuzz
@given(
    st.one_of(
        _texts, st.builds("{}://{}".format, _texts, _texts), st.builds("https://{}/{}".format, _texts, _texts)
    )
)
@example("https://0/\ud800")
def test_an_address_is_of_the_web_or_none(address: str) -> None:
    found = safe_url(address)
    assert found is None or (
        found.startswith(("http://", "https://")) and found.isascii() and not set('"<>\\ \n') & set(found)
    )


# --- The trainer: rows, files of many kinds, forms, adapters


@fuzz
@given(st.lists(_rows, max_size=3))
@example([{"messages": [{"role": "user", "content": "0"}, {"role": "assistant", "content": "\ud800"}]}])
def test_whatever_a_row_has_in_it_makes_a_chat_or_is_passed_over(rows: list[dict[str, Any]]) -> None:
    imported = import_chats([Source(row, str(number)) for number, row in enumerate(rows)], name="x")
    assert len(imported.chats) + imported.rows_skipped == len(rows)
    import_works([Source(row, str(number)) for number, row in enumerate(rows)])


@fuzz
@given(
    st.lists(st.one_of(_rows.map(lambda row: json.dumps(row).encode()), st.binary(max_size=60)), max_size=5)
)
@example([b'{"messages": "' + b"[" * 100_000 + b'"}'])
@example([b'{"messages": ' + b"[" * 900 + b"]" * 900 + b"}"])
@example([b'{"messages": [{"role": ' + b"[" * 900 + b"]" * 900 + b', "content": "x"}]}'])
@example([b'{"prompt": "' + b"[INST]" * 20_000 + b'[/INST]", "response": "x"}'])
@example([b'{"id": ' + b"9" * 5000 + b"}"])
def test_whatever_is_in_an_uploaded_file_is_a_good_row_or_a_bad_one(
    tmp_path: Path, lines: list[bytes]
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\n".join(lines))
    for kind in ("chats", "rated"):
        found = read_rows(path, kind, "x")  # type: ignore[arg-type]
        told = [row.line for row in found.good] + [row.line for row in found.bad]
        assert len(told) == len(set(told))


@fuzz
@given(
    st.sampled_from(["json", "jsonl", "csv", "tsv", "parquet"]),
    st.one_of(
        st.binary(max_size=120),
        _json(st.sampled_from(_ROW)).map(lambda it: json.dumps(it).encode()),
        st.lists(st.lists(_texts, max_size=4).map(",".join), max_size=5).map(
            lambda it: "\n".join(it).encode("utf-8", "replace")
        ),
    ),
    st.booleans(),
)
@example("json", b"[" * 200_000, False)
@example("jsonl", b'{"a":' * 200_000, False)
@example("csv", b"a,b\n" + b'"' * 1000, False)
@example("parquet", b"PAR1" + b"\xff" * 40 + b"PAR1", False)
def test_whatever_is_to_be_imported_is_rows_or_cannot_be_read(
    tmp_path: Path, suffix: str, content: bytes, packed: bool
) -> None:
    path = tmp_path / (f"x.{suffix}.gz" if packed else f"x.{suffix}")
    path.write_bytes(gzip.compress(content) if packed else content)
    with contextlib.suppress(TrainingError):
        import_chats(list(read_file(path)), name="x")
    if packed:
        path.write_bytes(content)
        with contextlib.suppress(TrainingError):
            list(read_file(path))


_DISPOSITION = b"Content-Disposition: form-data; name="
_PIECES = [
    *(
        b"--b\r\n",
        b"--b--\r\n",
        b"\r\n",
        b"\r\n\r\n",
        _DISPOSITION + b'"file"; filename="x"',
        b"--",
        b":",
        b"{}",
    ),
    *(_DISPOSITION + b'"purpose"\r\n\r\nfine-tune\r\n', b"Content-Type: multipart/mixed; boundary=c"),
    *(
        b"Content-Length: -1",
        b"Content-Length: x",
        b"Content-Encoding: gzip",
        b"Content-Type: text/plain; charset=x",
    ),
    *(b"Content-Transfer-Encoding: base64", b'{"messages": []}\n', b"Content-Disposition: x\xff", b"\x00"),
    *(_DISPOSITION + b'"_charset_"\r\n\r\n' + b"x" * 40 + b"\r\n", _DISPOSITION + b'"members"\r\n\r\n[[\r\n'),
]
_part = st.lists(st.one_of(st.sampled_from(_PIECES), st.binary(max_size=8)), max_size=10).map(b"".join)


@served
@given(st.lists(_part, min_size=1, max_size=6))
def test_whatever_form_the_trainer_is_sent_it_answers_and_keeps_nothing_of_it(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("trainer")

    async def send() -> None:
        async with trainer_listening(folder) as running, aiohttp.ClientSession() as http:
            for body in bodies:
                headers = {"Content-Type": "multipart/form-data; boundary=b"}
                async with http.post(
                    f"{running.url}/v1/files", data=io.BytesIO(body), headers=headers
                ) as answer:
                    assert answer.status in {400, 413}, await answer.text()
            assert not list((folder / "trainer").glob(".incoming-*"))
            assert running.trainer.service.files.all() == []

    asyncio.run(send())


_CONFIG = [
    *(
        "peft_type",
        "r",
        "lora_alpha",
        "target_modules",
        "bias",
        "rank_pattern",
        "alpha_pattern",
        "use_rslora",
    ),
    *("base_model_name_or_path", "init_lora_weights", "layers_to_transform", "use_dora"),
]
_config = st.dictionaries(
    st.sampled_from(_CONFIG), st.one_of(_json(_texts), st.sampled_from(["LORA", "none", 8, True])), max_size=5
).map(lambda it: json.dumps({"peft_type": "LORA", "r": 8, "init_lora_weights": True, **it}).encode())


@fuzz
@given(st.one_of(st.binary(max_size=60), _config), st.binary(max_size=40))
def test_whatever_an_adapter_says_of_itself_it_is_taken_or_refused(
    tmp_path_factory: pytest.TempPathFactory, config: bytes, other: bytes
) -> None:
    folder = tmp_path_factory.mktemp("adapter")
    for name, content in ((CONFIG, config), (WEIGHTS, b""), (METADATA, other), (TEMPLATE, other)):
        (folder / name).write_bytes(content)
    with contextlib.suppress(AdapterRefused, AdapterNotFound):
        read(folder)
