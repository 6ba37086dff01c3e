/*
 * Texts that are sent through the raw entry with 0 to 3 attachments (the first byte is their number). The entry
 * accepts exactly the texts that a client could have sent: accepted ones can be read, refused ones could not.
 */
#include "tests/unit/socketio/fake_engine.h"

#include "common/base/json.h"
#include "node/socketio/sio_raw.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool
readable(struct text json, unsigned attachments)
{
	const struct sio_packet_limits limits = {
		.max_attachments = 10, .max_depth = JSON_DEPTH_MAX, .max_nsp = 100, .max_bytes = 100000};
	static struct sio_packet packet;
	struct buffer message;
	int rc;

	buffer_init(&message, json.n + 10);
	if (attachments != 0)
		buffer_printf(&message, "5%u-", attachments);
	else
		buffer_add_byte(&message, '2');
	buffer_add_text(&message, json);
	rc = sio_packet_parse(&packet, buffer_text(&message), &limits);
	buffer_fini(&message);
	return rc == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sio_options o = fake_options();
	struct eio_session *session;
	struct attachments attachments;
	struct sio_content event;
	sio_socket *s;
	char *copy;
	int rc;

	if (n == 0 || n > 900)
		return 0;
	attachments_init(&attachments);
	for (unsigned i = 0; i < (data[0] & 3u); i++) {
		struct block *b = block_copy("bytes", i);

		attachments_add(&attachments, b);
		block_unref(b);
	}
	fake_start(&o);
	session = fake_open(0);
	fake_receive(session, false, "0", 1);
	s = ((struct sio_client *)eio_owner(session))->sockets;
	buffer_reset(&session->sent);
	copy = mem_copy(data + 1, n - 1);
	event = (struct sio_content){.json = text_of(copy, n - 1), .attachments = &attachments};
	rc = sio_raw_emit(s, 0, &event);
	must((rc == 0) == (session->sent.len != 0));
	/* a text that begins otherwise would be read as an id or a namespace */
	while (event.json.n != 0 && strchr(" \t\r\n", *event.json.at) != NULL && *event.json.at != '\0')
		event.json = text_of(event.json.at + 1, event.json.n - 1);
	if (event.json.n == 0 || *event.json.at != '[')
		must(rc == SIO_ERR_ARGUMENT);
	else
		must((rc == 0) == readable(event.json, attachments.count));
	rc = sio_raw_set_data(s, &event);
	must(rc != 0 || event.json.n == 0 || sio_type_of(sio_data(s)) != SIO_NONE);
	(void)sio_raw_ack(s, 1, &event);
	mem_free(copy);
	fake_turn();
	attachments_fini(&attachments);
	fake_stop();
	return 0;
}
