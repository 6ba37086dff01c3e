"""Reports a program that `sockeye --exec` has started as ready, once it is attached. The edge then ends the process
that it replaces."""
from __future__ import annotations

import logging
import os
import stat
from typing import Optional, Union

log = logging.getLogger("sockeye")


def report() -> None:
    """Writes "ready" to the descriptor SOCKEYE_READY_FD, once. Does nothing if the variable is not set."""
    number, pid = os.environ.pop("SOCKEYE_READY_FD", ""), os.environ.get("SOCKEYE_EXEC_PID", "")
    if not number.isdigit() or int(number) < 3:
        return
    try:
        fd = _open(int(number), pid)
        try:
            os.write(fd, b"ready\n")
        finally:
            os.close(fd)
    except OSError as error:
        log.warning("SOCKEYE_READY_FD: %s", error)


def _open(number: int, pid: str) -> int:
    """Returns a descriptor of the pipe to the edge. A launcher between the edge and this process may have closed it, so
    the number may mean another file here. The process that the edge has started still has the pipe open."""
    if not pid.isdigit():
        return number
    path = f"/proc/{pid}/fd/{number}"
    own, wanted = _stat(number), _stat(path)
    if own is not None and (stat.S_ISFIFO(own.st_mode) if wanted is None else os.path.samestat(own, wanted)):
        return number
    return os.open(path, os.O_WRONLY)


def _stat(file: Union[int, str]) -> Optional[os.stat_result]:
    """Returns None if the file does not exist, belongs to another user, or is in another PID namespace."""
    try:
        return os.stat(file)
    except OSError:
        return None
