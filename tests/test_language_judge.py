"""In which language a few words are, with the real library: better silent than wrong."""

from __future__ import annotations

import pytest
import trio

from neko.translation.judge import Judge, load_judge

SENTENCES = {
    "en": (
        "Good morning.",
        "I'm Yui, and you finally found me! How was your day?",
        "Sure, let's go!",
        "Oh no, what happened?",
        "The sea is calm today.",
    ),
    "de": (
        "Guten Morgen.",
        "Ich bin Yui, und du hast mich endlich gefunden! Wie war dein Tag?",
        "Klar, gehen wir!",
        "Oh nein, was ist passiert?",
        "Das Meer ist heute ruhig.",
    ),
    "fr": (
        "Bonjour.",
        "Je suis Yui, et tu m'as enfin trouvée ! Comment s'est passée ta journée ?",
        "D'accord, on y va !",
        "Oh non, que s'est-il passé ?",
        "La mer est calme aujourd'hui.",
    ),
    "es": (
        "Buenos días.",
        "Soy Yui, ¡y por fin me encontraste! ¿Qué tal tu día?",
        "¡Claro, vamos!",
        "Oh no, ¿qué pasó?",
        "El mar está tranquilo hoy.",
    ),
    "it": (
        "Buongiorno.",
        "Sono Yui, e finalmente mi hai trovata! Com'è andata la tua giornata?",
        "Certo, andiamo!",
        "Oh no, cosa è successo?",
    ),
    "pt": ("Bom dia.", "Sou a Yui, e você finalmente me encontrou! Como foi o seu dia?", "Claro, vamos lá!"),
    "nl": (
        "Goedemorgen.",
        "Ik ben Yui, en je hebt me eindelijk gevonden! Hoe was je dag?",
        "De zee is rustig vandaag.",
    ),
    "ja": ("おはよう。", "ユイだよ、やっと見つけてくれたね！今日はどうだった？", "今日は海が静かです。", "東京"),
    "zh": (
        "早上好。",
        "我是由依，你终于找到我了！今天过得怎么样？",
        "今天的大海很平静。",
        "早安。你終於找到我了！今天過得怎麼樣？",
    ),
    "ko": ("안녕하세요.", "오늘은 바다가 조용해요."),
    "ru": ("Доброе утро.", "Сегодня море спокойное."),
    "uk": ("Сьогодні море спокійне.",),
    "pl": ("Dzień dobry.", "Morze jest dziś spokojne."),
    "sv": ("Havet är lugnt idag.",),
    "da": ("Havet er roligt i dag.",),
    "tr": ("Bugün deniz sakin.",),
    "vi": ("Hôm nay biển lặng.",),
    "id": ("Laut tenang hari ini.",),
    "ar": ("البحر هادئ اليوم.",),
    "th": ("วันนี้ทะเลสงบ",),
    "cs": ("Moře je dnes klidné.",),
    "hi": ("आज समुद्र शांत है।",),
    "el": ("Η θάλασσα είναι ήρεμη σήμερα.",),
}
PAIRS = [(language, text) for language, texts in SENTENCES.items() for text in texts]


@pytest.fixture(scope="module")
def judge() -> Judge:
    return trio.run(load_judge)


@pytest.mark.slow
def test_no_correct_sentence_is_refuted(judge: Judge) -> None:
    assert [text for language, text in PAIRS if judge.refutes(text, language)] == []


@pytest.mark.slow
def test_nearly_every_wrong_language_is(judge: Judge) -> None:
    lies = [(text, wanted) for language, text in PAIRS for wanted in SENTENCES if wanted != language]
    believed = [lie for lie in lies if not judge.refutes(*lie)]
    assert (len(lies), len(PAIRS)) == (1_210, 55)
    assert len(believed) <= 0.06 * len(lies)


@pytest.mark.slow
def test_no_sentence_is_taken_for_one_of_the_wanted_language_that_is_not(judge: Judge) -> None:
    wrong = [
        (text, wanted)
        for language, text in PAIRS
        for wanted in SENTENCES
        if wanted != language and judge.confirms(text, wanted, rather_than=language)
    ]
    assert wrong == [("東京", "zh")]  # which it is as well


@pytest.mark.slow
def test_a_whole_sentence_is_known_for_what_it_is(judge: Judge) -> None:
    long = [(language, text) for language, text in PAIRS if len(text.encode()) > 60 and language != "en"]
    assert [text for language, text in long if not judge.confirms(text, language, rather_than="en")] == []


@pytest.mark.slow
def test_names_and_unknown_languages_are_left_alone(judge: Judge) -> None:
    assert not judge.refutes("Yui!", "ja")
    assert not judge.refutes("Hahaha!", "de")
    assert not judge.refutes("The sea is calm today.", "tlh")
    assert not judge.confirms("早安。你終於找到我了！", "zh-Hant", rather_than="zh")
