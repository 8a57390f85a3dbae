"""A day's work on the running stack: how much of it there may be, and whether it can go on."""
