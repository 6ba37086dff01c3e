/*
 * The messages between workers about sessions in Redis (broker_stream_tell()): a letter of the alphabet and fields,
 * each preceded by its length in 2 bytes.
 *
 *   T uid pid offset   the client of the session is back at `uid`; offset: the number of its offset, or empty
 *   L pid answer busy  answer: 1: the session is stored, or this worker does not have it; 0: the offset is wrong.
 *                      busy: 1: a client of this worker had the session, or is claiming it. Older versions omit it
 *
 * A message is a variable of its sender. Calls go to the broker.
 */
#ifndef NODE_SOCKETIO_SIO_STREAM_LETTER_H
#define NODE_SOCKETIO_SIO_STREAM_LETTER_H

#include "node/socketio/sio_nsp.h"

#define SIO_STREAM_LETTER_MAX 512
#define SIO_STREAM_UID_MAX 64

struct bus_stream_question;

struct sio_stream_letter {
	uint8_t bytes[SIO_STREAM_LETTER_MAX];
	size_t n;
};

/* Appends a field. A field that does not fit is left out, and the reader then refuses the message. */
void sio_stream_letter_put(struct sio_stream_letter *letter, struct text field);

/*
 * Takes the next field, of at most `max` bytes, from the front of `rest`. *field points into the message. Returns
 * false if the message is malformed.
 */
bool sio_stream_letter_get(struct text *rest, size_t max, struct text *field);

/*
 * Sends the message to the worker `uid`. With a `question`, its on_end gets the number of workers that received the
 * message; NULL: nobody is told. Returns what broker_stream_tell() returns.
 */
int sio_stream_letter_send(const struct sio_nsp *nsp, struct bus_stream_question *question, struct text uid,
	const struct sio_stream_letter *letter);

#endif
