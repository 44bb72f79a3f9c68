"""``text.keywords``: what a text is about."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from ..context import Context
from ..errors import DoNotRetry
from ..worker import Worker

_MAX_PHRASE_WORDS = 4
"""Longer runs without a stop word are lists rather than names of something."""
_PARTS_PER_STEP = 1_000
_MOST_KEYWORDS = 100

_SCHEMA = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "description": "English text"},
        "limit": {
            "type": "integer",
            "minimum": 1,
            "maximum": _MOST_KEYWORDS,
            "default": 10,
            "description": "How many keywords, at most",
        },
    },
    "required": ["text"],
    "additionalProperties": False,
}

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
# A phrase ends at these; a line break alone does not end it.
_BREAK = re.compile(r"[^\w\s'’-]+|\s-\s|\n\s*\n|\d+")
_STOP_WORDS = frozenset(
    """a about above after again against all also am an and any are aren't as at be because been before being below
    between both but by can can't cannot could couldn't did didn't do does doesn't doing don't down during each few for
    from further had hadn't has hasn't have haven't having he her here hers herself him himself his how however i if in
    into is isn't it it's its itself just let's like made make many may me might more most much must my myself no nor not
    now of off often on once one only onto or other others our ours out over own per quite rather same several shall she
    should since so some such than that that's the their theirs them themselves then there there's these they this those
    though through thus to too toward under until up upon us use used uses using very via was wasn't we well were what
    when where whether which while who whom whose why will with within without won't would yet you your yours
    yourself""".split()
)


def register(worker: Worker) -> None:
    worker.task("text.keywords", payload_schema=_SCHEMA)(_handle)


def _handle(payload: Any, ctx: Context) -> dict[str, Any]:
    """A plain function: it computes, and so runs in a thread."""
    if not isinstance(payload, dict) or not isinstance(payload.get("text"), str):
        raise DoNotRetry('the payload needs a "text"', code="INVALID_PAYLOAD")
    phrases: Counter[tuple[str, ...]] = Counter()
    parts = _BREAK.split(payload["text"])
    for done, part in enumerate(parts):
        if done % _PARTS_PER_STEP == 0:
            ctx.raise_if_cancelled()
            ctx.progress(100 * done / len(parts))
        phrases.update(_phrases_of(part))
    keywords = _score(phrases)[: payload.get("limit", 10)]
    return {
        "words": sum(len(_WORD.findall(part)) for part in parts),
        "phrases": len(phrases),
        "keywords": [
            {"keyword": " ".join(phrase), "score": round(score, 3), "count": phrases[phrase]}
            for phrase, score in keywords
        ],
    }


def _phrases_of(part: str) -> Iterator[tuple[str, ...]]:
    phrase: list[str] = []
    for word in [*(match.lower().replace("’", "'") for match in _WORD.findall(part)), ""]:
        if word and word not in _STOP_WORDS and len(word) > 1:
            phrase.append(word)
            continue
        if 0 < len(phrase) <= _MAX_PHRASE_WORDS:
            yield tuple(phrase)
        phrase = []


def _score(phrases: Counter[tuple[str, ...]]) -> list[tuple[tuple[str, ...], float]]:
    """Best first, by RAKE (Rose and others, "Automatic keyword extraction from individual documents", 2010): a word weighs
    as much as the phrases it stands in are long, a phrase as much as its words; here times how often it comes."""
    frequency: Counter[str] = Counter()
    degree: Counter[str] = Counter()
    for phrase, count in phrases.items():
        for word in phrase:
            frequency[word] += count
            degree[word] += count * len(phrase)
    scored = {
        phrase: count * sum(degree[word] / frequency[word] for word in phrase) for phrase, count in phrases.items()
    }
    return sorted(scored.items(), key=lambda item: (-item[1], item[0]))
