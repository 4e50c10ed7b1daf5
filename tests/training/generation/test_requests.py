"""Requests and how replies to them are read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.lib._pydantic import to_strict_json_schema

from model.languages import LANGUAGES
from model.lookup_tag import Lookup, Reply
from training.chats import BackgroundNote, Property
from training.generation.errors import BadOutput
from training.generation.plan import ChatPlan
from training.generation.prompts import SETS, Draft, load_set
from training.generation.prompts.base import digest
from training.generation.prompts.forms import ProposedProperties, questions_output
from training.generation.reading import check_language, lookup_term
from training.generation.requests import ReplyForm, find_json, numbered_lines, strict_schema, unquoted
from training.generation.stages import Stage

WORK = Property(
    local_name="Muumit",
    english_name="The Moomins",
    property_type="book",
    is_local=True,
    wikipedia_title="Muumit",
)
PLAN = ChatPlan("fi", 1, 1, "opening", "terse", "opens with a question")
NOTE = BackgroundNote(title="Muumit", text="Muumit ovat Tove Janssonin hahmoja.", source="written")
TEXT = "Muumipeikko istui sillalla ja odotti, että Nuuskamuikkunen tulisi takaisin etelästä."


def first_answer(lookup: bool = True, form: ReplyForm = ReplyForm.SCHEMA) -> Any:
    plan = ChatPlan("fi", 1, 1, "opening", lookup=lookup)
    return load_set("spec").first_answer(Draft(plan, WORK).asked("Alku Muumeista?"))


@pytest.mark.parametrize("output", [ProposedProperties, questions_output(1), questions_output(5)])
def test_schemas_are_as_strict_as_the_openai_client_s_own(output: Any) -> None:
    def bare(node: Any) -> Any:
        if isinstance(node, list):
            return [bare(each) for each in node]
        if isinstance(node, dict):
            return {key: bare(value) for key, value in node.items() if key not in {"title", "description"}}
        return node

    theirs = to_strict_json_schema(output)
    definitions = theirs.pop("$defs", {})
    text = json.dumps(theirs)
    for name, definition in definitions.items():
        text = text.replace(json.dumps({"$ref": f"#/$defs/{name}"}), json.dumps(definition))
    assert bare(strict_schema(output)) == bare(json.loads(text))


def test_a_field_may_be_called_title() -> None:
    request = load_set("spec").namesake(Draft(PLAN, WORK).asked("?"), Lookup("Muumit", "fi"))
    assert request.schema()["required"] == ["title", "text"]


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("form", list(ReplyForm))
def test_every_request_ends_its_system_message_with_the_language(name: str, form: ReplyForm) -> None:
    prompts = load_set(name)
    draft = Draft(PLAN, WORK).asked("Alku?")
    requests: list[Any] = [
        prompts.properties("fi"),
        prompts.first_questions(WORK, [PLAN]),
        prompts.first_answer(draft),
        prompts.next_question(draft.answered(Reply("A")), Stage.SECOND_QUESTIONS),
    ]
    for request in requests:
        system = request.messages(form)[0]["content"]
        assert system.endswith("Language of this conversation: Finnish (fi)")
        assert system == system.strip()


def test_notes_stand_in_front_of_the_question_after_the_look_up() -> None:
    draft = Draft(PLAN, WORK).asked("Alku?").answered(Reply("Näin.", Lookup("Muumit", "fi"))).found(NOTE)
    request = load_set("spec").next_answer(draft.asked("Lisää!"), Stage.SECOND_ANSWERS)
    roles = [message["role"] for message in request.messages(ReplyForm.SCHEMA)]
    assert roles == ["system", "user", "assistant", "user"]
    assert request.turns[1]["content"] == "Näin.\n\n>>> Muumit\n>>> fi"
    assert request.turns[2]["content"] == (
        "[Notes]\nMuumit (fi)\nMuumit ovat Tove Janssonin hahmoja.\n[End of notes]\n\nLisää!"
    )


@pytest.mark.parametrize(
    "reply",
    [
        json.dumps({"answer": TEXT, "search_term": "Muumit"}),
        "```json\n" + json.dumps({"answer": TEXT, "search_term": "Muumit"}, indent=1) + "\n```",
        "Here it is: "
        + json.dumps({"answer": f"{TEXT}\n\n>>> Muumit\n>>> fi", "search_term": "Muumit", "x": 1}),
    ],
)
def test_json_is_found_in_whatever_is_around_it(reply: str) -> None:
    assert first_answer().result(reply, ReplyForm.JSON) == Reply(TEXT, Lookup("Muumit", "fi"))


def test_plain_text_with_the_tag_is_an_answer_too() -> None:
    reply = f"{TEXT}\n\n>>> Muumit\n>>> fi"
    assert first_answer().result(reply, ReplyForm.TEXT) == Reply(TEXT, Lookup("Muumit", "fi"))


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("nonsense", "no JSON"),
        (json.dumps({"answer": TEXT}), "wrong form"),
        (json.dumps({"answer": " ", "search_term": "Muumit"}), "empty"),
        (json.dumps({"answer": TEXT, "search_term": "https://evil.example"}), "bad term"),
        (json.dumps({"answer": f"{TEXT} >>> ei näin <<< ja jatkuu vielä", "search_term": "M"}), "stray tag"),
        (json.dumps({"answer": f"{TEXT}<|eot_id|>", "search_term": "M"}), "special tokens"),
        (json.dumps({"answer": TEXT * 100, "search_term": "M"}), "too long"),
    ],
)
def test_a_reply_that_cannot_be_used_says_why(reply: str, kind: str) -> None:
    with pytest.raises(BadOutput) as caught:
        first_answer().result(reply, ReplyForm.SCHEMA)
    assert caught.value.kind == kind


def test_a_message_in_another_language_is_told_from_one_that_only_names_it() -> None:
    check_language(TEXT, "fi")
    check_language("Game of Thrones!!", "fi")
    with pytest.raises(BadOutput, match="in English instead of Finnish"):
        check_language("You could begin with the bridge, the river and the letter that came too late.", "fi")


def test_a_tag_where_none_was_wanted_or_none_where_one_was_is_refused() -> None:
    with pytest.raises(BadOutput, match="did not end with"):
        first_answer().result(TEXT, ReplyForm.TEXT)
    with pytest.raises(BadOutput, match="nothing was to be looked up"):
        first_answer(lookup=False).result(f"{TEXT}\n\n>>> Muumit\n>>> fi", ReplyForm.TEXT)


@pytest.mark.parametrize("term", ["x" * 201, "Muumi " * 60, "\n".join(["Muumit"] * 40), ""])
def test_a_term_that_can_be_no_title_is_not_replaced_by_the_code_below_it(term: str) -> None:
    with pytest.raises(BadOutput, match="no title"):
        lookup_term(term, "fi")
    assert lookup_term(" Muumit\n", "fi").term == "Muumit"


def test_twenty_different_works_are_wanted() -> None:
    request = load_set("spec").properties("fi")
    works = [
        {
            "local_name": f"Teos {n}",
            "english_name": f"Work {n}",
            "property_type": "film",
            "is_local": True,
            "wikipedia_title": f"Teos {n}",
        }
        for n in range(22)
    ]
    assert len(request.result(json.dumps({"properties": works}), ReplyForm.SCHEMA)) == 20
    with pytest.raises(BadOutput, match="19 different works"):
        request.result(json.dumps({"properties": works[:19] + works[:5]}), ReplyForm.SCHEMA)
    with pytest.raises(BadOutput, match="of the form asked for"):
        request.result(
            json.dumps({"properties": [{**work, "property_type": "books"} for work in works]}),
            ReplyForm.SCHEMA,
        )


def test_numbered_lines_are_read_the_way_models_write_them() -> None:
    assert numbered_lines('Here:\n1. one\n2) "two"\n**3.** three\n', 3) == ["one", "two", "three"]
    assert numbered_lines("a\n\nb", 2) == ["a", "b"]
    assert numbered_lines("one\nline", 1) == ["one line"]
    assert unquoted("«Какой финал?»") == "Какой финал?"
    assert unquoted("«a» and «b»") == "«a» and «b»"


def test_find_json_takes_the_object_that_has_the_fields() -> None:
    output = questions_output(1)
    assert find_json('{"thought": {"question": "q"}} {"question": "r"}', output) == {"question": "q"}
    assert find_json("{ broken", output) is None


def test_the_digest_of_a_set_tells_sets_apart_and_stays() -> None:
    digests = {name: digest(load_set(name)) for name in SETS}
    assert len(set(digests.values())) == len(SETS)
    assert digest(load_set("spec")) == digests["spec"]


@pytest.mark.parametrize("code", list(LANGUAGES))
def test_prompts_can_be_made_for_every_language(code: str) -> None:
    plan = ChatPlan(code, 1, 1, "opening", "terse", "opens with a question", later=True)
    for name in SETS:
        draft = Draft(plan, WORK).asked("?").answered(Reply("!", Lookup("M", code)))
        request = load_set(name).next_answer(draft.asked("?"), Stage.SECOND_ANSWERS)
        assert "{" not in request.instructions
