/*
 * Packs the arguments of an outgoing event, as a format string describes them, into JSON text and attachments. The
 * public functions with a format use this.
 * Format:
 *   s  const char *           NUL-terminated UTF-8 string; NULL: null
 *   S  const char *, size_t   string with a length
 *   i  int                    I  int64_t          u  unsigned        d  double       b  int (false or true)
 *   n  null (no argument)
 *   B  const void *, size_t   binary, copied
 *   v  sio_value              a received value, unchanged, with its attachments
 *   V  const msgpack_object * a MessagePack value
 *   j  const char *           ready JSON text, checked
 *   J  const char *           the same, with binary as {"$base64":"..."}
 *   L  const sio_list *       an array of the list's elements
 *   F  const sio_socket_info *, unsigned   an array of fetched sockets: {id,rooms,data}
 *   *  const sio_event *      all arguments of a received event; not inside an object
 *   [...]  array   {k:v,...}  object: keys by s or S, e.g. "{s:i,s:[s,s]}"
 * Commas, colons and blanks between items are optional. A `v` without a value (SIO_NONE) is null; in an object, the
 * whole member is left out.
 */
#ifndef NODE_SOCKETIO_SIO_PACK_H
#define NODE_SOCKETIO_SIO_PACK_H

#include <stdarg.h>

#include "node/socketio/sio_payload.h"

/*
 * Packs an event; `name` NULL: only an array of arguments, for acknowledgements. Returns 0; ERROR_ARGUMENT for a
 * malformed format or text; ERROR_TOO_BIG; ERROR_TOO_MANY for more than SIO_ARGS_MAX arguments, the name included;
 * ERROR_SYSTEM if memory is short. After an error the payload may only be freed.
 */
int sio_pack_args(struct sio_payload *payload, const char *name, const char *format, va_list args);
/*
 * The same, but arguments from a client of the MessagePack parser may stay late if there are no others (struct
 * sio_payload). `name` must outlive the payload.
 */
int sio_pack_args_late(struct sio_payload *payload, const char *name, const char *format, va_list args);

/* Packs the one value that `format` describes, without an array around it. With "" or NULL it writes nothing. */
int sio_pack_data(struct sio_payload *payload, const char *format, va_list args);

#endif
