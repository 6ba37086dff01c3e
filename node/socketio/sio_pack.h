/*
 * The arguments of an outgoing event as JSON text plus attachments, packed
 * from a format string. This is what the public functions with a format use.
 *
 * Format:
 *   s  const char *           NUL-terminated UTF-8 string; NULL: null
 *   S  const char *, size_t   string with a length
 *   i  int                    I  int64_t          u  unsigned        d  double       b  int (false or true)
 *   n  null (no argument)
 *   B  const void *, size_t   binary, copied
 *   v  sio_value              a received value, as it is (also binary in it)
 *   V  const msgpack_object * a MessagePack value
 *   j  const char *           ready JSON text, checked
 *   *  const sio_event *      all arguments of a received event
 *   [...]  array   {k:v,...}  object: keys by s or S, e.g. "{s:i,s:[s,s]}"
 * Commas, colons and blanks between items may be left out. A `v` without a value (SIO_NONE) is null, and in an object
 * its key is left out too; `*` stands in arrays only.
 */
#ifndef NODE_SOCKETIO_SIO_PACK_H
#define NODE_SOCKETIO_SIO_PACK_H

#include <stdarg.h>

#include "node/socketio/sio_payload.h"

/*
 * Packs an event ("name" NULL: an array of arguments only, for acks). 0, ERROR_ARGUMENT for a malformed format or
 * text, ERROR_TOO_BIG, ERROR_TOO_MANY for more than SIO_ARGS_MAX arguments (name included). After an error the
 * payload is of no use but to be freed.
 */
int sio_pack_args(struct sio_payload *p, const char *name, const char *format, va_list args);

/* Packs the single value that `format` describes, without an array around it. "" or NULL: nothing is written. */
int sio_pack_data(struct sio_payload *p, const char *format, va_list args);

#endif
