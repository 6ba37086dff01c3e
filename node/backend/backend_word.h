/* The words for errors in answers to backends (backends/PROTOCOL.md). */
#ifndef NODE_BACKEND_BACKEND_WORD_H
#define NODE_BACKEND_BACKEND_WORD_H

#include "common/base/text.h"

/* Returns the word for an error of sockeye.h; "" for 0. */
struct text backend_word(int error);

#endif
