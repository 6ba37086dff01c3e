/*
 * A whiteboard. Everyone draws on one board, and a newcomer sees what was drawn before. Each worker keeps a copy of
 * the board; events between servers keep the copies equal. docs/application.md explains the program.
 *
 *     sockeye --app build/examples/whiteboard.so --public node/examples/whiteboard/public
 */
#include <sockeye.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIDE 10000 /* coordinates are whole numbers from 0 to SIDE, whatever the size of a window */
#define COLORS 6
#define ASK_MS 500   /* interval at which a new worker asks the others for the board */
#define ASK_TIMES 20 /* questions after which it stops */

const sio_option sio_app_options[] = {
	{.name = "boardLines",
		.kind = SIO_OPTION_NUMBER,
		.initial = "5000",
		.min = 1,
		.max = 20000,
		.help = "Lines that the board keeps; newer ones replace the oldest"},
	{0},
};

struct line {
	int of[5]; /* x and y of the start, x and y of the end, color */
};

static sio_server *server;
static sio_nsp *board;
static struct line *lines; /* a ring */
static unsigned n_lines, oldest, max_lines, asked;
static bool cleared; /* since this worker asked the others for the board */
static uint64_t *drawn;

static bool read_line(sio_value value, struct line *line) {
	for (unsigned i = 0; i < 5; i++) {
		int64_t number = sio_int(sio_at(value, i), -1);
		if (number < 0 || number > (i < 4 ? SIDE : COLORS - 1)) return false;
		line->of[i] = (int)number;
	}
	return true;
}

static void keep_line(const struct line *line) {
	lines[(oldest + n_lines) % max_lines] = *line;
	if (n_lines < max_lines)
		n_lines++;
	else
		oldest = (oldest + 1) % max_lines;
}

/* The same line twice looks like one. */
static bool has_line(const struct line *line) {
	for (unsigned i = 0; i < n_lines; i++)
		if (memcmp(&lines[i], line, sizeof *line) == 0) return true;
	return false;
}

static void clear(void) {
	n_lines = oldest = 0;
	cleared = true;
}

/* Returns the whole board as one array. */
static sio_list *list_lines(void) {
	sio_list *list = sio_list_new(server);
	for (unsigned i = 0; i < n_lines; i++) {
		const int *of = lines[(oldest + i) % max_lines].of;
		sio_list_add(list, "[i,i,i,i,i]", of[0], of[1], of[2], of[3], of[4]);
	}
	return list;
}

static void on_connection(sio_socket *socket, void *arg) { sio_emit(sio_only(socket), "board", "L", list_lines()); }

/* The other workers get the line before their clients do, so that a newcomer there misses no line. */
static void on_line(sio_socket *socket, sio_event *event, void *arg) {
	struct line line;
	if (!read_line(sio_arg(event, 0), &line)) return;
	keep_line(&line);
	++*drawn;
	sio_server_side_emit(board, "line", "v", sio_arg(event, 0));
	sio_emit(sio_others(socket), "line", "v", sio_arg(event, 0));
}

static void on_clear(sio_socket *socket, sio_event *event, void *arg) {
	clear();
	sio_server_side_emit(board, "clear", NULL);
	sio_emit(sio_all(board), "board", "[]");
}

/* ------------------------------------------------------------------------------------------ between the workers */

static void on_their_line(sio_nsp *nsp, sio_event *event, void *arg) {
	struct line line;
	if (read_line(sio_arg(event, 0), &line)) keep_line(&line);
}

static void on_their_clear(sio_nsp *nsp, sio_event *event, void *arg) { clear(); }

static void on_question(sio_nsp *nsp, sio_event *event, void *arg) { sio_ack(event, "L", list_lines()); }

static void ask(sio_server *io, void *arg);

/*
 * Takes over the longest board of the others. It may have lines that have also come here by themselves; those that it
 * does not have are added at its end. After a clear the answers are out of date, and the board here is whole.
 */
static void on_boards(sio_server *io, int error, const sio_answers *answers, void *arg) {
	sio_value longest = {0}, one;
	struct line line, *mine = lines;
	unsigned n_mine = n_lines, first = oldest;
	char count[16];
	size_t cursor = 0;
	for (unsigned i = 0; i < sio_answers_count(answers); i++)
		if (sio_length(sio_answer(answers, i)) > sio_length(longest)) longest = sio_answer(answers, i);
	if (cleared) return;
	if (sio_length(longest) <= n_lines) {
		if (sio_answers_count(answers) == 0)
			sio_timer_once(io, ASK_MS, ask, NULL); /* no other worker has answered yet */
		return;
	}
	lines = calloc(max_lines, sizeof *lines);
	n_lines = oldest = 0;
	while (sio_each(longest, &cursor, NULL, &one))
		if (read_line(one, &line)) keep_line(&line);
	for (unsigned i = 0; i < n_mine; i++) {
		const struct line *own = &mine[(first + i) % max_lines];
		if (!has_line(own)) keep_line(own);
	}
	free(mine);
	snprintf(count, sizeof count, "%u", n_lines);
	sio_log(io, "board", "lines", count, NULL);
	sio_emit(sio_local(sio_all(board)), "board", "L", list_lines());
}

/* Asks the others for the board, because a worker starts with an empty one, also after a crash. */
static void ask(sio_server *io, void *arg) {
	cleared = false;
	if (asked++ < ASK_TIMES && sio_server_side_emit_ack(board, 2000, on_boards, NULL, "board", NULL) != 0)
		sio_timer_once(io, ASK_MS, ask, NULL);
}

static void on_stop(sio_server *io, void *arg) { free(lines); }

int sio_app(sio_server *io) {
	server = io;
	board = sio_of(io, "/");
	max_lines = (unsigned)sio_option_number(io, "boardLines");
	lines = calloc(max_lines, sizeof *lines);
	drawn = sio_counter(io, "board_lines_total", "lines drawn by clients", NULL, NULL);
	sio_on_connection(board, on_connection, NULL);
	sio_on(board, "line", on_line, NULL);
	sio_on(board, "clear", on_clear, NULL);
	sio_on_server_event(board, "line", on_their_line, NULL);
	sio_on_server_event(board, "clear", on_their_clear, NULL);
	sio_on_server_event(board, "board", on_question, NULL);
	sio_timer_once(io, 1, ask, NULL);
	sio_on_stop(io, on_stop, NULL);
	return lines == NULL;
}
