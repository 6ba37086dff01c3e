/*
 * Numbers that have a name and a meaning: the reasons for which connections end, and what a loop counts. Each layer
 * declares its own rows in its tables (io_tables.h, http_tables.h, ...), from which the numbers, the words of the
 * log, the metrics and their documentation come.
 *
 * A layer numbers its rows within a block of its own, so that one array per loop holds the counts of all layers and
 * a count is one increment. A layer knows the rows of the layers below; all of them meet in the process layer.
 */
#ifndef COMMON_BASE_NAMES_H
#define COMMON_BASE_NAMES_H

#define NAMES_BLOCK 16 /* rows that a layer may have */

/* The layers' blocks. */
enum {
	NAMES_IO = 0 * NAMES_BLOCK,
	NAMES_BROKER = 1 * NAMES_BLOCK,
	NAMES_HTTP = 2 * NAMES_BLOCK,
	NAMES_WS = 3 * NAMES_BLOCK,
	NAMES_EIO = 4 * NAMES_BLOCK,
	NAMES_SIO = 5 * NAMES_BLOCK,
	NAMES_BACKEND = 6 * NAMES_BLOCK, /* links */
	NAMES_ATTACH = 7 * NAMES_BLOCK,	 /* clients behind them */
	NAMES_UPSTREAM = 8 * NAMES_BLOCK,
	NAMES_PROCESS = 9 * NAMES_BLOCK,
	NAMES_MAX = 10 * NAMES_BLOCK /* every number is below */
};

struct names_row {
	const char *word;    /* of the log, or of the metric */
	const char *meaning; /* for the documentation */
};

struct names {
	unsigned first; /* number of the first row */
	unsigned count;
	const struct names_row *rows;
	const struct names *below, *beside; /* where to look further; NULL: nowhere */
};

/* What X stands for in a table X(id, word, meaning): the number's enumerator, and the row. */
#define NAMES_NUMBER(id, word, meaning) id,
#define NAMES_ROW(id, word, meaning) {word, meaning},

/* Declares the numbers of a table (a list of X(id, word, meaning)) in a layer's block. */
#define NAMES_DECLARE(block, table, end)                                                                             \
	enum { end##_BEFORE = (block)-1, table(NAMES_NUMBER) end };                                                  \
	_Static_assert(end <= (block) + NAMES_BLOCK, "a layer's rows stay within its block")

/* Defines `name`, the rows of such a table. `lower`, `neighbour`: pointers to struct names, or NULL. */
#define NAMES_DEFINE(name, block, table, end, lower, neighbour)                                                      \
	static const struct names_row name##_rows[] = {table(NAMES_ROW)};                                            \
	const struct names name = {block, (end) - (block), name##_rows, lower, neighbour}

/* The row of a number in these names and those below; NULL: a number that nobody has. */
const struct names_row *names_find(const struct names *names, unsigned number);

/* The same, never NULL: "unknown" for a number that nobody has. */
const char *names_word(const struct names *names, unsigned number);
const char *names_meaning(const struct names *names, unsigned number);

#endif
