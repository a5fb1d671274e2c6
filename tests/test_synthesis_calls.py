"""Answers are kept once and replayed; waits double; an endpoint's failures pass, or end the run."""

import json
import threading
import time

import pytest
from chat_server import serving

from emorhet_lens.errors import StoreError, SynthesisError
from emorhet_lens.synthesis import Backoff, Endpoint
from emorhet_lens.synthesis.calls import Call, CallCache, ask_all
from emorhet_lens.synthesis.retries import PassingFailureError

CALLS = [Call("w", {"t": 1.0}, prompt, seed) for prompt in ("one", "two") for seed in (0, 1)]


def test_keys_differ_by_everything_that_an_answer_depends_on() -> None:
    base = Call("w", {"t": 1.0, "n": 2}, "p", 0)
    others = [
        Call("v", {"t": 1.0, "n": 2}, "p", 0),
        Call("w", {"t": 0.5, "n": 2}, "p", 0),
        Call("w", {"t": 1.0, "n": 2}, "q", 0),
        Call("w", {"t": 1.0, "n": 2}, "p", 1),
    ]
    assert len({call.key for call in (base, *others)}) == 5
    assert base.key == Call("w", {"n": 2, "t": 1.0}, "p", 0).key


@pytest.mark.parametrize("workers", [1, 4])
def test_equal_calls_are_made_once_and_replayed(tmp_path, workers: int) -> None:
    cache, made = CallCache(tmp_path), []

    def answer(call: Call) -> str | None:
        made.append(call.key)
        return f"{call.prompt} {call.seed}\n\ud83d é" if call.seed else None

    for _ in range(2):
        answers, _ = ask_all([*CALLS, CALLS[1]], answer, cache, workers=workers, progress=False)
        assert answers == [None, "one 1\n\ud83d é", None, "two 1\n\ud83d é", "one 1\n\ud83d é"]
    assert sorted(made) == sorted(call.key for call in CALLS)
    facts = json.loads(cache.path(CALLS[1]).read_text(encoding="utf-8"))
    assert (facts["writer"], facts["prompt"], facts["seed"], facts["parameters"]) == ("w", "one", 1, {"t": 1.0})
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".json"]


def test_a_damaged_answer_is_not_taken(tmp_path) -> None:
    cache = CallCache(tmp_path)
    cache.keep(CALLS[0], "fine")
    cache.path(CALLS[0]).write_text('{"answer": "fi', encoding="utf-8")
    with pytest.raises(StoreError, match="damaged"):
        ask_all(CALLS[:1], lambda _: "again", cache, progress=False)


def test_calls_under_way_are_kept_when_one_fails(tmp_path) -> None:
    cache, begun, failing = CallCache(tmp_path), threading.Event(), threading.Event()

    def answer(call: Call) -> str:
        if call.seed == 0:
            begun.wait(5)
            failing.set()
            raise RuntimeError("refused")
        begun.set()
        failing.wait(5)
        time.sleep(0.05)
        return "paid"

    with pytest.raises(RuntimeError, match="refused"):
        ask_all(CALLS[:2], answer, cache, workers=2, progress=False)
    assert cache.get(CALLS[1]) == "paid"
    assert not cache.holds(CALLS[0])


def waits_of(failures: list[float | None], **options: float) -> tuple[list[float], str]:
    waits: list[float] = []
    left = list(failures)

    def attempt() -> str:
        if left:
            raise PassingFailureError("busy", left.pop(0))
        return "done"

    try:
        return waits, Backoff(sleep=waits.append, **options).call(attempt)  # type: ignore[arg-type]
    except SynthesisError as error:
        return waits, str(error)


def test_waits_double_up_to_the_longest_and_servers_may_ask_for_more() -> None:
    assert waits_of([None] * 5) == ([1, 2, 4, 8, 16], "done")
    assert waits_of([None] * 4, first=0.5, longest=1.5) == ([0.5, 1, 1.5, 1.5], "done")
    assert waits_of([7.0, 1.0, None]) == ([7, 2, 4], "done")
    waits, message = waits_of([None] * 6)
    assert waits == [1, 2, 4, 8, 16]
    assert "busy (the last of 6 tries)" in message
    waits, message = waits_of([None, 3600.0])
    assert waits == [1]
    assert "wait 3600 s" in message


