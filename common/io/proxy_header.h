/*
 * The PROXY protocol, versions 1 and 2: what a balancer says of the client in front of a connection's own bytes. A
 * pure codec. Source: "The PROXY protocol", Willy Tarreau, HAProxy (doc/proxy-protocol.txt).
 */
#ifndef COMMON_IO_PROXY_HEADER_H
#define COMMON_IO_PROXY_HEADER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/base/text.h"

/* A header of version 2 with its extensions; one of version 1 has 107 bytes at most. */
#define PROXY_HEADER_MAX 4096

struct proxy_header {
	struct sockaddr_storage client;
	socklen_t client_len; /* 0: it names nobody (UNKNOWN, LOCAL, a unix socket); the connection's own address
				 counts */
};

/* > 0: bytes of the header at the start of `in`; 0: more are needed; ERROR_SYNTAX, ERROR_TOO_BIG, ERROR_UNSUPPORTED.
 */
int64_t proxy_header_parse(struct proxy_header *out, struct text in);

#endif
