/*
 * The parser of Socket.IO 1 and 2: the JSON parser of revision 5 with three differences.
 *
 *   packet           revision 4
 *   CONNECT, sent    no payload: the client derives its id from the Engine.IO sid (sio_socket_new())
 *   CONNECT, read    "/nsp?a=1&b=2": the query becomes the payload {"a":"1","b":"2"}; any other payload is ignored
 *   other, read      a query after the namespace is ignored
 *
 * As in Node.js, "#" and what follows it do not belong to the namespace either.
 * Source: Socket.IO protocol v4 (socket.io repository, docs/socket.io-protocol/v4.md).
 */
#include "common/base/error.h"
#include "common/base/json.h"
#include "node/http/http_query.h"
#include "node/socketio/sio_partial.h"

#define QUERY_MAX 8192 /* bytes of a namespace's query; a longer name is refused like a long name of revision 5 */

static int
json4_encode(const struct sio_packet_out *packet, struct buffer *head, struct eio_message **messages)
{
	struct sio_packet_out plain;

	if (packet->type != SIO_CONNECT)
		return sio_parser_json.encode(packet, head, messages);
	plain = *packet;
	plain.json = TEXT_NONE;
	return sio_parser_json.encode(&plain, head, messages);
}

static int
json4_fail(struct sio_packet *out, int error)
{
	out->why = error_text(error);
	return error;
}

/* Cuts everything from the first "?" or "#" off the namespace. Returns the query between the two, or TEXT_NONE. */
static struct text
json4_cut_query(struct text *nsp)
{
	struct text query = TEXT_NONE;
	size_t n = 0, end;

	while (n < nsp->n && nsp->at[n] != '?' && nsp->at[n] != '#')
		n++;
	end = n;
	while (end < nsp->n && nsp->at[end] != '#')
		end++;
	if (end > n)
		query = text_of(nsp->at + n + 1, end - n - 1);
	nsp->n = n;
	return query;
}

/* A key that occurs twice is written twice; the last one counts. Decodes the query in place. */
static void
json4_write_query(struct text query, struct buffer *json)
{
	struct text key, value;
	char separator = '{';

	while (http_query_next(&query, &key, &value)) {
		buffer_add_byte(json, (uint8_t)separator);
		separator = ',';
		json_write_string(json, text_of(key.at, http_query_decode(key, (char *)key.at)));
		buffer_add_byte(json, ':');
		json_write_string(json, text_of(value.at, http_query_decode(value, (char *)value.at)));
	}
	if (separator == ',')
		buffer_add_byte(json, '}');
}

/* Makes the payload of CONNECT from the query. *partial keeps it. */
static int
json4_auth(struct sio_partial **partial, struct text query, struct sio_packet *out)
{
	struct buffer json;
	int error;

	out->data = TEXT_NONE;
	if (query.n == 0)
		return 1;
	buffer_init(&json, SIZE_MAX / 2); /* at most six times the query, and five bytes for each pair */
	json4_write_query(query, &json);
	error = buffer_error(&json);
	if (error == 0 && json.len != 0) {
		*partial = sio_partial_new(buffer_text(&json), 0);
		if (*partial != NULL)
			out->data = text_of((*partial)->message, (*partial)->n);
		else
			error = ERROR_MEMORY;
	}
	buffer_fini(&json);
	return error != 0 ? json4_fail(out, error) : 1;
}

static int
json4_decode(struct sio_partial **partial, bool binary, uint8_t *data, size_t n,
	const struct sio_packet_limits *limits, struct sio_packet *out)
{
	struct sio_packet_limits wider = *limits;
	struct text query;
	int rc;

	wider.max_nsp += 1 + QUERY_MAX;
	rc = sio_parser_json.decode(partial, binary, data, n, &wider, out);
	/* an attachment that is not the last one leaves `out` as it is */
	if (rc < 0 || (rc == 0 && binary))
		return rc;
	query = json4_cut_query(&out->nsp);
	if (out->nsp.n > limits->max_nsp || query.n > QUERY_MAX)
		return json4_fail(out, ERROR_TOO_BIG);
	return out->type == SIO_CONNECT ? json4_auth(partial, query, out) : rc;
}

const struct sio_parser sio_parser_json4 = {
	.name = "json4",
	.revision = 4,
	.variant = 1,
	.encode = json4_encode,
	.decode = json4_decode,
	.held = sio_partial_held,
	.forget = sio_partial_free,
};
