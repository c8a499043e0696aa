"""The doctor examines everything from the servers to the cards, and says what is not working and what to do.

`diagnosis.py` calls the other modules in order. Each of them covers one part of the system. Its `examine`
collects the facts, and pure functions judge them.
"""
