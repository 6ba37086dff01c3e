/* What the application emits: targets, volatile, compression, reserved names; fetchSockets(). */
#include "tests/unit/socketio/scenario_play.h"

/* clang-format off: one string a line of the script */
static const struct scenario scenarios_emits[] = {
	{"outgoing sees broadcasts once per socket, no ack",
		">0/strict,\n"
		"<0/strict,{\"sid\":\"*\"}\n"
		"=connection /strict\n"
		">2/strict,[\"join\",\"r\"]\n"
		"=any join/1\n"
		"=first join\n"
		"=second join\n"
		"&1\n"
		">0/strict,\n"
		"<0/strict,{\"sid\":\"*\"}\n"
		"=connection /strict\n"
		">2/strict,[\"say\",\"r\"]\n"
		"&0\n"
		"<2/strict,[\"said\",\"r\"]\n"
		"=any say/1\n"
		"=first say\n"
		"=second say\n"
		"=outgoing said/1\n"
		"&1\n"
		">2/strict,1[\"ack\"]\n"
		"<3/strict,1[]\n"
		"=any ack/0\n"
		"=first ack\n"
		"=second ack\n"
		"=acked 0 -10\n",
		0},
	{"to all, to others, to a room",
		CONNECTED "&1\n" CONNECTED ">2[\"say\",\"all\"]\n"
			  "<2[\"said\",\"all\"]\n"
			  "&0\n"
			  "<2[\"said\",\"all\"]\n"
			  "&1\n"
			  ">2[\"say\",\"others\"]\n"
			  "&0\n"
			  "<2[\"said\",\"others\"]\n"
			  ">2[\"join\",\"r\"]\n"
			  ">2[\"say\",\"r\"]\n"
			  "&1\n"
			  ">2[\"say\",\"r\"]\n"
			  "&0\n"
			  "<2[\"said\",\"r\"]\n",
		0},
	{"binary broadcast",
		CONNECTED
		"&1\n" CONNECTED ">2[\"say\",\"binary\"]\n"
		"<52-[\"said\",{\"_placeholder\":true,\"num\":0},{\"x\":{\"_placeholder\":true,\"num\":1}}]\n"
		"<(0102\n"
		"<(ff\n"
		"&0\n"
		"<52-[\"said\",{\"_placeholder\":true,\"num\":0},{\"x\":{\"_placeholder\":true,\"num\":1}}]\n"
		"<(0102\n"
		"<(ff\n",
		0},
	{"volatile is dropped whole",
		CONNECTED "&1\n" CONNECTED "%\n"
			  ">2[\"say\",\"volatile\"]\n"
			  "&0\n"
			  "<51-[\"said\",{\"_placeholder\":true,\"num\":0}]\n"
			  "<(01\n",
		0},
	{"not compressed",
		CONNECTED ">2[\"say\",\"raw\"]\n"
			  "<2[\"said\",\"raw\"] raw\n",
		0},
	{"reserved names, limits, formats",
		CONNECTED ">2[\"emit errors\"]\n"
			  "=reserved 6 big -2 format -9 on -101\n",
		0},
	{"fetchSockets",
		CONNECTED ">2[\"join\",\"r\"]\n"
			  ">2[\"fetch\"]\n"
			  "=fetch 0\n"
			  "=fetched 0 1\n"
			  "=rooms 2 own 1 data {\"n\":7} name a b! x-thing a\"b, c time 1\n",
		0},
};
/* clang-format on */

SCENARIOS_MAIN(scenarios_emits)
