"""The doctor examines everything from the servers to the cards, and says what is not working and what to do.

`diagnosis.py` calls the modules that each cover one part of the system. Their `examine` functions collect
facts, and pure functions judge these facts.
"""
