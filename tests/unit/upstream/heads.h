/* Heads that the parsers of this layer read and write again for the other side; for unit tests and fuzzing. */
#ifndef TESTS_UNIT_UPSTREAM_HEADS_H
#define TESTS_UNIT_UPSTREAM_HEADS_H

#include "common/base/buffer.h"
#include "node/http/http_head.h"
#include "node/http/http_scan.h"
#include "node/upstream/upstream_request.h"
#include "node/upstream/upstream_response.h"

#define HEADS_FIELDS 64
#define HEADS_MAX 16384

/*
 * Reads a request whose texts point into `raw`. Returns 0, the status of the refusal, or -1 if the head is
 * incomplete.
 */
static inline int
heads_read(struct http_request *r, struct http_header headers[HEADS_FIELDS], struct text raw, size_t *length)
{
	struct http_scan scan;
	bool expect;
	int64_t end;
	int status;

	http_scan_init(&scan);
	*r = (struct http_request){0};
	end = http_scan_feed(&scan, (const uint8_t *)raw.at, raw.n, HEADS_MAX, HEADS_FIELDS);
	if (end <= 0)
		return end < 0 ? scan.status : -1;
	*length = (size_t)end;
	status = http_head_read(text_of(raw.at + (size_t)end - scan.len, scan.len), headers, scan.fields, r, &expect);
	return status ? status : upstream_request_check(r);
}

#endif
