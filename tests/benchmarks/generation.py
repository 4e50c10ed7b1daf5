"""The generator against the article's sequential loop: `python -m tests.benchmarks.generation`.

Both ask the same stub, a process of its own that answers every request after 200 ms. The article's loop makes
one request after the other: for a chat two questions, two answers, and six requests to Wikipedia (one search,
then an extract for each of its five hits). It is timed on a few chats of the run; the generator writes all 400,
and its time is that of the whole command, from start to exit, without the checks, which the loop does not have.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LANGUAGES, WORKS, CHATS = "de,sv,fi,ko", 20, 5
LATENCY = 0.2
"""Seconds until the stub answers."""
WANTED_RATIO = 40.0


def main() -> int:
    """Run, print the figures, and fail where the ratio is not reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sample", type=int, default=5, help="chats of the sequential loop (default: %(default)s)"
    )
    options = parser.parse_args()
    with _stub() as url:
        before = _counts(url)
        per_chat = _sequential(url, options.sample)
        between = _counts(url)
        seconds, chats, lookups = _generate(url)
        after = _counts(url)
    loop_requests = (between["wikipedia"] - before["wikipedia"]) / options.sample
    our_requests = after["wikipedia"] - between["wikipedia"]
    ratio = per_chat * chats / seconds
    _print(
        f"the article's loop, {options.sample} chats  {per_chat:.2f} s a chat, {per_chat * chats:.0f} s for {chats}"
    )
    _print(f"the generator, {chats} chats       {seconds:.1f} s with {after['chat'] - between['chat']} calls")
    _print(f"ratio                           {ratio:.0f} × (wanted: {WANTED_RATIO:.0f} ×)")
    _print(f"Wikipedia requests per look-up  {our_requests / lookups:.2f} instead of {loop_requests:.0f}")
    _print(f"Wikipedia requests in all       {our_requests} for {chats} chats (a page is looked up once)")
    return 0 if ratio >= WANTED_RATIO and our_requests <= lookups else 1


def _sequential(url: str, chats: int) -> float:
    """Seconds a chat takes the article's loop."""
    from openai import OpenAI

    client = OpenAI(base_url=f"{url}/v1", api_key="none")

    def complete(*messages: tuple[str, str]) -> str:
        response = client.chat.completions.create(
            model="stub",
            messages=[{"role": role, "content": content} for role, content in messages],  # type: ignore[misc]
            temperature=1,
        )
        return response.choices[0].message.content or ""

    complete(("user", "hello"))  # the connection is not what is measured
    began = time.perf_counter()
    for number in range(chats):
        first_question = complete(("user", f"Create a brief query, number {number}."))
        first_answer = complete(("system", "Answer, and ask for background."), ("user", first_question))
        snippets = _snippets(url, f"work {number}")
        talk = f"{first_question}\n{first_answer}\n{snippets}"
        second_question = complete(("user", f"Create the next query.\n{talk}"))
        complete(("system", "Answer."), ("user", talk), ("user", second_question))
    return (time.perf_counter() - began) / chats


def _snippets(url: str, subject: str) -> str:
    """What the article's look-up asks: a search, then an extract for every hit."""
    _get(f"{url}/sv/w/api.php", action="opensearch", search=subject, limit="5")
    pages = [
        _get(
            f"{url}/sv/w/api.php",
            action="query",
            prop="extracts",
            exsentences="20",
            search=f"{subject} {hit}",
        )
        for hit in range(5)
    ]
    return " ".join(page["query"]["pages"][0]["extract"] for page in pages)


def _generate(url: str) -> tuple[float, int, int]:
    """Seconds, chats and look-ups of the whole command."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        command = [sys.executable, "-m", "training", "generate", "--model", "stub", "--out", str(out)]
        command += ["--languages", LANGUAGES, "--works", str(WORKS), "--chats", str(CHATS), "--no-checks"]
        settings = {
            "OPENAI_BASE_URL": f"{url}/v1",
            "OPENAI_API_KEY": "none",
            "WIKIPEDIA_URL": f"{url}/{{code}}/w/api.php",
        }
        began = time.perf_counter()
        subprocess.run(command, env=os.environ | settings, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - began
        report = json.loads((out / "report.json").read_text())
        if report["chats"] != WORKS * CHATS * len(LANGUAGES.split(",")):
            raise SystemExit(f"only {report['chats']} chats were written")
        return seconds, report["chats"], sum(report["background"].values())


@contextmanager
def _stub() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.training.generation.stub", "--latency", str(LATENCY)]
    command += ["--wikipedia-latency", str(LATENCY)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def _counts(url: str) -> dict[str, int]:
    counts: dict[str, int] = _get(f"{url}/counts")
    return counts


def _get(url: str, **parameters: str) -> Any:
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(parameters)}") as response:  # noqa: S310
        return json.load(response)


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
