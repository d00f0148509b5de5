//! What is published about this server and its authorization server (RFC 9728, RFC 8414).
