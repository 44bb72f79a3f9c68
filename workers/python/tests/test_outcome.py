import json
import unittest

from taskflow_worker.encoding import MAX_DETAIL_BYTES, MAX_RECORD_LENGTH, to_detail, to_json, to_record
from taskflow_worker.errors import DoNotRetry, RetryAfter, StopReason
from taskflow_worker.outcome import RELEASED, Completed, Failed, outcome_of_error, outcome_of_result, outcome_of_stop

MIB = 1_048_576


class Results(unittest.TestCase):
    def test_every_json_value_comes_through(self) -> None:
        for value in (None, True, 0, -1.5, "", "ä😀\u0000", [], {}, {"a": [1, {"b": None}]}, 2**80):
            outcome = outcome_of_result(value, MIB)
            assert isinstance(outcome, Completed)
            self.assertEqual(json.loads(outcome.result), value)

    def test_text_is_not_escaped_needlessly(self) -> None:
        self.assertEqual(to_json("ä😀"), '"ä😀"'.encode())

    def test_half_of_a_surrogate_pair_is_escaped(self) -> None:
        self.assertEqual(to_json("\ud800"), b'"\\ud800"')

    def test_what_is_no_json_fails_without_another_attempt(self) -> None:
        circle: list[object] = []
        circle.append(circle)
        deep: list[object] = []
        for _ in range(100_000):
            deep = [deep]
        for value in (float("nan"), float("inf"), [-float("inf")], {1, 2}, b"x", object(), {(1, 2): 3}, circle, deep):
            outcome = outcome_of_result(value, MIB)
            assert isinstance(outcome, Failed)
            self.assertEqual(outcome.failure["code"], "RESULT_NOT_SERIALIZABLE")
            self.assertFalse(outcome.may_retry)

    def test_the_size_counts_bytes_and_the_greatest_is_allowed(self) -> None:
        self.assertIsInstance(outcome_of_result("ää", 6), Completed)
        outcome = outcome_of_result("äää", 6)
        assert isinstance(outcome, Failed)
        self.assertEqual(outcome.failure["code"], "RESULT_TOO_LARGE")
        self.assertFalse(outcome.may_retry)


class Errors(unittest.TestCase):
    def test_message_code_and_stack_are_kept(self) -> None:
        error = OSError("no such host")
        error.code = "ENOTFOUND"  # type: ignore[attr-defined]
        try:
            raise error
        except OSError as raised:
            failed = outcome_of_error(raised)
        self.assertEqual(failed.failure["message"], "no such host")
        self.assertEqual(failed.failure["code"], "ENOTFOUND")
        self.assertIn("test_outcome.py", failed.failure["stack"])
        self.assertEqual((failed.may_retry, failed.delay_ms), (True, None))

    def test_an_error_without_a_message_has_its_name(self) -> None:
        self.assertEqual(outcome_of_error(KeyError()).failure["message"], "KeyError")

    def test_handlers_say_whether_and_when_to_try_again(self) -> None:
        never = outcome_of_error(DoNotRetry("broken", code="BAD"))
        self.assertEqual((never.may_retry, never.failure["code"]), (False, "BAD"))
        later = outcome_of_error(RetryAfter(1_500.2, "busy", code="429"))
        self.assertEqual((later.may_retry, later.delay_ms, later.failure["message"]), (True, 1_501, "busy"))
        for delay in (-5, float("nan"), float("-inf")):
            self.assertEqual(outcome_of_error(RetryAfter(delay)).delay_ms, 0)

    def test_long_errors_are_cut(self) -> None:
        failure = outcome_of_error(ValueError("x" * 100_000)).failure
        self.assertEqual(len(failure["message"]), 4_000)
        self.assertEqual(len(failure["stack"]), 8_000)

    def test_errors_that_fail_when_they_are_looked_at_are_errors_still(self) -> None:
        class Hostile(Exception):
            def __str__(self) -> str:
                raise RuntimeError("no")

        self.assertEqual(outcome_of_error(Hostile()).failure, {"message": "Hostile"})

    def test_a_stopped_attempt_ends_as_its_reason_says(self) -> None:
        timeout = outcome_of_stop(StopReason.TIMEOUT, 50)
        assert isinstance(timeout, Failed)
        self.assertEqual(timeout.failure, {"message": "the attempt did not end within 50 ms", "code": "TIMEOUT"})
        self.assertTrue(timeout.may_retry)
        self.assertIs(outcome_of_stop(StopReason.SHUTDOWN, None), RELEASED)


class Records(unittest.TestCase):
    def test_a_record_keeps_what_fits(self) -> None:
        record = {"level": "info", "message": "done", "fields": {"rows": 3}}
        self.assertEqual(json.loads(to_record(record)), record)

    def test_the_limit_counts_characters(self) -> None:
        self.assertNotIn("isCut", json.loads(to_record({"message": "ä" * 7_000})))

    def test_a_record_that_is_too_long_or_no_json_is_cut(self) -> None:
        for fields in ({"a": "y" * MAX_RECORD_LENGTH}, {"a": object()}, {"a": float("nan")}):
            cut = json.loads(to_record({"level": "warn", "message": "z" * 5_000, "fields": fields}))
            self.assertEqual(cut, {"level": "warn", "message": "z" * 4_000, "isCut": True})

    def test_a_detail_is_wrapped_and_of_a_large_one_the_size_is_kept(self) -> None:
        self.assertEqual(to_detail({"row": 1}), b'{"detail":{"row":1}}')
        self.assertEqual(to_detail(False), b'{"detail":false}')
        self.assertEqual(json.loads(to_detail("x" * (MAX_DETAIL_BYTES - 2)))["detail"][0], "x")
        too_large = {"error": "DETAIL_TOO_LARGE", "bytes": MAX_DETAIL_BYTES + 1, "limit": MAX_DETAIL_BYTES}
        self.assertEqual(json.loads(to_detail("x" * (MAX_DETAIL_BYTES - 1))), {"detail": too_large})

    def test_no_detail_is_empty(self) -> None:
        for detail in (None, object(), float("inf")):
            self.assertEqual(to_detail(detail), b"")