def test_other_exceptions_are_not_retried() -> None:
    tries = []

    def attempt() -> None:
        tries.append(1)
        raise KeyError("bug")

    with pytest.raises(KeyError):
        Backoff(sleep=tries.append).call(attempt)  # type: ignore[arg-type]
    assert tries == [1]
    with pytest.raises(SynthesisError, match="tries=0"):
        Backoff(tries=0)


def endpoint(url: str, waits: list[float], **options: object) -> Endpoint:
    return Endpoint("m", base_url=url, api_key="secret", backoff=Backoff(sleep=waits.append), **options)  # type: ignore[arg-type]


def test_an_endpoint_is_asked_as_the_protocol_says() -> None:
    with serving(lambda body: body["messages"][0]["content"].upper()) as chat:
        writer = endpoint(chat.url, [], temperature=0.3, max_tokens=7)
        assert writer("ask", seed=5) == "ASK"
    sent = chat.requests[0]
    assert sent["messages"] == [{"role": "user", "content": "ask"}]
    assert (sent["model"], sent["temperature"], sent["max_tokens"], sent["seed"]) == ("m", 0.3, 7, 5)
    assert chat.keys == ["Bearer secret"]
    assert writer.name == "openai:m"
    assert writer.parameters == {"temperature": 0.3, "max_tokens": 7}
    assert "secret" not in repr(writer)


def test_failures_that_pass() -> None:
    garbage = [b"{bad", b"<html>", b"{}", b"[]", b'{"choices": []}', b'{"choices": "x"}', b'{"choices": [{}]}', b"\xff"]
    for failure, waited in (
        *((state, 1.0) for state in (500, 502, 503, 529, 408, 429)),
        ((429, {"Retry-After": "9"}), 9.0),
        ((503, {"Retry-After": "0.5"}), 1.0),
        ((429, {"Retry-After": "soon"}), 1.0),
        *((bytes_, 1.0) for bytes_ in garbage),
    ):
        waits: list[float] = []
        with serving(lambda _: "fine", [failure]) as chat:
            assert endpoint(chat.url, waits)("ask", seed=0) == "fine", failure
        assert waits == [waited], failure
        assert len(chat.requests) == 2


def test_a_time_out_passes() -> None:
    waits: list[float] = []
    with serving(lambda _: "fine", [("sleep", 3)]) as chat:
        assert endpoint(chat.url, waits, timeout=1.0)("ask", seed=0) == "fine"
    assert waits == [1.0]


def test_a_server_that_is_not_there_ends_the_tries() -> None:
    with serving(lambda _: "fine") as chat:
        url = chat.url
    waits: list[float] = []
    with pytest.raises(SynthesisError, match=r"openai:m cannot be reached.*last of 6 tries"):
        endpoint(url, waits)("ask", seed=0)
    assert waits == [1, 2, 4, 8, 16]


@pytest.mark.parametrize("state", [400, 401, 403, 404])
def test_failures_that_stay_end_at_once(state: int) -> None:
    waits: list[float] = []
    with (
        serving(lambda _: "fine", [state]) as chat,
        pytest.raises(SynthesisError, match=rf"openai:m answers {state}.*OPENAI_API_KEY"),
    ):
        endpoint(chat.url, waits)("ask", seed=0)
    assert waits == []
    assert len(chat.requests) == 1


def test_an_answer_without_text_is_an_empty_one() -> None:
    with serving(lambda _: None) as chat:
        assert endpoint(chat.url, [])("ask", seed=0) == ""


def test_key_and_address_come_from_the_environment(monkeypatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(SynthesisError, match="set OPENAI_API_KEY"):
        Endpoint("m")
    with serving(lambda _: "fine") as chat:
        monkeypatch.setenv("OPENAI_API_KEY", "from the environment")
        monkeypatch.setenv("OPENAI_BASE_URL", chat.url)
        assert Endpoint("m")("ask", seed=0) == "fine"
    assert chat.keys == ["Bearer from the environment"]


def test_without_the_client_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with pytest.raises(SynthesisError, match=r"emorhet-lens\[synthesis\]"):
        Endpoint("m", api_key="x")
