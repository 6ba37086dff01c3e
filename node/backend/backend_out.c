#include "node/backend/backend_out.h"

#include "common/base/json.h"
#include "node/engineio/eio_handshake.h"
#include "node/http/http_client.h"
#include "node/socketio/sio_raw.h"

/* -------------------------------------------------------------------- JSON */

static void
write_member(struct buffer *out, const char *key, struct text value)
{
	buffer_printf(out, ",\"%s\":", key);
	json_write_string(out, value);
}

static void
write_bool(struct buffer *out, const char *key, bool value)
{
	buffer_printf(out, ",\"%s\":%s", key, value ? "true" : "false");
}

static void
write_field(struct buffer *out, bool *first, struct text name, struct text value)
{
	if (!*first)
		buffer_add_byte(out, ',');
	*first = false;
	json_write_string(out, name);
	buffer_add_byte(out, ',');
	json_write_string(out, value);
}

static void
write_session(struct buffer *out, const struct backend_session *s)
{
	const struct eio_handshake *h = eio_session_handshake(s->engine);
	struct text name, value;
	uint32_t cursor = 0;
	bool first = true;

	buffer_add_text(out, TEXT("{\"id\":"));
	json_write_string(out, eio_sid(s->engine));
	write_member(out, "transport", text_from(eio_transport(s->engine)));
	write_member(out, "address", eio_handshake_address(h));
	write_bool(out, "secure", h->secure);
	buffer_printf(out, ",\"time\":%llu,\"method\":\"GET\"", (unsigned long long)h->issued);
	write_member(out, "url", eio_handshake_url(h));
	buffer_add_text(out, TEXT(",\"headers\":["));
	while (eio_handshake_header(h, &cursor, &name, &value))
		write_field(out, &first, name, value);
	buffer_add_byte(out, ']');
	if (s->request != 0)
		buffer_printf(out, ",\"request\":%u", s->request);
	buffer_add_byte(out, '}');
}

void
backend_out_request(struct buffer *out, const struct http_request *r)
{
	char room[CONN_ADDRESS_MAX];
	bool first = true;

	buffer_add_text(out, TEXT("{\"method\":"));
	json_write_string(out, r->method_name);
	write_member(out, "url", r->target);
	buffer_printf(out, ",\"httpVersion\":\"1.%u\"", r->minor);
	buffer_add_text(out, TEXT(",\"headers\":["));
	for (unsigned i = 0; i < r->header_count; i++)
		write_field(out, &first, r->headers[i].name, r->headers[i].value);
	buffer_add_byte(out, ']');
	write_member(out, "address", http_client_address(r, room));
	write_bool(out, "secure", http_client_secure(r));
}

/* ------------------------------------------------------------------ frames */

void
backend_out_text(struct backend_link *wire, uint8_t type, uint32_t handle, uint32_t id, struct text body)
{
	backend_begin(wire, type, 0, 0, handle, id);
	backend_put(wire, body.at, body.n);
	backend_end(wire);
}

void
backend_out_session(const struct backend_session *s)
{
	struct backend_link *wire = s->member->wire;
	struct buffer *out = &s->core->text;

	buffer_reset(out);
	write_session(out, s);
	backend_begin(wire, BACKEND_SESSION, eio_session_revision(s->engine) == 3 ? BACKEND_F_EIO3 : 0, 0,
		s->handle.number, 0);
	backend_put(wire, out->data, out->len);
	backend_end(wire);
}

/*
 * Fills core->rooms with the socket's rooms from *cursor on, except the room of its own id; at most
 * BACKEND_ROOMS_MAX.
 */
static unsigned
rooms_of(const struct backend_socket *bs, size_t *cursor)
{
	struct text *rooms = bs->session->core->rooms;
	const char *own = sio_id(bs->socket), *room;
	unsigned n = 0;

	while (n < BACKEND_ROOMS_MAX && (room = sio_room_next(bs->socket, cursor)) != NULL) {
		if (strcmp(room, own) != 0)
			rooms[n++] = text_from(room);
	}
	return n;
}

bool
backend_out_open(const struct backend_socket *bs, uint8_t flags)
{
	bool again = (flags & BACKEND_F_REATTACH) != 0;
	const struct backend_session *s = bs->session;
	struct backend_link *wire = s->member->wire;
	struct sio_content data = sio_raw_data(bs->socket);
	struct text *rooms = s->core->rooms;
	uint16_t nsp = backend_link_nsp(wire, text_from(sio_nsp_name(sio_socket_nsp(bs->socket))));
	size_t cursor = 0;
	unsigned n;

	backend_begin(wire, BACKEND_OPEN, flags, nsp, bs->handle.number, s->handle.number);
	backend_put_text(wire, text_from(sio_id(bs->socket)));
	backend_put_text(wire, sio_raw_auth(bs->socket));
	if (again) {
		backend_put_rooms(wire, rooms, rooms_of(bs, &cursor));
		/*
		 * Backends keep data as JSON: data with attachments, which only an application inside can set, is
		 * left out.
		 */
		backend_put_text(
			wire, data.attachments == NULL || data.attachments->count == 0 ? data.json : TEXT_NONE);
	}
	if (!backend_end(wire))
		return false;
	while (again && (n = rooms_of(bs, &cursor)) != 0)
		backend_out_rooms(wire, BACKEND_JOIN, bs->handle.number, rooms, n);
	return true;
}

void
backend_out_ended(struct backend_link *wire, const sio_nsp *nsp, const sio_ended_session *ended)
{
	static const struct text words[] = {
		[SIO_SESSION_EXPIRED] = {"expired", 7},
		[SIO_SESSION_DISPLACED] = {"displaced", 9},
		[SIO_SESSION_FAILED] = {"failed", 6},
	};
	uint16_t number = backend_link_nsp(wire, text_from(sio_nsp_name(nsp)));
	size_t n = 0;
	const char *data = sio_json(ended->data, &n);

	backend_begin(wire, BACKEND_ENDED, 0, number, 0, 0);
	backend_put_text(wire, text_from(ended->id));
	backend_put_text(wire, words[ended->why]);
	backend_put_text(wire, data != NULL ? text_of(data, n) : TEXT_NONE);
	backend_end(wire);
}

void
backend_out_args(struct backend_link *wire, uint8_t type, uint8_t flags, uint32_t handle, uint32_t id,
	struct text json, const struct attachments *attachments)
{
	backend_begin(wire, type, flags, 0, handle, id);
	backend_put_args(wire, json, attachments);
	backend_end(wire);
}

void
backend_out_event(struct backend_link *wire, uint32_t handle, const struct sio_raw_event *event)
{
	uint32_t high = event->wants_ack ? (uint32_t)(event->id >> 32) : 0;
	uint8_t flags = (uint8_t)((event->wants_ack ? BACKEND_F_ACK : 0) | (high != 0 ? BACKEND_F_WIDE : 0));

	backend_begin(wire, BACKEND_EVENT, flags, 0, handle, event->wants_ack ? (uint32_t)event->id : 0);
	if (high != 0)
		backend_put_u32(wire, high);
	backend_put_args(wire, event->json, event->attachments);
	backend_end(wire);
}

void
backend_out_rooms(struct backend_link *wire, uint8_t type, uint32_t handle, const struct text *rooms, unsigned n)
{
	backend_begin(wire, type, 0, 0, handle, 0);
	backend_put_rooms(wire, rooms, n);
	backend_end(wire);
}
