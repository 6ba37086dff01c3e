#include "node/socketio/sio_received.h"

int
sio_received_write_texts(struct sio_server *io)
{
	return io->packet_parser->write(&io->packet_texts, &io->limits, &io->packet);
}

void
sio_received_end_values(struct sio_server *io)
{
	io->packet_parser->forget(io->packet_texts);
	io->packet_texts = NULL;
	io->packet.values.at = NULL;
}
