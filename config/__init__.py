import gc

# Imports and drains make many objects and hardly any garbage. With Python's own threshold of 700 new objects, the
# collector takes a sixth of the start of each process, and a twelfth of a drain.
gc.set_threshold(20_000)
