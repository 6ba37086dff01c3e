/* socket.data: one value that the application sets for a socket. Every node can fetch it. */
#include "node/socketio/sio_pack.h"
#include "node/socketio/sio_socket.h"
#include "node/socketio/sio_check.h"

int
sio_set_data(sio_socket *s, const char *format, ...)
{
	SIO_NEEDS(SIO_A_SOCKET, s, SIO_ERR_ARGUMENT);
	struct sio_server *io = s->nsp->io;
	struct sio_stored *data = NULL;
	struct sio_scratch *scratch;
	va_list args;
	int rc;

	if (s->state == SIO_GONE)
		return SIO_ERR_STATE;
	scratch = sio_scratch_take(&io->turn);
	va_start(args, format);
	rc = sio_pack_data(&scratch->payload, format, args);
	va_end(args);
	if (rc == 0 && scratch->payload.json.len != 0)
		data = sio_stored_new(buffer_text(&scratch->payload.json), &scratch->payload.attachments);
	if (rc == 0 && scratch->payload.json.len != 0 && data == NULL)
		rc = SIO_ERR_SYSTEM;
	(void)sio_misused(__func__, NULL, format, &scratch->payload, rc);
	sio_scratch_give(&io->turn, scratch);
	if (rc != 0)
		return rc;
	sio_socket_set_data(s, data);
	return 0;
}

sio_value
sio_data(const sio_socket *s)
{
	SIO_NEEDS(SIO_A_SOCKET, s, sio_value_none());
	return s->extra != NULL ? sio_stored_value(s->extra->data) : sio_value_none();
}
