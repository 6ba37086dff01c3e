/* sockeye-load: a load tester for any Socket.IO server. */
#include <stdio.h>

#include "common/base/buffer.h"
#include "common/io/streams.h"
#include "tests/load/load_options.h"
#include "tests/load/scenario.h"
#include "tests/load/supervisor.h"

#define HELP_MAX (1 << 20)
#define HELP_COLUMNS 100
#define NAME_COLUMNS 13 /* of scenarios */

static const char head[] =
	"Usage: sockeye-load SCENARIO URL [URL]... [OPTION]...\n"
	"Puts clients of Socket.IO on servers and measures what comes back. A URL is http, https, ws or wss;\n"
	"its path is the namespace. Several URLs: clients take turns.\n"
	"\n"
	"  sockeye-load echo http://localhost:3000 --clients 1000\n"
	"  sockeye-load broadcast http://localhost:3000/news --message-rate 10 --assert 'p99<50ms,lost=0'\n"
	"  sockeye-load idle http://localhost:3000 --clients 20000 --processes 2 --server-pid 4711\n"
	"\n"
	"Times are milliseconds, or like 300ms, 25s, 2m; sizes are bytes, or like 64k, 1m.\n"
	"\n"
	"  --help            this text\n"
	"  --version         the version\n"
	"\n"
	"Scenarios\n";

static const char tail[] =
	"\n"
	"lost: never came to a client that was connected all the while. missed: the client was disconnected\n"
	"meanwhile. SIGINT ends the run early and reports, a second one ends at once. Exit code: 0 it ran and\n"
	"all assertions hold, 1 it could not run, 2 wrong usage, 3 an assertion does not hold.\n";

/* Its name, and its words within the line's width. */
static void
add_scenario(struct buffer *out, const struct scenario *s)
{
	struct text words = text_from(s->help), word;
	size_t column = NAME_COLUMNS;

	buffer_printf(out, "  %-*s", NAME_COLUMNS - 2, s->name);
	while (text_cut(&words, ' ', &word)) {
		if (column + 1 + word.n > HELP_COLUMNS) {
			buffer_printf(out, "\n%*s", NAME_COLUMNS, "");
			column = NAME_COLUMNS;
		} else if (column > NAME_COLUMNS) {
			buffer_add_byte(out, ' ');
			column++;
		}
		buffer_add_text(out, word);
		column += word.n;
	}
	buffer_add_byte(out, '\n');
}

static void
print_help(void)
{
	struct load_options o = {.scenario = NULL};
	struct option_table table = load_options_table(&o);
	struct buffer out;

	buffer_init(&out, HELP_MAX);
	buffer_add(&out, head, sizeof head - 1);
	for (unsigned i = 0; scenario_at(i); i++)
		add_scenario(&out, scenario_at(i));
	buffer_add_byte(&out, '\n');
	options_help(&table, 1, &out);
	buffer_add(&out, tail, sizeof tail - 1);
	fwrite(out.data, 1, out.len, stdout);
	buffer_fini(&out);
}

int
main(int argc, char **argv)
{
	struct load_options o;
	char error[OPTION_ERROR_MAX];
	enum load_exit code = EXIT_RAN;
	int read;

	streams_open();
	read = load_options_read(&o, argc, argv, error);
	if (read == 1) {
		print_help();
	} else if (read == 2) {
		printf("sockeye-load %s\n", SOCKEYE_VERSION);
	} else if (read < 0) {
		streams_complain("sockeye-load", error);
		code = EXIT_USAGE;
	} else {
		code = supervise(&o);
	}
	if (code == EXIT_RAN && !streams_flush("sockeye-load"))
		code = EXIT_COULD_NOT;
	load_options_fini(&o);
	return (int)code;
}
