//! Tests of the door and of requests, without a socket.
