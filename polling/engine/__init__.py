"""The engine: what a worker does with due cards. `gateway_stream.py` shows a card's way, in this order.

1. claim: `fetch.py` claims due cards in Redis and hydrates them (`hydrate.py`); `admission.py` keeps those whose gateways
   have room, and `local_queue.py` holds them.
2. ask: `ask.py` calls a gateway, once `throttle/` admits the call (breaker, rate, slots, fair share).
3. record: `batch_writer.py` collects answers, `recording.py` writes them in one transaction.
4. settle: `disposition.py` says what each outcome means, `in_flight.py` ends the claims.

`local_stream.py` is the shorter way of a check that calls no gateway. Around the streams: `loop.py` runs them,
`slot_review.py` shares slots, `scale_out.py` wakes other workers, `orphan_rescue.py` expires claims of killed ones,
`lifetime.py` and `shutdown.py` end a drain, `runtime.py` keeps what drains of one process share.
"""
