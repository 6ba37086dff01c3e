/*
 * The ids of the keeper's sessions in 6 bits for each character, because every idle client has two of them. Pure
 * code.
 */
#ifndef NODE_SOCKETIO_SIO_KEEPER_ID_H
#define NODE_SOCKETIO_SIO_KEEPER_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/text.h"

/* The packed size of an id of n characters, which is a multiple of 4. */
#define SIO_KEEPER_PACKED(n) ((n) / 4 * 3)

/*
 * Packs an id whose length is a multiple of 4. Returns false if a character is not of the alphabet of ids
 * (base64url_alphabet); `out` is then undefined.
 */
bool sio_keeper_id_pack(struct text id, uint8_t *out);
/* Writes the `n` characters of an id, without a NUL. */
void sio_keeper_id_unpack(const uint8_t *packed, size_t n, char *out);

#endif
