"""What the page makes of texts: as Discord shows them."""

from __future__ import annotations

import json

import pytest

from bot.preview.simcord_live.projection import remembered_tokens

CONTEXT = {"commands": {"5": "story"}, "channels": {"7": "fan-fiction"}, "users": {"9": "Ada"}}
TEXT = "</story start:5> in <#7>, says <@9>"


@pytest.mark.parametrize("profile", ["message", "embed_description", "embed_field_value"])
def test_mentions_show_in_messages_and_in_the_texts_of_embeds(profile: str) -> None:
    shown = json.dumps(remembered_tokens(TEXT, profile, context=CONTEXT))
    assert '"label": "/story start"' in shown
    assert '"label": "#fan-fiction"' in shown
    assert '"label": "@Ada"' in shown


@pytest.mark.parametrize("profile", ["embed_title", "embed_field_name", "embed_footer"])
def test_titles_and_footers_show_what_was_written(profile: str) -> None:
    shown = json.dumps(remembered_tokens(TEXT, profile, context=CONTEXT))
    assert "</story start:5>" in shown
    assert "label" not in shown
