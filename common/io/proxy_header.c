#include "common/io/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "common/base/bytes.h"
#include "common/base/error.h"

#define V1_LINE_MAX 107	   /* maximum length of a version 1 line with CRLF, from the specification */
#define V2_FIXED_LENGTH 16 /* signature, version and command, family, length */
#define ADDRESS_MAX 40	   /* longer than any address: IPv6 has 39 characters at most */

static const char proxy_v2_signature[12] = {'\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

static void
proxy_set_ipv4(struct proxy_header *out, const void *address, uint16_t port)
{
	struct sockaddr_in *to = (struct sockaddr_in *)&out->client;

	memset(&out->client, 0, sizeof out->client);
	to->sin_family = AF_INET;
	to->sin_port = htons(port);
	memcpy(&to->sin_addr, address, sizeof to->sin_addr);
	out->client_len = sizeof *to;
}

static void
proxy_set_ipv6(struct proxy_header *out, const void *address, uint16_t port)
{
	struct sockaddr_in6 *to = (struct sockaddr_in6 *)&out->client;

	memset(&out->client, 0, sizeof out->client);
	to->sin6_family = AF_INET6;
	to->sin6_port = htons(port);
	memcpy(&to->sin6_addr, address, sizeof to->sin6_addr);
	out->client_len = sizeof *to;
}

/* -------------------------------------------------------------- version 1 */

static int
proxy_parse_address(struct text text, int family, void *out)
{
	char copy[ADDRESS_MAX + 1];

	if (text.n == 0 || text.n > ADDRESS_MAX)
		return ERROR_SYNTAX;
	memcpy(copy, text.at, text.n);
	copy[text.n] = '\0';
	return inet_pton(family, copy, out) == 1 ? 0 : ERROR_SYNTAX;
}

/* Parses "TCP4 192.0.2.1 192.0.2.2 56324 443": source and destination, separated by single spaces. */
static int
proxy_parse_line(struct proxy_header *out, struct text line)
{
	struct text word[5];
	uint64_t port[2];
	uint8_t address[16], other[16];
	int family;

	if (text_is(line, TEXT("UNKNOWN")) || text_starts(line, TEXT("UNKNOWN ")))
		return 0;
	if (text_ends(line, TEXT(" ")))
		return ERROR_SYNTAX;
	for (unsigned i = 0; i < 5; i++) {
		if (!text_cut(&line, ' ', &word[i]))
			return ERROR_SYNTAX;
	}
	if (line.n > 0)
		return ERROR_SYNTAX;
	if (text_is(word[0], TEXT("TCP4")))
		family = AF_INET;
	else if (text_is(word[0], TEXT("TCP6")))
		family = AF_INET6;
	else
		return ERROR_UNSUPPORTED;
	if (proxy_parse_address(word[1], family, address) < 0 || proxy_parse_address(word[2], family, other) < 0 ||
		text_number(word[3], UINT16_MAX, &port[0]) < 0 || text_number(word[4], UINT16_MAX, &port[1]) < 0)
		return ERROR_SYNTAX;
	if (family == AF_INET)
		proxy_set_ipv4(out, address, (uint16_t)port[0]);
	else
		proxy_set_ipv6(out, address, (uint16_t)port[0]);
	return 0;
}

static int64_t
proxy_parse_v1(struct proxy_header *out, struct text in)
{
	const size_t word = sizeof "PROXY " - 1;
	size_t n = in.n < V1_LINE_MAX - 1 ? in.n : V1_LINE_MAX - 1; /* the line must end within these bytes */
	const char *end = memchr(in.at, '\r', n);
	int rc;

	if (end == NULL)
		return n < V1_LINE_MAX - 1 ? 0 : ERROR_TOO_BIG;
	if (end + 1 == in.at + in.n)
		return 0;
	if (end[1] != '\n' || (size_t)(end - in.at) < word)
		return ERROR_SYNTAX;
	rc = proxy_parse_line(out, text_of(in.at + word, (size_t)(end - in.at) - word));
	return rc < 0 ? rc : end - in.at + 2;
}

/* -------------------------------------------------------------- version 2 */

static uint16_t
proxy_read_uint16(const char *at)
{
	return (uint16_t)bytes_read((const uint8_t *)at, 2);
}

static int64_t
proxy_parse_v2(struct proxy_header *out, struct text in)
{
	const char *body = in.at + V2_FIXED_LENGTH;
	unsigned command, family;
	size_t n;

	if (in.n < V2_FIXED_LENGTH)
		return 0;
	command = (uint8_t)in.at[12];
	family = (uint8_t)in.at[13];
	n = proxy_read_uint16(in.at + 14);
	if (command >> 4 != 2)
		return ERROR_UNSUPPORTED;
	if ((command & 15) > 1)
		return ERROR_UNSUPPORTED;
	if (V2_FIXED_LENGTH + n > PROXY_HEADER_MAX)
		return ERROR_TOO_BIG;
	if (in.n < V2_FIXED_LENGTH + n)
		return 0;
	if ((command & 15) == 1 && family == 0x11) { /* PROXY command, TCP over IPv4: addresses, then ports */
		if (n < 12)
			return ERROR_SYNTAX;
		proxy_set_ipv4(out, body, proxy_read_uint16(body + 8));
	} else if ((command & 15) == 1 && family == 0x21) {
		if (n < 36)
			return ERROR_SYNTAX;
		proxy_set_ipv6(out, body, proxy_read_uint16(body + 32));
	}
	return (int64_t)(V2_FIXED_LENGTH + n);
}

int64_t
proxy_header_parse(struct proxy_header *out, struct text in)
{
	size_t n = in.n < sizeof proxy_v2_signature ? in.n : sizeof proxy_v2_signature;

	memset(out, 0, sizeof *out);
	if (in.n == 0)
		return 0;
	if (memcmp(in.at, proxy_v2_signature, n) == 0)
		return in.n < sizeof proxy_v2_signature ? 0 : proxy_parse_v2(out, in);
	n = in.n < 6 ? in.n : 6;
	if (memcmp(in.at, "PROXY ", n) != 0)
		return ERROR_SYNTAX;
	return proxy_parse_v1(out, in);
}
