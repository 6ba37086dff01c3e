"""The report of a program that `sockeye --exec` has started."""
import os
import unittest
from unittest import mock

from sockeye import ready


class Ready(unittest.TestCase):
    def setUp(self):
        self.read, self.write = os.pipe()
        self.addCleanup(os.close, self.read)

    def tell(self, number, pid=None):
        names = {"SOCKEYE_READY_FD": str(number)}
        if pid is not None:
            names["SOCKEYE_EXEC_PID"] = str(pid)
        with mock.patch.dict(os.environ, names):
            ready.report()
            self.assertNotIn("SOCKEYE_READY_FD", os.environ)
            ready.report()  # a second call writes nothing

    def launcher(self):
        """Starts a process that keeps the pipe at a number of its own. Returns the number and the process."""
        number = os.dup(self.write)
        asks, told = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(told)
            os.read(asks, 1)
            os._exit(0)
        os.close(asks)
        os.close(self.write)
        self.addCleanup(os.waitpid, pid, 0)
        self.addCleanup(os.close, told)
        return number, pid

    def test_inherited(self):
        for pid in (None, os.getpid(), 2 ** 31 - 2):  # the last one does not exist
            with self.subTest(pid=pid):
                self.tell(os.dup(self.write), pid)
                self.assertEqual(os.read(self.read, 100), b"ready\n")
        os.close(self.write)
        self.assertEqual(os.read(self.read, 100), b"")

    def test_the_launcher_has_closed_it(self):
        number, pid = self.launcher()
        os.close(number)
        self.tell(number, pid)
        self.assertEqual(os.read(self.read, 100), b"ready\n")

    def test_the_number_is_another_pipe_here(self):
        number, pid = self.launcher()
        other_read, other_write = os.pipe()
        os.dup2(other_write, number)
        os.close(other_write)
        self.addCleanup(os.close, other_read)
        self.tell(number, pid)
        self.assertEqual(os.read(self.read, 100), b"ready\n")
        os.fstat(number)  # raises if it was closed
        os.close(number)
        self.assertEqual(os.read(other_read, 100), b"")

    def test_a_pipe_without_a_reader_and_malformed_numbers(self):
        number = os.dup(self.write)
        os.close(self.write)
        os.close(number)
        with self.assertLogs("sockeye", "WARNING"):
            self.tell(number, os.getpid())
        for nonsense in ("", "x", "1", "-1"):
            with self.subTest(nonsense=nonsense):
                self.tell(nonsense)


if __name__ == "__main__":
    unittest.main()
