"""Prints the lines that the tests wait for."""
import os


def say(*words):
    """Prints a whole line in one write(). print() writes each word by itself, so several threads would mix their words."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())
