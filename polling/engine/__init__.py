"""The engine: what a worker does with due cards.

A check that calls gateways takes these steps; `gateway_stream.py` connects them.

1. claim: `fetch.py` claims due cards in Redis and hydrates them (`hydrate.py`).
   `admission.py` defers cards whose gateways have no room, and `local_queue.py` keeps the others until a call
   can begin.
2. ask: `ask.py` calls a gateway as soon as `throttle/` admits the call (breaker, rate, slots, fair share).
3. record: `batch_writer.py` collects answers, and `recording.py` writes them in one transaction.
4. settle: `disposition.py` decides when each card is due again, and `in_flight.py` ends the claims.

`local_stream.py` is the shorter path for a check that calls no gateway. `loop.py` runs all streams,
`slot_review.py` adjusts their slots, `scale_out.py` wakes other workers, `orphan_rescue.py` ends the
claims of killed workers early, `quarantine.py` parks cards that crash their workers, `lifetime.py` and
`shutdown.py` end a drain, and `runtime.py` keeps what the drains of one process share.
"""
