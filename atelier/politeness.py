"""Background work gives way to people: the start of a shell command for what can wait."""

# Linux may weigh whole sessions against each other, whatever `nice` says within each: sched(7), “The
# autogroup feature”. What follows must be the program and its arguments, in a session of its own.
POLITELY = "(echo 10 > /proc/self/autogroup) 2> /dev/null; exec nice -n 10"
