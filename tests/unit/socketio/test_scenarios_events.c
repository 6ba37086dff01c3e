/* Events from clients: names, namespaces, order. */
#include "tests/unit/socketio/scenario_play.h"

/* clang-format off: one string a line of the script */
static const struct scenario scenarios_events[] = {
	{"echo",
		CONNECTED ">2[\"echo\",1,\"x\",null,{\"a\":[1.5]}]\n"
			  "<2[\"echo\",1,\"x\",null,{\"a\":[1.5]}]\n",
		0},
	{"an event in the turn of CONNECT",
		">>0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"echo\"]\n"
		"<2[\"echo\"]\n",
		0},
	{"numeric event name",
		CONNECTED ">2[42,\"x\"]\n"
			  "<2[\"echo\",\"x\"]\n"
			  ">2[4.2e1]\n"
			  "<2[\"echo\"]\n",
		0},
	{"unknown event",
		CONNECTED ">2[\"nobody\",1]\n"
			  ">2[\"\\u0000\"]\n"
			  ">2[\"\"]\n"
			  ">2[\"error\"]\n"
			  ">2[\"__proto__\"]\n",
		0},
	{"event of another namespace",
		CONNECTED ">0/hello,\n"
			  "<0/hello,{\"sid\":\"*\"}\n"
			  "<2/hello,[\"welcome\",1]\n"
			  "=connection /hello\n"
			  ">2/hello,[\"echo\",2]\n"
			  "<2/hello,[\"echo\",2]\n"
			  ">2[\"echo\",1]\n"
			  "<2[\"echo\",1]\n",
		0},
};
/* clang-format on */

SCENARIOS_MAIN(scenarios_events)
