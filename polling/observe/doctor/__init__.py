"""The doctor: walks from the servers to the cards, and says what stands still and what to do about it.

`walk.py` is the way; each other module looks at one part of it (`look`), and judges what it sees in pure functions.
"""
