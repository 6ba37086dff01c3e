/*
 * The id of a stream's entry as one number, which grows as the ids do. The layers above the broker keep such numbers
 * as positions of clients (sio_stream.h). 0 stands for "before the first entry", and for an id that does not fit: of
 * a year after 2109, or with more than 4 million entries in one millisecond.
 */
#ifndef BROKER_STREAM_NUMBER_H
#define BROKER_STREAM_NUMBER_H

#include "broker/wire_stream.h"

#define STREAM_NUMBER_SEQ_BITS 22

static inline uint64_t
stream_number_of(struct wire_stream_id id)
{
	if (id.ms >> (64 - STREAM_NUMBER_SEQ_BITS) != 0 || id.seq >> STREAM_NUMBER_SEQ_BITS != 0)
		return 0;
	return id.ms << STREAM_NUMBER_SEQ_BITS | id.seq;
}

static inline struct wire_stream_id
stream_number_id(uint64_t number)
{
	return (struct wire_stream_id){
		number >> STREAM_NUMBER_SEQ_BITS, number & ((UINT64_C(1) << STREAM_NUMBER_SEQ_BITS) - 1)};
}

#endif
