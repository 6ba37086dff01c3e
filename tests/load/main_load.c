/* sockeye-load: a load tester for any Socket.IO server. */
#include <stdio.h>

#include "common/base/buffer.h"
#include "common/io/streams.h"
#include "tests/load/load_options.h"
#include "tests/load/scenario.h"
#include "tests/load/supervisor.h"

#define HELP_MAX (1 << 20)
#define HELP_COLUMNS 100
#define NAME_COLUMNS 13 /* width of the column with the scenarios' names */

static const char help_head[] =
	"Usage: sockeye-load SCENARIO URL [URL]... [OPTION]...\n"
	"Connects Socket.IO clients to servers and measures latency and throughput. A URL is http, https, ws\n"
	"or wss; its path is the namespace. With several URLs, clients use them in turn.\n"
	"\n"
	"  sockeye-load echo http://localhost:3000 --clients 1000\n"
	"  sockeye-load broadcast http://localhost:3000/news --message-rate 10 --assert 'p99<50ms,lost=0'\n"
	"  sockeye-load idle http://localhost:3000 --clients 20000 --processes 2 --server-pid 4711\n"
	"\n"
	"Times are in milliseconds, or 300ms, 25s, 2m; sizes are in bytes, or 64k, 1m.\n"
	"\n"
	"  --help            show this text\n"
	"  --version         show the version\n"
	"\n"
	"Scenarios\n";

static const char help_tail[] =
	"\n"
	"lost: messages that did not arrive although the client was connected. missed: messages that did not\n"
	"arrive because the client was disconnected. SIGINT ends the run early and reports; a second SIGINT\n"
	"exits at once. Exit codes: 0 the run completed and all assertions hold, 1 it could not run,\n"
	"2 usage error, 3 an assertion does not hold.\n";

/* The scenario's name and its help text, wrapped to the line's width. */
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
	buffer_add(&out, help_head, sizeof help_head - 1);
	for (unsigned i = 0; scenario_at(i); i++)
		add_scenario(&out, scenario_at(i));
	buffer_add_byte(&out, '\n');
	options_help(&table, 1, &out);
	buffer_add(&out, help_tail, sizeof help_tail - 1);
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
