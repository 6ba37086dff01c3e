"""What a program that `sockeye --exec` has started says once it is attached; the edge then ends the one that it replaces."""
from __future__ import annotations

import logging
import os
import stat
from typing import Optional, Union

log = logging.getLogger("sockeye")


def tell() -> None:
    """Writes "ready" to the descriptor SOCKEYE_READY_FD, once; nothing where nobody has asked."""
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
    """A launcher between the edge and this process may have closed the descriptor, and the number may be something else's here.
    The process that the edge has started still has it."""
    if not pid.isdigit():
        return number
    path = f"/proc/{pid}/fd/{number}"
    own, wanted = _stat(number), _stat(path)
    if own is not None and (stat.S_ISFIFO(own.st_mode) if wanted is None else os.path.samestat(own, wanted)):
        return number
    return os.open(path, os.O_WRONLY)


def _stat(file: Union[int, str]) -> Optional[os.stat_result]:
    """None: it is not there, or another user's, or this process sees other numbers of processes."""
    try:
        return os.stat(file)
    except OSError:
        return None
