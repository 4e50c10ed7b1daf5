"""The client against a real MediaWiki in two languages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from model.wikipedia import WikipediaClient
from tests.model.wikipedia import mediawiki

pytestmark = pytest.mark.mediawiki

WIKIS = {
    "sv": {
        "Näcken": "'''Näcken''' är ett [[väsen]] som spelar fiol i forsar.\n\n[[en:Neck (water spirit)]]\n"
        "== Historia ==\nMer.",
        "Väsen": "Ett '''väsen''' är till exempel Näcken, som nämns Näcken, Näcken och Näcken.",
        "Näcken (sång)": "'''Näcken''' är en sång.",
        "Strömkarlen": "#REDIRECT [[Näcken]]",
        "Kungariket": "{{disambiguation}}\n'''Kungariket''' kan syfta på: Kungariket (film)",
        "Kungariket (film)": "'''Kungariket''' är en film om ett kungarike.",
        "Sagan om ringen": "== Handling ==\nInledning saknas.\n\n[[en:The Lord of the Rings]]",
    },
    "en": {
        "Neck (water spirit)": "The '''neck''' is a water spirit.\n\n[[sv:Näcken]]",
        "The Lord of the Rings": "'''The Lord of the Rings''' is a novel by J. R. R. Tolkien.",
        "Dune (novel)": "'''Dune''' is a novel of 1965.",
    },
}  # fmt: skip


@pytest.fixture(scope="session")
def url_template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if lacking := mediawiki.missing():
        pytest.skip(lacking)
    with mediawiki.serve(tmp_path_factory.mktemp("mediawiki"), WIKIS) as template:
        yield template


class Requests:
    """Counts what a session asks."""

    def __init__(self) -> None:
        self.count = 0

    async def on_start(self, *_: object) -> None:
        self.count += 1


@pytest.fixture
def requests() -> Requests:
    return Requests()


@pytest.fixture
async def client(url_template: str, requests: Requests) -> AsyncIterator[WikipediaClient]:
    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(requests.on_start)
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        client = WikipediaClient(
            session, user_agent="FanFablerTests/1.0", url_template=url_template, timeout=30
        )
        yield client
        await client.close()


async def test_one_request_brings_text_address_and_revision(
    client: WikipediaClient, requests: Requests
) -> None:
    page = await client.lookup("Näcken", "sv")
    assert page is not None
    assert page.title == "Näcken"
    assert page.extract == "Näcken är ett väsen som spelar fiol i forsar."
    assert page.url is not None
    assert page.url.endswith("/N%C3%A4cken")
    assert page.revision is not None
    assert requests.count == 1


async def test_a_redirect_is_followed_in_the_same_request(
    client: WikipediaClient, requests: Requests
) -> None:
    page = await client.lookup("Strömkarlen", "sv")
    assert page is not None
    assert page.title == "Näcken"
    assert requests.count == 1


async def test_a_disambiguation_page_is_passed_over(client: WikipediaClient) -> None:
    page = await client.lookup("Kungariket", "sv")
    assert page is not None
    assert page.title == "Kungariket (film)"


async def test_a_page_without_an_introduction_leads_to_the_english_one(
    client: WikipediaClient, requests: Requests
) -> None:
    page = await client.lookup("Sagan om ringen", "sv")
    assert page is not None
    assert (page.title, page.language) == ("The Lord of the Rings", "en")
    assert page.extract.startswith("The Lord of the Rings is a novel")
    assert requests.count == 2


async def test_what_only_english_has_is_found_there_under_its_title(client: WikipediaClient) -> None:
    page = await client.lookup("Dune", "sv")
    assert page is not None
    assert (page.title, page.language) == ("Dune (novel)", "en")


async def test_what_nobody_has_is_not_found(client: WikipediaClient) -> None:
    assert await client.lookup("Zzyzx", "sv") is None


async def test_a_term_with_the_searchs_own_signs_does_no_harm(client: WikipediaClient) -> None:
    for term in ('intitle:"x" OR (', "*", "!!", "a|b", "-Näcken", '"'):
        await client.lookup(term, "sv")


async def test_titles_complete_what_is_typed(client: WikipediaClient) -> None:
    assert await client.titles("kunga", "sv") == ["Kungariket", "Kungariket (film)"]
    assert await client.titles("Zzyzx", "sv") == []


async def test_a_search_brings_several_pages(client: WikipediaClient, requests: Requests) -> None:
    pages = await client.search("Näcken", "sv")
    assert [page.title for page in pages] == ["Näcken", "Näcken (sång)"]
    assert requests.count == 1
