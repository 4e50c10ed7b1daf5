"""Publishing: the real client against a hub on loopback; the dry run; what licences want of names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from model.adapter_folder import read, same_base
from model.preset import load_preset
from tests.training.finetuning.hub import hub
from training.__main__ import main
from training.finetuning.adapter import write_weights
from training.finetuning.card import model_card, title_of
from training.finetuning.errors import PublishError
from training.finetuning.licences import licence_of
from training.finetuning.publish import NEEDED, prepare, publish, to_hub
from training.finetuning.run_folder import RunFolder
from training.finetuning.source import find_adapter

# The hub's client sends large files by a parameter that httpx would rather have by another name.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def report(tmp_path: Path) -> Path:
    folder = tmp_path / "evaluation"
    folder.mkdir()
    (folder / "report.md").write_text(
        "# How it did\n\n![Map](map.png) [source](https://example.org)\n\n## Languages\n"
    )
    (folder / "report.json").write_text("{}")
    (folder / "map.png").write_bytes(b"\x89PNG")
    (folder / "answers.jsonl").write_text("{}\n")
    return folder


def test_everything_an_adapter_is_shipped_with_reaches_the_hub(
    trained: RunFolder, report: Path, tmp_path: Path
) -> None:
    source = find_adapter(trained.adapter, tmp_path)
    publication = prepare(source, "me/tiny-fanfabler", tmp_path / "out", evaluation=report)
    with hub() as there:
        address = publish(publication, to_hub(private=True, endpoint=there.url, token="hf_secret"))
    assert address.startswith(there.url)
    assert there.created[0]["name"] == "tiny-fanfabler"
    assert there.created[0]["organization"] == "me"
    assert there.created[0]["visibility"] == "private"
    assert there.tokens == {"Bearer hf_secret"}
    assert {*NEEDED, "chat_template.jinja", "loss.png", "evaluation/report.json"} <= there.files.keys()
    assert "evaluation/answers.jsonl" not in there.files
    assert list(there.large.values()) == [there.files["adapter_model.safetensors"]]
    for name, content in there.files.items():
        assert content == (publication.folder / name).read_bytes()


def test_a_hub_that_refuses_is_one_sentence(trained: RunFolder, tmp_path: Path) -> None:
    publication = prepare(find_adapter(trained.adapter, tmp_path), "me/tiny", tmp_path / "out")
    with hub() as there:
        there.refuse = True
        with pytest.raises(PublishError, match="me/tiny could not be uploaded"):
            publish(publication, to_hub(private=False, endpoint=there.url, token="hf_secret"))


def test_a_hub_that_refuses_the_weights_is_one_sentence(trained: RunFolder, tmp_path: Path) -> None:
    publication = prepare(find_adapter(trained.adapter, tmp_path), "me/tiny", tmp_path / "out")
    with hub() as there:
        there.refuse_large = True
        with pytest.raises(
            PublishError, match=r"(?s)me/tiny could not be uploaded: .*adapter_model\.safetensors.* 403"
        ):
            publish(publication, to_hub(private=False, endpoint=there.url, token="hf_secret"))
    assert there.files == {}


def test_a_hub_that_is_not_there_is_one_sentence(trained: RunFolder, tmp_path: Path) -> None:
    publication = prepare(find_adapter(trained.adapter, tmp_path), "me/tiny", tmp_path / "out")
    with pytest.raises(PublishError, match=r"me/tiny could not be uploaded: http://127\.0\.0\.1:9 did not"):
        publish(publication, to_hub(private=False, endpoint="http://127.0.0.1:9", token="hf_secret"))


def test_the_card_has_the_evaluation_with_its_pictures(
    trained: RunFolder, report: Path, tmp_path: Path
) -> None:
    publication = prepare(
        find_adapter(trained.adapter, tmp_path), "me/tiny", tmp_path / "out", evaluation=report
    )
    assert "### How it did" in publication.card
    assert "![Map](evaluation/map.png) [source](https://example.org)" in publication.card
    assert publication.evaluated


def test_a_dry_run_shows_files_card_and_licence_and_needs_no_hub(
    trained: RunFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    before = {path: path.read_bytes() for path in trained.adapter.iterdir()}
    assert main(["publish", str(trained.adapter), "--repo", "me/tiny", "--dry-run"]) == 0
    said = capsys.readouterr().out
    for name in NEEDED:
        assert f"  {name}\n" in said
    assert "# FanFabler (tiny)" in said
    assert "Nobody's terms are passed on" in said
    assert "no evaluation goes along" in said
    assert "nothing was uploaded to me/tiny" in said
    assert {path: path.read_bytes() for path in trained.adapter.iterdir()} == before


def test_a_name_that_is_none_is_refused(trained: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="OWNER/NAME"):
        prepare(find_adapter(trained.adapter, tmp_path), "tiny", tmp_path / "out")


def test_an_evaluation_that_is_not_there_is_refused(trained: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(PublishError, match=r"report\.md"):
        prepare(find_adapter(trained.adapter, tmp_path), "me/tiny", tmp_path / "out", evaluation=tmp_path)


@pytest.mark.parametrize(
    ("preset", "card", "begins", "shown"),
    [
        ("llama3-8b", "llama3", "Llama 3", "Built with Meta Llama 3"),
        ("llama3.1-8b", "llama3.1", "Llama", "Built with Llama"),
        ("embedded", "gemma", "", "ai.google.dev/gemma/terms"),
    ],
)
def test_what_the_licence_of_the_base_wants_stands_in_the_card(
    trained: RunFolder, preset: str, card: str, begins: str, shown: str
) -> None:
    licence = licence_of(load_preset(preset).base)
    text = model_card(trained.read_manifest(), licence, languages=["de"], template=True)
    assert f"license: {card}\n" in text
    assert shown in text
    assert title_of("mine", licence).startswith(begins or "FanFabler")
    assert "section 3.2" in licence.notice() or "Community License" in licence.notice()
    assert all(path.stat().st_size > 1000 for path in licence.texts())


def test_an_adapters_configuration_names_a_base_that_others_find_and_the_worker_knows(tmp_path: Path) -> None:
    base = load_preset("embedded").base
    write_weights(tmp_path, {}, {"peft_type": "LORA", "r": 8}, base)
    found = read(tmp_path)
    assert found.base == "google/gemma-3-270m"
    assert same_base(found.base, base.name)


def test_a_llama_must_be_called_one(trained: RunFolder, tmp_path: Path) -> None:
    source = find_adapter(trained.adapter, tmp_path)
    llama = source.recipe.model_copy(update={"preset": "llama3-8b"})
    from dataclasses import replace

    with pytest.raises(PublishError, match="me/Llama-3-FanFabler"):
        prepare(replace(source, recipe=llama), "me/FanFabler", tmp_path / "out")


def test_a_licence_that_wants_a_copy_of_itself_goes_up_with_it_or_nothing_does(
    trained: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    llama = shutil.copytree(trained.adapter, tmp_path / "llama")
    manifest = trained.read_manifest()
    manifest["recipe"]["preset"] = "llama3-8b"
    (llama / "manifest.json").write_text(json.dumps(manifest))
    command = ["publish", str(llama), "--repo", "me/Llama-3-FanFabler"]
    remedy = f"save https://www.llama.com/llama3/license/ as LICENSE.txt in {llama}"
    assert main([*command, "--dry-run"]) == 0
    assert remedy in capsys.readouterr().out
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with hub() as there:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", there.url)
        assert main(command) == 2
        assert remedy in capsys.readouterr().err
        assert there.created == []
        (llama / "LICENSE.txt").write_text("The whole text.")
        assert main(command) == 0
    assert there.url in capsys.readouterr().out
    assert there.files["LICENSE.txt"] == b"The whole text."
    assert there.files["adapter_model.safetensors"] == (llama / "adapter_model.safetensors").read_bytes()
    assert b"Built with Meta Llama 3" in there.files["README.md"]
