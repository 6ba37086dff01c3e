/*
 * Parser for the PROXY protocol, versions 1 and 2, in which a load balancer describes the client in front of a
 * connection's own bytes. A pure codec. Source: "The PROXY protocol", Willy Tarreau, HAProxy
 * (doc/proxy-protocol.txt).
 */
#ifndef COMMON_IO_PROXY_HEADER_H
#define COMMON_IO_PROXY_HEADER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/base/text.h"

/* Maximum bytes of a version 2 header with its extensions. A version 1 header has at most 107 bytes. */
#define PROXY_HEADER_MAX 4096

struct proxy_header {
	struct sockaddr_storage client;
	/* 0: the header names no client (UNKNOWN, LOCAL, a unix socket); use the connection's own address */
	socklen_t client_len;
};

/*
 * Parses the header at the start of `in`. Returns its length (> 0), 0 if more bytes are needed, ERROR_SYNTAX,
 * ERROR_TOO_BIG or ERROR_UNSUPPORTED.
 */
int64_t proxy_header_parse(struct proxy_header *out, struct text in);

#endif
