/* Namespaces created by a pattern or a function. */
#include "tests/unit/socketio/scenario_play.h"

/* clang-format off: one string a line of the script */
static const struct scenario scenarios_child_namespaces[] = {
	{"a function allows what nobody is there for",
		CONNECTED ">0/fn-later,\n"
			  "=asked /fn-later 7\n"
			  ">>9\n"
			  "=error*\n"
			  "<!\n"
			  ":next\n" LEFT("/", "forced close"),
		CLEANUP},
	{"a child by pattern, shared",
		">0/dyn-1,\n"
		"=new /dyn-1\n"
		"=connection /dyn-1\n"
		"<0/dyn-1,{\"sid\":\"*\"}\n"
		"&1\n"
		">0/dyn-1,\n"
		"=connection /dyn-1\n"
		"<0/dyn-1,{\"sid\":\"*\"}\n"
		">2/dyn-1,[\"say\",\"all\"]\n"
		"<2/dyn-1,[\"said\",\"all\"]\n"
		"&0\n"
		"<2/dyn-1,[\"said\",\"all\"]\n"
		":family\n"
		"<2/dyn-1,[\"kids\"]\n"
		"=family 2 emit 0 fetch -9\n"
		"&1\n"
		"<2/dyn-1,[\"kids\"]\n",
		0},
	{"the whole name must match",
		">0/dyn-1x,\n"
		"=asked /dyn-1x 7\n"
		"<4/dyn-1x,{\"message\":\"Invalid namespace\"}\n"
		">0/x/dyn-1,\n"
		"=asked /x/dyn-1 7\n"
		"<4/x/dyn-1,{\"message\":\"Invalid namespace\"}\n",
		0},
	{"a child by function",
		">0/fn-yes,\n"
		"=asked /fn-yes 7\n"
		"=new /fn-yes\n"
		"=connection /fn-yes\n"
		"<0/fn-yes,{\"sid\":\"*\"}\n",
		0},
	{"a child by function, later, by two clients",
		">0/fn-later,\n"
		"=asked /fn-later 7\n"
		"&1\n"
		">0/fn-later,\n"
		"=asked /fn-later 7\n"
		":next\n"
		"=new /fn-later\n"
		"=connection /fn-later\n"
		"&0\n"
		"<0/fn-later,{\"sid\":\"*\"}\n"
		":next\n"
		"=connection /fn-later\n"
		"&1\n"
		"<0/fn-later,{\"sid\":\"*\"}\n",
		0},
	{"a function refuses later",
		">0/fn-later,\n"
		"=asked /fn-later 7\n"
		":refuse\n"
		"<4/fn-later,{\"message\":\"Invalid namespace\"}\n",
		0},
	{"the client goes while a function thinks",
		">0/fn-later,\n"
		"=asked /fn-later 7\n"
		"~3\n"
		":next\n",
		0},
	{"children stay by default",
		">0/dyn-1,\n"
		"=new /dyn-1\n"
		"=connection /dyn-1\n"
		"<0/dyn-1,{\"sid\":\"*\"}\n"
		"~3\n" LEFT("/dyn-1", "transport close") ":has dyn\n"
							 "=has dyn 1\n",
		0},
	{"empty children go if wanted, and come again",
		">0/dyn-1,\n"
		"=new /dyn-1\n"
		"=connection /dyn-1\n"
		"<0/dyn-1,{\"sid\":\"*\"}\n"
		">1/dyn-1,\n" LEFT("/dyn-1", "client namespace disconnect") ":has dyn\n"
									    "=has dyn 0\n"
									    ">0/dyn-1,\n"
									    "=new /dyn-1\n"
									    "=connection /dyn-1\n"
									    "<0/dyn-1,{\"sid\":\"*\"}\n",
		CLEANUP},
	{"too many children",
		">0/dyn-1,\n"
		"=new /dyn-1\n"
		"=connection /dyn-1\n"
		"<0/dyn-1,{\"sid\":\"*\"}\n"
		">0/dyn-2,\n"
		"<4/dyn-2,{\"message\":\"Invalid namespace\"}\n",
		SMALL},
};
/* clang-format on */

SCENARIOS_MAIN(scenarios_child_namespaces)
