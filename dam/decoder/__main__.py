"""`python -m dam.decoder`: decodes what comes over its standard input, a socket, until that closes."""

import socket

from dam.decoder import limits

if __name__ == "__main__":
    limits.confine()  # before anything has started a thread: the kernel asks for that
    from dam.decoder.channel import Channel
    from dam.decoder.serving import serve

    serve(Channel(socket.socket(fileno=0)))
