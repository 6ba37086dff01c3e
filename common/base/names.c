#include "common/base/names.h"

#include <stddef.h>

static const struct names_row *
names_own_row(const struct names *names, unsigned number)
{
	/* a number below the block wraps around and exceeds `count` */
	return names != NULL && number - names->first < names->count ? &names->rows[number - names->first] : NULL;
}

const struct names_row *
names_find(const struct names *names, unsigned number)
{
	const struct names_row *row = NULL;

	for (; names != NULL && row == NULL; names = names->below) {
		row = names_own_row(names, number);
		if (row == NULL)
			row = names_own_row(names->beside, number);
	}
	return row;
}

const char *
names_word(const struct names *names, unsigned number)
{
	const struct names_row *row = names_find(names, number);

	return row != NULL ? row->word : "unknown";
}

const char *
names_meaning(const struct names *names, unsigned number)
{
	const struct names_row *row = names_find(names, number);

	return row != NULL ? row->meaning : "a number without a name";
}
