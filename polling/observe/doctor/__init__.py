"""The doctor: checks everything from the servers to the cards, and says what is not working and what to do.

`diagnosis.py` sets the order. Every other module examines one part (`examine`), and judges it in pure
functions.
"""
