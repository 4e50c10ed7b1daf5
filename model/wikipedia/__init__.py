"""Facts about works: from the Wikipedia of a language, or from the bundled notes where that is out of reach."""

from model.wikipedia.bundled import BundledNotes, WithFallback
from model.wikipedia.client import DEFAULT_URL, WikipediaClient
from model.wikipedia.page import (
    LICENCE,
    CachedPage,
    CanonSource,
    MemoryCache,
    Page,
    PageCache,
    SearchableSource,
)

__all__ = [
    "DEFAULT_URL",
    "LICENCE",
    "BundledNotes",
    "CachedPage",
    "CanonSource",
    "MemoryCache",
    "Page",
    "PageCache",
    "SearchableSource",
    "WikipediaClient",
    "WithFallback",
]
