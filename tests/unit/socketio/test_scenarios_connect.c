/*
 * CONNECT: which clients may join a namespace, which packets may precede it, its time limit, and the handshake that
 * the application sees.
 */
#include "tests/unit/socketio/scenario_play.h"

/* clang-format off: one string a line of the script */
static const struct scenario scenarios_connect[] = {
	{"connect, reply, handlers", CONNECTED, 0},
	{"connect with an empty payload",
		">0{}\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n",
		0},
	{"reply comes before what handlers emit",
		">0/hello,\n"
		"<0/hello,{\"sid\":\"*\"}\n"
		"<2/hello,[\"welcome\",1]\n"
		"=connection /hello\n",
		0},
	{"namespace without comma",
		">0/hello\n"
		"<0/hello,{\"sid\":\"*\"}\n"
		"<2/hello,[\"welcome\",1]\n"
		"=connection /hello\n",
		0},
	{"unknown namespace: the engine stays open",
		">0/nope,\n"
		"=asked /nope 7\n"
		"<4/nope,{\"message\":\"Invalid namespace\"}\n" CONNECTED,
		0},
	{"before CONNECT: event",
		">2[\"echo\"]\n"
		"<!\n",
		0},
	{"before CONNECT: ack",
		">30[]\n"
		"<!\n",
		0},
	{"before CONNECT: disconnect",
		">1\n"
		"<!\n",
		0},
	{"before CONNECT: binary event",
		">51-[\"echo\",{\"_placeholder\":true,\"num\":0}]\n"
		"<!\n",
		0},
	{"before CONNECT: connect error",
		">4{\"message\":\"x\"}\n"
		"<!\n",
		0},
	{"CONNECT twice",
		CONNECTED ">0\n"
			  "<!\n" LEFT("/", "forced server close"),
		0},
	{"CONNECT_ERROR from the client",
		CONNECTED ">4{\"message\":\"x\"}\n"
			  "<!\n" LEFT("/", "forced server close"),
		0},
	{"packet for another, unjoined namespace",
		CONNECTED ">2/hello,[\"x\"]\n"
			  "<!\n" LEFT("/", "forced server close"),
		0},
	{"connectTimeout",
		"+44999\n"
		"+1\n"
		"<!\n",
		0},
	{"connectTimeout is over with the first join",
		CONNECTED "+45000\n"
			  ">1\n" LEFT("/", "client namespace disconnect") "+100000\n",
		0},
	{"connectTimeout while a middleware thinks",
		">0/slow,\n"
		"=first\n"
		"+45000\n"
		"<!\n"
		":next\n",
		0},
	{"CONNECT twice while a middleware thinks",
		">0/slow,\n"
		"=first\n"
		">0/slow,\n"
		":next\n"
		"=second\n"
		">0/slow,{\"a\":1}\n"
		":next\n"
		"<0/slow,{\"sid\":\"*\"}\n"
		"=connection /slow\n"
		">2/slow,[\"echo\"]\n"
		"<2/slow,[\"echo\"]\n"
		">0/slow,\n"
		"<!\n" LEFT("/slow", "forced server close"),
		0},
	{"CONNECT twice while a middleware thinks, which refuses",
		">0/slow,\n"
		"=first\n"
		">0/slow,\n"
		":refuse\n"
		"<4/slow,{\"message\":\"refused\",\"data\":[1]}\n"
		">0/slow,\n"
		"=first\n"
		":refuse\n"
		"<4/slow,{\"message\":\"refused\",\"data\":[1]}\n",
		0},
	{"CONNECT twice while a function decides",
		">0/fn-later,\n"
		"=asked /fn-later 7\n"
		">0/fn-later,\n"
		":next\n"
		"=new /fn-later\n"
		"<0/fn-later,{\"sid\":\"*\"}\n"
		"=connection /fn-later\n",
		0},
	{"CONNECT twice in one turn",
		">>0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">>0{}\n"
		">>2[\"echo\"]\n"
		"<2[\"echo\"]\n"
		".\n"
		">0\n"
		"<!\n" LEFT("/", "forced server close"),
		0},
	{"CONNECT twice in one segment, which takes several turns",
		CONNECTED ";\n"
			  ">0\n"
			  ";\n"
			  ">0/hello,\n"
			  "<0/hello,{\"sid\":\"*\"}\n"
			  "=connection /hello\n"
			  "<2/hello,[\"welcome\",1]\n"
			  ";\n"
			  ">0/hello,\n"
			  ";\n"
			  ">0\n"
			  ">0/hello,\n"
			  "<!\n" LEFT("/hello", "forced server close") LEFT("/", "forced server close"),
		0},
	{"CONNECT twice, and another one between that is not answered yet",
		CONNECTED ">>0/hello,\n"
			  "<0/hello,{\"sid\":\"*\"}\n"
			  "=connection /hello\n"
			  "<2/hello,[\"welcome\",1]\n"
			  ">0\n"
			  "<!\n" LEFT("/hello", "forced server close") LEFT("/", "forced server close"),
		0},
	{"CONNECT, event, CONNECT in one turn: the client knew that it was in",
		">>0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">>2[\"echo\"]\n"
		"<2[\"echo\"]\n"
		">0\n"
		"<!\n" LEFT("/", "forced server close"),
		0},
	{"CONNECT twice in one turn, and the application has closed the first",
		">>0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		":kick all now\n"
		"<1\n"
		">0\n" LEFT("/", "server namespace disconnect") CONNECTED,
		0},
	{"CONNECT twice over a transport that cannot send",
		"%\n"
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">0\n"
		">0\n",
		0},
	{"CONNECT, DISCONNECT, CONNECT in one turn",
		">>0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">>1\n" LEFT("/", "client namespace disconnect") CONNECTED,
		0},
	{"blanks around JSON",
		">0 {\"a\":1}\t\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2\t[\"echo\" , 1] \n"
		"<2[\"echo\",1]\n"
		">25 [\"ack\",1]\n"
		"<35[1]\n"
		"=acked 0 -10\n"
		">1 \n" LEFT("/", "client namespace disconnect"),
		0},
	{"too many refused CONNECTs",
		CONNECTED ">0/nope,\n"
			  "=asked /nope 7\n"
			  "<4/nope,{\"message\":\"Invalid namespace\"}\n"
			  ">0/admin,\n"
			  "=token, connected 0\n"
			  "<4/admin,{\"message\":\"no token\"}\n"
			  ">0/nope,\n"
			  "=asked /nope 7\n"
			  "<4/nope,{\"message\":\"Invalid namespace\"}\n"
			  "+9999\n"
			  ">0/admin,\n"
			  "=token, connected 0\n"
			  "<!\n" LEFT("/", "forced server close"),
		FEW_REFUSED},
	{"refused CONNECTs are forgiven",
		">0/nope,\n"
		"=asked /nope 7\n"
		"<4/nope,{\"message\":\"Invalid namespace\"}\n"
		">0/nope,\n"
		"=asked /nope 7\n"
		"<4/nope,{\"message\":\"Invalid namespace\"}\n"
		">0/nope,\n"
		"=asked /nope 7\n"
		"<4/nope,{\"message\":\"Invalid namespace\"}\n"
		"+10000\n"
		">0/nope,\n"
		"=asked /nope 7\n"
		"<4/nope,{\"message\":\"Invalid namespace\"}\n",
		FEW_REFUSED},
	{"too many namespaces",
		CONNECTED
		">0/hello,\n"
		"<0/hello,{\"sid\":\"*\"}\n"
		"<2/hello,[\"welcome\",1]\n"
		"=connection /hello\n"
		">0/admin,\n"
		"<4/admin,{\"message\":\"Too many namespaces\"}\n"
		">1/hello,\n" LEFT("/hello", "client namespace disconnect") ">0/admin,\n"
									    "<4/admin,{\"message\":\"no token\"}\n"
									    "=token, connected 0\n",
		SMALL},
	{"too many waiting CONNECTs",
		">0/slow,\n"
		"=first\n"
		">0/fn-later,\n"
		"=asked /fn-later 7\n"
		">0/hello,\n"
		"<4/hello,{\"message\":\"Too many namespaces\"}\n"
		":next\n"
		"=second\n"
		":next\n"
		"=new /fn-later\n"
		"<0/fn-later,{\"sid\":\"*\"}\n"
		"=connection /fn-later\n"
		":next\n"
		"<0/slow,{\"sid\":\"*\"}\n"
		"=connection /slow\n",
		SMALL},
	{"handshake",
		">0{\"a\":1}\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"whoami\"]\n"
		"=auth {\"a\":1} query a b! header a\"b, c no 1 address 192.0.2.7 url /socket.io/?EIO=4&name=a+b%21 "
		"secure 1 xdomain 1\n"
		"=found 1\n"
		"=user 1\n",
		0},
};
/* clang-format on */

SCENARIOS_MAIN(scenarios_connect)
