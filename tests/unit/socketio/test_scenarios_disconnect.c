/* How sockets leave: the end of the engine's session, DISCONNECT, disconnect(), disconnectSockets(), io.close(). */
#include "tests/unit/socketio/scenario_play.h"

/* clang-format off: one string a line of the script */
static const struct scenario scenarios_disconnect[] = {
	{"the engine ends: ping timeout", CONNECTED "~0\n" LEFT("/", "ping timeout"), 0},
	{"the engine ends: parse error", CONNECTED "~1\n" LEFT("/", "parse error"), 0},
	{"the engine ends: transport error", CONNECTED "~2\n" LEFT("/", "transport error"), 0},
	{"the engine ends: transport close", CONNECTED "~3\n" LEFT("/", "transport close"), 0},
	{"the engine ends: forced close", CONNECTED "~4\n" LEFT("/", "forced close"), 0},
	{"DISCONNECT from the client",
		CONNECTED ">1\n" LEFT("/", "client namespace disconnect") "+100000\n" CONNECTED, 0},
	{"DISCONNECT of one of two",
		CONNECTED ">0/hello,\n"
			  "<0/hello,{\"sid\":\"*\"}\n"
			  "<2/hello,[\"welcome\",1]\n"
			  "=connection /hello\n"
			  ">1/hello,\n" LEFT("/hello", "client namespace disconnect") ">2[\"echo\"]\n"
										      "<2[\"echo\"]\n",
		0},
	{"DISCONNECT, then an event in the same turn",
		CONNECTED ">>1\n" LEFT("/", "client namespace disconnect") ">2[\"echo\"]\n"
									   "<!\n",
		0},
	{"disconnect()",
		CONNECTED ">>2[\"leave me\"]\n"
			  "<1\n"
			  "=left 0 ack 0\n"
			  ">2[\"echo\"]\n" LEFT("/", "server namespace disconnect") CONNECTED,
		0},
	{"disconnect(true)",
		CONNECTED ">0/hello,\n"
			  "<0/hello,{\"sid\":\"*\"}\n"
			  "<2/hello,[\"welcome\",1]\n"
			  "=connection /hello\n"
			  ">2[\"leave me\",true]\n"
			  "<1/hello,\n"
			  "<1\n"
			  "<!\n"
			  "=left 0 ack 0\n" LEFT("/hello", "server namespace disconnect")
				  LEFT("/", "server namespace disconnect"),
		0},
	{"disconnect and connect in one turn",
		CONNECTED ">>2[\"leave me\"]\n"
			  "<1\n"
			  "=left 0 ack 0\n"
			  ">>0\n"
			  "=disconnecting /: server namespace disconnect\n"
			  "=rooms 1 connected 1\n"
			  "=disconnect /: server namespace disconnect\n"
			  "=rooms 0 connected 0\n"
			  "<0{\"sid\":\"*\"}\n"
			  "=connection /\n"
			  ".\n",
		0},
	{"disconnectSockets()",
		CONNECTED "&1\n" CONNECTED ":kick all\n"
			  "<1\n"
			  "&0\n"
			  "<1\n" LEFT("/", "server namespace disconnect") LEFT("/", "server namespace disconnect")
				  CONNECTED,
		0},
	{"disconnectSockets(true)",
		CONNECTED "&1\n" CONNECTED ":kick close\n"
			  "<1\n"
			  "<!\n"
			  "&0\n"
			  "<1\n"
			  "<!\n" LEFT("/", "server namespace disconnect") LEFT("/", "server namespace disconnect"),
		0},
	{"io.close()",
		CONNECTED "&1\n" CONNECTED "&2\n"
			  ">0/slow,\n"
			  "=first\n"
			  ":close\n"
			  "<!\n"
			  "&0\n"
			  "<!\n"
			  "&1\n"
			  "<!\n" LEFT("/", "server shutting down") LEFT("/", "server shutting down") ":next\n",
		0},
	{"the others hear who left; rooms are there in disconnecting",
		CONNECTED "&1\n" CONNECTED ">2[\"join\",\"r\"]\n"
			  "~3\n"
			  "=disconnecting /: transport close\n"
			  "=rooms 2 connected 1\n"
			  "=disconnect /: transport close\n"
			  "=rooms 0 connected 0\n"
			  "&0\n"
			  "<2[\"left\"]\n"
			  ":count\n"
			  "=count 1 in / 1\n",
		0},
};
/* clang-format on */

SCENARIOS_MAIN(scenarios_disconnect)
