/*
 * Numbers with a name and a meaning: close reasons of connections and counters of a loop. Each layer declares its
 * rows in a table of its own (io_tables.h, http_tables.h, ...). The numbers, the words in the log, the metrics and
 * the documentation are made from these tables.
 *
 * Each layer numbers its rows within a block of its own. One array per loop therefore holds the counters of all
 * layers, and counting is one increment. A layer knows the rows of the layers below it; the process layer knows all
 * of them.
 */
#ifndef COMMON_BASE_NAMES_H
#define COMMON_BASE_NAMES_H

#define NAMES_BLOCK 16 /* maximum rows of a layer */

/* First numbers of the layers' blocks. */
enum {
	NAMES_IO = 0 * NAMES_BLOCK,
	NAMES_BROKER = 1 * NAMES_BLOCK,
	NAMES_HTTP = 2 * NAMES_BLOCK,
	NAMES_WS = 3 * NAMES_BLOCK,
	NAMES_EIO = 4 * NAMES_BLOCK,
	NAMES_SIO = 5 * NAMES_BLOCK,
	NAMES_BACKEND = 6 * NAMES_BLOCK, /* links to backends */
	NAMES_ATTACH = 7 * NAMES_BLOCK,	 /* clients behind those links */
	NAMES_UPSTREAM = 8 * NAMES_BLOCK,
	NAMES_PROCESS = 9 * NAMES_BLOCK,
	NAMES_ADMINUI = 10 * NAMES_BLOCK,
	NAMES_MAX = 11 * NAMES_BLOCK /* all numbers are below this */
};

struct names_row {
	const char *word;    /* word in the log or name of the metric */
	const char *meaning; /* text for the documentation */
};

struct names {
	unsigned first; /* number of the first row */
	unsigned count;
	const struct names_row *rows;
	const struct names *below, *beside; /* tables to search next; NULL: none */
};

/* The two meanings of X in a table of X(id, word, meaning): the enumerator of the number, and the row. */
#define NAMES_NUMBER(id, word, meaning) id,
#define NAMES_ROW(id, word, meaning) {word, meaning},

/* Declares the numbers of a table in a layer's block. */
#define NAMES_DECLARE(block, table, end)                                                                             \
	enum { end##_BEFORE = (block)-1, table(NAMES_NUMBER) end };                                                  \
	_Static_assert(end <= (block) + NAMES_BLOCK, "a layer's rows stay within its block")

/* Defines `name`, the rows of such a table. `lower` and `neighbour` are pointers to struct names, or NULL. */
#define NAMES_DEFINE(name, block, table, end, lower, neighbour)                                                      \
	static const struct names_row name##_rows[] = {table(NAMES_ROW)};                                            \
	const struct names name = {block, (end) - (block), name##_rows, lower, neighbour}

/* Returns the row of a number from these tables or those below, or NULL if the number is unknown. */
const struct names_row *names_find(const struct names *names, unsigned number);

/* Return the word or the meaning of a number. They never return NULL; unknown numbers have a text of their own. */
const char *names_word(const struct names *names, unsigned number);
const char *names_meaning(const struct names *names, unsigned number);

#endif
