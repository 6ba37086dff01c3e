/* Acknowledgements: of clients' events, and of questions that the application asks one client or many. */
#include "tests/unit/socketio/scenario_play.h"

/* clang-format off: one string a line of the script */
static const struct scenario scenarios_acks[] = {
	{"ack, once, ids as sent",
		CONNECTED ">212[\"ack\",1,\"x\"]\n"
			  "<312[1,\"x\"]\n"
			  "=acked 0 -10\n"
			  ">2007[\"ack\"]\n"
			  "<37[]\n"
			  "=acked 0 -10\n"
			  ">29007199254740991[\"ack\"]\n"
			  "<39007199254740991[]\n"
			  "=acked 0 -10\n"
			  ">2[\"ack\"]\n"
			  "=acked -10 -10\n",
		0},
	{"ack later",
		CONNECTED ">25[\"later\",[1]]\n"
			  ">2[\"echo\"]\n"
			  "<2[\"echo\"]\n"
			  ":answer\n"
			  "<35[[1]]\n"
			  "=answer 0 socket 1\n",
		0},
	{"ack later, binary kept",
		CONNECTED ">51-5[\"later\",{\"_placeholder\":true,\"num\":0}]\n"
			  "(0a0b\n"
			  ":answer\n"
			  "<61-5[{\"_placeholder\":true,\"num\":0}]\n"
			  "<(0a0b\n"
			  "=answer 0 socket 1\n",
		0},
	{"acked at once, then again by the kept event",
		CONNECTED ">25[\"later\",1,2]\n"
			  "<35[]\n"
			  "=acked 0\n"
			  ":answer\n"
			  "=answer -10 socket 1\n",
		0},
	{"ack after the client left",
		CONNECTED ">25[\"later\"]\n"
			  "~3\n" LEFT("/", "transport close") ":answer\n"
							      "=answer -10 socket 0\n",
		0},
	{"ack after disconnect in the same handler",
		CONNECTED ">27[\"leave me\"]\n"
			  "<1\n"
			  "=left 0 ack -10\n" LEFT("/", "server namespace disconnect"),
		0},
	{"ask and answer",
		CONNECTED ">2[\"ask\"]\n"
			  "<20[\"question\",\"?\"]\n"
			  "=ask 0\n"
			  ">30[1,\"two\"]\n"
			  "=ask: 0, 2 answers\n"
			  "=answer 1\n"
			  "=answer \"two\"\n"
			  ">30[1]\n"
			  ">399[1]\n"
			  ">3[1]\n"
			  ">2[\"ask\"]\n"
			  "<21[\"question\",\"?\"]\n"
			  "=ask 0\n"
			  ">31[]\n"
			  "=ask: 0, 0 answers\n",
		0},
	{"binary answer",
		CONNECTED ">2[\"ask\"]\n"
			  "<20[\"question\",\"?\"]\n"
			  "=ask 0\n"
			  ">61-0[{\"_placeholder\":true,\"num\":0}]\n"
			  "(010203\n"
			  "=ask: 0, 1 answers\n"
			  "=answer binary 3\n",
		0},
	{"ask with a timeout",
		CONNECTED ">2[\"ask\",100]\n"
			  "<20[\"question\",\"?\"]\n"
			  "=ask 0\n"
			  "+99\n"
			  "+1\n"
			  "=ask: -13, 0 answers\n"
			  ">30[1]\n"
			  ">2[\"ask\",100]\n"
			  "<21[\"question\",\"?\"]\n"
			  "=ask 0\n"
			  "+50\n"
			  ">31[1]\n"
			  "=ask: 0, 1 answers\n"
			  "=answer 1\n"
			  "+1000\n",
		0},
	{"ask, then the client goes",
		CONNECTED ">2[\"ask\",100]\n"
			  "<20[\"question\",\"?\"]\n"
			  "=ask 0\n"
			  "~0\n" LEFT("/", "ping timeout") "=ask: -10, 0 answers\n"
							   "+1000\n",
		0},
	{"ask everybody",
		CONNECTED "&1\n" CONNECTED ">2[\"ask all\"]\n"
			  "&0\n"
			  "<20[\"poll\"]\n"
			  "&1\n"
			  "<20[\"poll\"]\n"
			  "=ask all 0\n"
			  ">30[\"b\",\"ignored\"]\n"
			  "&0\n"
			  ">30[]\n"
			  "=all: 0, 2 answers\n"
			  "=answer \"b\"\n"
			  "=answer none\n"
			  ">30[\"late\"]\n",
		0},
	{"ask everybody, one is silent",
		CONNECTED "&1\n" CONNECTED ">2[\"ask all\"]\n"
			  "&0\n"
			  "<20[\"poll\"]\n"
			  "&1\n"
			  "<20[\"poll\"]\n"
			  "=ask all 0\n"
			  ">30[\"b\"]\n"
			  "+4999\n"
			  "+1\n"
			  "=all: -13, 1 answers\n"
			  "=answer \"b\"\n"
			  "&0\n"
			  ">30[\"late\"]\n",
		0},
	{"ask everybody, one goes",
		CONNECTED "&1\n" CONNECTED ">2[\"join\",\"r\"]\n"
			  ">2[\"ask all\",\"r\",70]\n"
			  "<20[\"poll\"]\n"
			  "=ask all 0\n"
			  "~2\n"
			  "=disconnecting /: transport error\n"
			  "=rooms 2 connected 1\n"
			  "=disconnect /: transport error\n"
			  "=rooms 0 connected 0\n"
			  "&0\n"
			  "<2[\"left\"]\n"
			  "+69\n"
			  "+1\n"
			  "=all: -13, 0 answers\n",
		0},
	{"ask nobody",
		CONNECTED ":ask nobody\n"
			  "=asked\n"
			  "=nobody: 0, 0 answers\n",
		0},
	{"too many unanswered",
		CONNECTED ">2[\"ask\"]\n"
			  "<20[\"question\",\"?\"]\n"
			  "=ask 0\n"
			  ">2[\"ask\"]\n"
			  "<21[\"question\",\"?\"]\n"
			  "=ask 0\n"
			  ">2[\"ask\"]\n"
			  "=ask -3\n"
			  ">2[\"ask all\",\"none\",10]\n"
			  "=ask all 0\n"
			  "=all: 0, 0 answers\n"
			  ">30[]\n"
			  "=ask: 0, 0 answers\n"
			  ">2[\"ask\"]\n"
			  "<23[\"question\",\"?\"]\n"
			  "=ask 0\n"
			  ":close\n"
			  "<!\n" LEFT("/", "server shutting down") "=ask: -10, 0 answers\n"
								   "=ask: -10, 0 answers\n",
		SMALL},
	{"too many kept events",
		CONNECTED ">21[\"later\"]\n"
			  ">22[\"later\"]\n"
			  ">23[\"later\"]\n"
			  "<!\n" LEFT("/", "forced server close"),
		SMALL},
	{"io.close() ends what waits for answers",
		CONNECTED "&1\n" CONNECTED ">2[\"ask all\"]\n"
			  "<20[\"poll\"]\n"
			  "&0\n"
			  "<20[\"poll\"]\n"
			  "=ask all 0\n"
			  ">30[1]\n"
			  ":close\n"
			  "<!\n"
			  "&1\n"
			  "<!\n" LEFT("/", "server shutting down")
				  LEFT("/", "server shutting down") "=all: -10, 1 answers\n"
								    "=answer 1\n",
		0},
};
/* clang-format on */

SCENARIOS_MAIN(scenarios_acks)
