"""Refusals and boilerplate in every language."""

from __future__ import annotations

import pytest

from model.languages import LANGUAGES
from tests.training.checks.rows import answer, good_row, with_message
from training.checks.phrases import check_boilerplate, check_refusal

REFUSALS = {
    "en": "I'm sorry, but I can't write this story for you.",
    "de": "Es tut mir leid, aber ich kann diese Geschichte nicht schreiben.",
    "fr": "Je suis désolé, mais je ne peux pas écrire cette histoire.",
    "sv": "Jag är ledsen, men jag kan inte skriva den här berättelsen.",
    "nl": "Het spijt me, maar ik kan dit verhaal niet schrijven.",
    "ru": "К сожалению, я не могу написать этот рассказ.",
    "es": "Lo siento, pero no puedo escribir esta historia.",
    "it": "Mi dispiace, ma non posso scrivere questa storia.",
    "pl": "Przykro mi, ale nie mogę napisać tej historii.",
    "zh": "很抱歉，我无法为您写这个故事。",
    "ja": "申し訳ありませんが、この物語を書くことはできません。",
    "uk": "На жаль, я не можу написати цю історію.",
    "vi": "Rất tiếc, tôi không thể viết câu chuyện này.",
    "ar": "عذرًا، لا يمكنني كتابة هذه القصة.",
    "pt": "Desculpe, mas não posso escrever esta história.",
    "fa": "متأسفم، اما نمی‌توانم این داستان را بنویسم.",
    "ca": "Ho sento, però no puc escriure aquesta història.",
    "sr": "Жао ми је, али не могу да напишем ову причу.",
    "id": "Maaf, saya tidak dapat menulis cerita ini.",
    "ko": "죄송하지만 이 이야기를 써 드릴 수 없습니다.",
    "no": "Beklager, men jeg kan ikke skrive denne historien.",
    "tr": "Üzgünüm, ancak bu hikâyeyi yazamam.",
    "fi": "Olen pahoillani, mutta en voi kirjoittaa tätä tarinaa.",
    "cs": "Omlouvám se, ale nemohu napsat tento příběh.",
    "hu": "Sajnálom, de nem írhatom meg ezt a történetet.",
    "ro": "Îmi pare rău, dar nu pot scrie această poveste.",
    "eu": "Sentitzen dut, baina ezin dut istorio hau idatzi.",
    "ms": "Maaf, saya tidak dapat menulis cerita ini.",
    "he": "אני מצטער, אבל אני לא יכול לכתוב את הסיפור הזה.",
    "hy": "Ներեցեք, բայց չեմ կարող գրել այս պատմությունը։",
    "da": "Jeg beklager, men jeg kan ikke skrive denne historie.",
    "bg": "Съжалявам, но не мога да напиша тази история.",
    "sk": "Je mi ľúto, ale nemôžem napísať tento príbeh.",
    "et": "Vabandust, aga ma ei saa seda lugu kirjutada.",
    "el": "Λυπάμαι, αλλά δεν μπορώ να γράψω αυτή την ιστορία.",
    "hr": "Žao mi je, ali ne mogu napisati ovu priču.",
    "lt": "Atsiprašau, bet negaliu parašyti šios istorijos.",
    "th": "ขออภัย ฉันไม่สามารถเขียนเรื่องนี้ได้",
    "hi": "क्षमा करें, मैं यह कहानी नहीं लिख सकता।",
    "sw": "Samahani, siwezi kuandika hadithi hii.",
}
SELVES = {
    "en": "As an AI language model, I have no feelings about Dracula.",
    "de": "Als KI habe ich keine eigene Meinung dazu.",
    "fr": "En tant qu'intelligence artificielle, je n'ai pas d'avis.",
    "zh": "作为一个AI，我没有自己的看法。",
    "ja": "私はAIとしてお答えします。",
    "ru": "Я, как языковая модель, не имею своего мнения.",
    "ko": "저는 인공지능으로서 의견이 없습니다.",
    "ar": "بصفتي نموذجًا لغويًا، ليس لدي رأي.",
    "hi": "एक एआई के रूप में, मेरी कोई राय नहीं है।",
    "sw": "Mimi ni akili bandia na sina maoni.",
    "tr": "Bir yapay zekâ modeli olarak görüşüm yok.",
    "fi": "Tekoälynä minulla ei ole mielipiteitä.",
}


def test_there_is_a_refusal_to_try_in_every_language() -> None:
    assert set(REFUSALS) == set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_refusal_is_found(language: str) -> None:
    row = good_row(language)
    assert check_refusal(row) == []
    assert check_refusal(with_message(row, 1, REFUSALS[language]))
    assert check_refusal(with_message(row, 3, REFUSALS["en"] + " " + answer(row)))


@pytest.mark.parametrize("language", SELVES)
def test_a_model_that_speaks_of_itself_is_found(language: str) -> None:
    row = good_row(language)
    assert check_refusal(with_message(row, 3, answer(row) + " " + SELVES[language]))


@pytest.mark.parametrize("language", LANGUAGES)
def test_boilerplate_at_either_end_is_found(language: str) -> None:
    row = good_row(language)
    assert check_boilerplate(row) == []
    assert check_boilerplate(with_message(row, 3, "Of course! " + answer(row)))
    assert check_boilerplate(with_message(row, 3, answer(row) + "\n\nI hope this helps!"))


@pytest.mark.parametrize(
    ("language", "opening", "closing"),
    [
        ("de", "**Natürlich!** ", " Lass es mich wissen, wenn du mehr brauchst."),
        ("es", "¡Por supuesto! ", " Espero que te sirva."),
        ("fr", "Bien sûr ! ", " N’hésitez pas à demander la suite."),
        ("ja", "もちろんです！", "お役に立てれば嬉しいです。"),
        ("zh", "当然可以！", "希望对你有帮助。"),
        ("tr", "Tabii ki! ", " Umarım işine yarar."),
        ("el", "Φυσικά! ", " Ελπίζω να βοήθησα."),
        ("hy", "Իհարկե, ", " Հուսով եմ, որ օգնեց։"),
        ("sw", "Bila shaka! ", " Natumaini hii itakusaidia."),
        ("he", "בשמחה! ", " מקווה שעזרתי."),
    ],
)
def test_boilerplate_in_the_languages_own_words_is_found(language: str, opening: str, closing: str) -> None:
    row = good_row(language)
    assert check_boilerplate(with_message(row, 3, opening + answer(row)))
    assert check_boilerplate(with_message(row, 3, answer(row) + closing))


def test_a_character_may_be_sorry() -> None:
    row = good_row("de")
    scene = answer(row) + " „Es tut mir leid, aber ich kann nicht bleiben“, sagte sie. Natürlich! Was sonst."
    assert check_refusal(with_message(row, 3, scene)) == []
    assert check_boilerplate(with_message(row, 3, scene)) == []


def test_an_abbreviation_is_no_part_of_a_word() -> None:
    row = good_row("es")
    assert (
        check_refusal(with_message(row, 3, answer(row) + " Se ríe como Iago y como iaias en la plaza.")) == []
    )
