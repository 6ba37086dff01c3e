/* Middlewares of namespaces and of events, and catch-all listeners. */
#include "tests/unit/socketio/scenario_play.h"

/* clang-format off: one string a line of the script */
static const struct scenario scenarios_middlewares[] = {
	{"middleware lets in",
		">0/admin,{\"token\":\"ok\"}\n"
		"<0/admin,{\"sid\":\"*\"}\n"
		"=token, connected 0\n"
		"=connection /admin\n"
		"~3\n"
		"=disconnecting /admin: transport close\n"
		"=rooms 2 connected 1\n"
		"=disconnect /admin: transport close\n"
		"=rooms 0 connected 0\n",
		0},
	{"middleware refuses with data",
		">0/admin,{\"token\":\"x\"}\n"
		"<4/admin,{\"message\":\"wrong \\\"token\\\"\",\"data\":{\"code\":7}}\n"
		"=token, connected 0\n" CONNECTED,
		0},
	{"middleware refuses without data",
		">0/admin,\n"
		"<4/admin,{\"message\":\"no token\"}\n"
		"=token, connected 0\n",
		0},
	{"middlewares answer later, in order",
		">0/slow,\n"
		"=first\n"
		":next\n"
		"=second\n"
		":next\n"
		"<0/slow,{\"sid\":\"*\"}\n"
		"=connection /slow\n"
		">2/slow,[\"echo\"]\n"
		"<2/slow,[\"echo\"]\n",
		0},
	{"middleware refuses later",
		">0/slow,\n"
		"=first\n"
		":next\n"
		"=second\n"
		":refuse\n"
		"<4/slow,{\"message\":\"refused\",\"data\":[1]}\n" CONNECTED,
		0},
	{"event while a middleware thinks",
		">0/slow,\n"
		"=first\n"
		">2/slow,[\"echo\"]\n"
		"<!\n"
		":next\n",
		0},
	{"client goes while a middleware thinks",
		">0/slow,\n"
		"=first\n"
		"~3\n"
		":next\n",
		0},
	{"client goes, then a middleware refuses",
		">0/slow,\n"
		"=first\n"
		"~3\n"
		":refuse\n",
		0},
	{"any, event middlewares, listeners, outgoing",
		">0/strict,\n"
		"<0/strict,{\"sid\":\"*\"}\n"
		"=connection /strict\n"
		">2/strict,[\"echo\",1]\n"
		"<2/strict,[\"echo\",1]\n"
		"=any echo/1\n"
		"=first echo\n"
		"=second echo\n"
		"=outgoing echo/1\n",
		0},
	{"event middleware refuses",
		">0/strict,\n"
		"<0/strict,{\"sid\":\"*\"}\n"
		"=connection /strict\n"
		">2/strict,[\"bad\"]\n"
		"=any bad/0\n"
		"=first bad\n"
		"=error: bad event\n",
		0},
	{"event middlewares answer later",
		">0/strict,\n"
		"<0/strict,{\"sid\":\"*\"}\n"
		"=connection /strict\n"
		">51-/strict,3[\"wait\",{\"_placeholder\":true,\"num\":0}]\n"
		"(07\n"
		"=any wait/1\n"
		"=first wait\n"
		":next\n"
		"=second wait\n"
		":next\n"
		"<61-/strict,3[{\"_placeholder\":true,\"num\":0}]\n"
		"<(07\n"
		"=wait got 1 ack 0\n",
		0},
	{"event middleware refuses later",
		">0/strict,\n"
		"<0/strict,{\"sid\":\"*\"}\n"
		"=connection /strict\n"
		">2/strict,[\"wait\"]\n"
		"=any wait/0\n"
		"=first wait\n"
		":refuse\n"
		"=error: refused\n",
		0},
	{"client goes while an event middleware thinks",
		">0/strict,\n"
		"<0/strict,{\"sid\":\"*\"}\n"
		"=connection /strict\n"
		">2/strict,[\"wait\",1]\n"
		"=any wait/1\n"
		"=first wait\n"
		"~3\n" LEFT("/strict", "transport close") ":next\n",
		0},
};
/* clang-format on */

SCENARIOS_MAIN(scenarios_middlewares)
