"""Lines for the test to wait for."""
import os


def say(*words):
    """A whole line in one write(): print() writes each word by itself, and threads that print at once mix their words."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())
