"""What MediaWiki's API is asked, and what its answer says. No I/O.

Source: mediawiki.org, API:Search, Extension:TextExtracts, Extension:PageImages, API:Info, API:Langlinks.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import quote

from pydantic import BaseModel, Field, ValidationError

from model.errors import WikipediaUnavailable
from model.languages import Language
from model.wikipedia.page import Page

_HITS = 5
_MAX_EXTRACT = 1200
# Chinese and Serbian are kept in one script and converted: simplified and Cyrillic are asked for.
# Operators of Wikipedia's search, some of them costly; a term is a title and has none.
_OPERATOR = re.compile(
    r"\b(?:insource|intitle|incategory|deepcat|deepcategory|hastemplate|linksto|morelike|morelikethis|prefix"
    r"|subpageof|articletopic|contentmodel|filetype|inlanguage|local|pageid|boost-templates|prefer-recent):"
    r"|(?:^|(?<=\s))[-!~]+",
    re.IGNORECASE,
)
_VARIANTS = {"zh": "zh-cn", "sr": "sr-ec"}


def search_request(term: str, language: Language) -> dict[str, str]:
    """The one request of a look-up: the first hits of a search, each with all that is shown of a page."""
    return {
        "generator": "search",
        "gsrsearch": _without_operators(term),
        "gsrnamespace": "0",
        "gsrlimit": str(_HITS),
        **_page_request(language),
    }


def _without_operators(term: str) -> str:
    return " ".join(_OPERATOR.sub(" ", term).split()) or term


def title_request(title: str, language: Language) -> dict[str, str]:
    """The request for one page of known title."""
    return {"titles": title, **_page_request(language)}


def titles_request(prefix: str, language: Language, limit: int) -> dict[str, str]:
    """The request for titles that begin like this, for completing what somebody types."""
    request = {
        "action": "query",
        "format": "json",
        "formatversion": "2",
        "list": "prefixsearch",
        "pssearch": prefix,
        "psnamespace": "0",
        "pslimit": str(limit),
    }
    if variant := _VARIANTS.get(language.code):
        request["variant"] = variant
    return request


def _page_request(language: Language) -> dict[str, str]:
    request = {
        "action": "query",
        "format": "json",
        "formatversion": "2",
        "redirects": "1",
        "prop": "extracts|pageimages|info|langlinks|pageprops",
        "exintro": "1",
        "explaintext": "1",
        "exlimit": str(_HITS),
        "exchars": str(_MAX_EXTRACT),
        "piprop": "thumbnail",
        "pithumbsize": "320",
        "pilimit": str(_HITS),
        "inprop": "url",
        "lllang": "en",
        "lllimit": str(_HITS),
        "ppprop": "disambiguation",
    }
    if variant := _VARIANTS.get(language.code):
        request["variant"] = variant
    return request


class _Link(BaseModel):
    lang: str
    title: str


class _Thumbnail(BaseModel):
    source: str


class _Page(BaseModel):
    title: str
    ns: int = 0
    index: int = 0
    missing: bool = False
    invalid: bool = False
    extract: str = ""
    fullurl: str = ""
    lastrevid: int | None = None
    thumbnail: _Thumbnail | None = None
    langlinks: list[_Link] = []
    pageprops: dict[str, str] = {}


class _Redirect(BaseModel):
    source: str = Field(alias="from")
    to: str


class _Title(BaseModel):
    title: str


class _Query(BaseModel):
    pages: list[_Page] = []
    redirects: list[_Redirect] = []
    prefixsearch: list[_Title] = []


class _Error(BaseModel):
    code: str = ""
    info: str = ""


class _Answer(BaseModel):
    query: _Query = _Query()
    error: _Error | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The best hit, and the title of its page in English where it has one."""

    page: Page
    english_title: str | None


def read_answer(body: bytes, term: str, language: Language) -> list[Found]:
    """The pages of the answer, the one that fits `term` best first. Raises `WikipediaUnavailable`."""
    query = _read(body)
    return [
        Found(
            _page(hit, language),
            next((link.title for link in hit.langlinks if link.lang == "en"), None),
        )
        for hit in _by_fit(query, term)
    ]


def read_titles(body: bytes) -> list[str]:
    """The titles of an answer to `titles_request`. Raises `WikipediaUnavailable`."""
    return [title for each in _read(body).prefixsearch if (title := " ".join(_plain(each.title).split()))]


def _read(body: bytes) -> _Query:
    try:
        answer = _Answer.model_validate_json(body)
    except ValidationError as error:
        raise WikipediaUnavailable("Wikipedia's answer could not be read") from error
    if answer.error is not None:
        raise WikipediaUnavailable(
            f"Wikipedia answered with an error: {answer.error.code} {answer.error.info}"
        )
    return answer.query


def _by_fit(query: _Query, term: str) -> list[_Page]:
    """An exact title first (a redirect's too), then one that is exact but for brackets, then as they came.

    Disambiguation pages are about nothing and left out; of hits that fit alike, those without text come last.
    """
    named_so = {redirect.to for redirect in query.redirects if _fold(redirect.source) == _fold(term)}
    hits = [
        page
        for page in sorted(query.pages, key=lambda page: page.index)
        if page.ns == 0 and not (page.missing or page.invalid or "disambiguation" in page.pageprops)
    ]
    return sorted(hits, key=lambda page: _distance(page, term, named_so))


def _distance(page: _Page, term: str, named_so: set[str]) -> tuple[bool, bool, bool]:
    exact = _fold(page.title) == _fold(term) or page.title in named_so
    but_for_brackets = _fold(_without_brackets(page.title)) == _fold(_without_brackets(term))
    return (not exact, not but_for_brackets, not page.extract.strip())


def same_title(one: str, other: str) -> bool:
    """Whether two titles are the same but for case, width and what stands in brackets."""
    return _fold(_without_brackets(one)) == _fold(_without_brackets(other))


def _without_brackets(title: str) -> str:
    return re.sub(r"[(（].*?[)）]", " ", title)


def _fold(title: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", title).casefold().replace("_", " ").split())


def _page(page: _Page, language: Language) -> Page:
    url = page.fullurl if page.fullurl.startswith(("https://", "http://")) else None
    thumbnail = (
        page.thumbnail.source if page.thumbnail and page.thumbnail.source.startswith("https://") else None
    )
    return Page(
        title=_plain(page.title),
        language=language.code,
        extract=_plain(page.extract),
        source="wikipedia",
        url=url or f"https://{language.wikipedia_host}/wiki/{quote(page.title.replace(' ', '_'))}",
        revision=page.lastrevid,
        thumbnail_url=thumbnail,
    )


def _plain(text: str) -> str:
    """Text without control characters and the empty brackets that are left of pronunciations and scripts."""
    kept = "".join(
        c if c == "\n" or unicodedata.category(c)[0] != "C" or c in "\u200c\u200d" else " " for c in text
    )
    kept = re.sub(r"\s*[(（][\s,;/،]*[)）]", "", kept)
    return re.sub(r"\n{2,}", "\n", re.sub(r"[ \t]+", " ", kept)).strip()
