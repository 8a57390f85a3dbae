"""Faults injected into the running stack while people work: what they see, what is lost, for how long."""
