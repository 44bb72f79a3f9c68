import threading
import unittest

from taskflow_worker.threads import HandlerThreads


class Threads(unittest.TestCase):
    def setUp(self) -> None:
        self.threads = HandlerThreads(3)
        self.addCleanup(self.threads.close)
        self.seen: set[int] = set()

    def run_one(self) -> None:
        done = threading.Event()

        def work() -> None:
            self.seen.add(threading.get_ident())
            done.set()

        self.threads.submit(work)
        self.assertTrue(done.wait(10))

    def test_idle_threads_are_used_again(self) -> None:
        for _ in range(50):
            self.run_one()
        # The one that has just said so may not be back yet when the next comes.
        self.assertLessEqual(len(self.seen), 2)

    def test_no_more_than_the_limit_run_at_once_and_the_rest_waits(self) -> None:
        running = threading.Semaphore(0)
        go_on = threading.Event()
        done = threading.Semaphore(0)

        def work() -> None:
            self.seen.add(threading.get_ident())
            running.release()
            go_on.wait(10)
            done.release()

        for _ in range(10):
            self.threads.submit(work)
        for _ in range(3):
            self.assertTrue(running.acquire(timeout=10))
        self.assertFalse(running.acquire(timeout=0.05))
        go_on.set()
        for _ in range(10):
            self.assertTrue(done.acquire(timeout=10))
        self.assertEqual(len(self.seen), 3)

    def test_threads_end_when_they_are_closed(self) -> None:
        self.run_one()
        threads = [thread for thread in threading.enumerate() if thread.ident in self.seen]
        self.threads.close()
        for thread in threads:
            thread.join(10)
            self.assertFalse(thread.is_alive())
