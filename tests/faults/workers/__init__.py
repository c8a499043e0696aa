"""Workers killed or terminated, and too many beats or none. All modules share one stack."""
