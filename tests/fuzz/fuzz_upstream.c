/*
 * Heads on their way to the upstream and back. A head that was accepted and written again is read again: the second
 * reading finds the same body framing and the same target, and no hop-by-hop field. So no input smuggles a second
 * message.
 */
#include "common/base/must.h"
#include "tests/unit/upstream/heads.h"

#define OUT_MAX (4 * HEADS_MAX)

static void
check_request(const uint8_t *data, size_t n)
{
	static const char *const once[] = {"host", "content-length", "transfer-encoding", "x-forwarded-for",
		"x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "forwarded"};
	struct http_header headers[HEADS_FIELDS], again[HEADS_FIELDS];
	struct upstream_origin origin = {
		.peer = TEXT("192.0.2.1"),
		.client = TEXT("192.0.2.1"),
		.host = TEXT("h"),
		.trusted = n % 2,
		.says_x = n % 3 == 0,
		.authority = TEXT("upstream:80"),
	};
	struct http_scan scan;
	struct http_request r, s;
	struct buffer out;
	bool expect;
	size_t length;

	if (heads_read(&r, headers, text_of((const char *)data, n), &length) != 0 ||
		r.header_count > HEADS_FIELDS - 16)
		return;
	buffer_init(&out, OUT_MAX);
	upstream_request_write(&out, &r, &origin);
	must(buffer_error(&out) == 0);
	http_scan_init(&scan);
	must(http_scan_feed(&scan, out.data, out.len, OUT_MAX, HEADS_FIELDS) == (int64_t)out.len);
	s = (struct http_request){0};
	must(http_head_read(buffer_text(&out), again, scan.fields, &s, &expect) == 0);
	must(text_is(s.method_name, r.method_name) && text_is(s.target, r.target));
	must(s.chunked == r.chunked && s.content_length == r.content_length && s.has_body == r.has_body);
	must(s.upgrade == r.upgrade || r.upgrade);
	for (unsigned i = 0; i < sizeof once / sizeof once[0]; i++) {
		unsigned count = 0;

		for (unsigned k = 0; k < s.header_count; k++)
			count += text_is_nocase(s.headers[k].name, text_from(once[i]));
		must(count <= 1);
	}
	must(!http_header_get(&s, "keep-alive").at && !http_header_get(&s, "te").at);
	buffer_fini(&out);
}

static void
check_response(const uint8_t *data, size_t n)
{
	struct http_header headers[UPSTREAM_HEADERS_MAX], again[UPSTREAM_HEADERS_MAX];
	struct upstream_response p, q;
	struct buffer out;
	size_t seen = 0, half = 0;
	int64_t end = upstream_head_find(data, n, &seen), pieces;

	pieces = upstream_head_find(data, n / 2, &half);
	if (pieces == 0)
		pieces = upstream_head_find(data, n, &half);
	must(pieces == end);
	if (end <= 0)
		return;
	if (upstream_response_read(&p, text_of((const char *)data, (size_t)end), headers, n % 2) < 0)
		return;
	must(p.framing != UPSTREAM_LENGTH || p.length > 0);
	buffer_init(&out, OUT_MAX + UPSTREAM_HEAD_MAX);
	buffer_add_text(&out, TEXT("HTTP/1.1 200 OK\r\n"));
	if (upstream_response_fields(&out, &p, headers) == 0) {
		buffer_add_text(&out, TEXT("\r\n"));
		seen = 0;
		must(upstream_head_find(out.data, out.len, &seen) == (int64_t)out.len);
		must(upstream_response_read(&q, buffer_text(&out), again, false) == 0);
		must(q.framing == UPSTREAM_UNTIL_CLOSE && q.count <= p.count);
	}
	buffer_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n > HEADS_MAX)
		return 0;
	check_request(data, n);
	check_response(data, n);
	return 0;
}
