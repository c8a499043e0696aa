"""The drain: what a worker does. Begin with `gateway_stream.py`, which tells it in this order.

1. claim (`intake.py` with `loading.py`, the small tables of `polling/policy/config_snapshot.py`, then `claiming.py`): due cards, in a local queue (`waiting.py`)
2. ask (`asking.py`): their gateways, a call on every slot that is theirs (`sharing.py`), where the gates let it through
   (`gates.py`: breakers, the pace of `pacing.py`, the slots of `gateway_seats.py`)
3. record (`recording.py`): the answers, in one transaction
4. settle (`settling.py`): say when each card is due next, and count

A check that asks nobody has a shorter way (`local_stream.py`).

Around it: `running.py` runs a stream for each check type and looks after slots, `recruiting.py` calls other processes,
`half_open.py` probes gateways in trouble, `lifetime.py` and `stopping.py` say when it ends, `outlet.py` is what drains of a process share.
"""
