"""python3 -m sockeye app.py [arguments]        python3 -m sockeye -m uvicorn app:app [arguments]

Runs an unchanged program with python-socketio behind the edges; see register.py.
"""
import logging
import os
import runpy
import sys

from . import register


def main() -> None:
    arguments = sys.argv[1:]
    is_module = arguments[:1] == ["-m"]
    if is_module:
        del arguments[0]
    if not arguments or arguments[0].startswith("-"):
        sys.exit(__doc__)
    if not logging.getLogger().handlers and not logging.getLogger("sockeye").handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("sockeye: %(message)s"))
        logging.getLogger("sockeye").addHandler(handler)
    register.install()
    sys.argv = arguments
    if is_module:
        sys.path[0] = os.getcwd()
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = os.path.dirname(os.path.abspath(arguments[0]))
        runpy.run_path(arguments[0], run_name="__main__")


main()
