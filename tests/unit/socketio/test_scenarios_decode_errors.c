/* Packets that cannot be decoded: the application gets "error", the connection ends, and nothing more is read. */
#include "tests/unit/socketio/scenario_play.h"

#define DECODE_ERROR(packet)                                                                                         \
	{                                                                                                            \
		"decode error: " packet, CONNECTED ">" packet "\n=error*\n<!\n" LEFT("/", "forced close"), 0         \
	}

/* clang-format off: one string a line of the script */
static const struct scenario scenarios_decode_errors[] = {
	DECODE_ERROR("2[\"connect\"]"),
	DECODE_ERROR("2[\"connect_error\"]"),
	DECODE_ERROR("2[\"disconnect\"]"),
	DECODE_ERROR("2[\"disconnecting\"]"),
	DECODE_ERROR("2[\"newListener\"]"),
	DECODE_ERROR("2[\"removeListener\"]"),
	DECODE_ERROR("2[]"),
	DECODE_ERROR("2[null]"),
	DECODE_ERROR("2[true]"),
	DECODE_ERROR("2{}"),
	DECODE_ERROR("2[{\"toString\":\"foo\"}]"),
	DECODE_ERROR("2[\"x\""),
	DECODE_ERROR("2"),
	DECODE_ERROR(""),
	DECODE_ERROR("7"),
	DECODE_ERROR("9"),
	DECODE_ERROR("999"),
	DECODE_ERROR("a"),
	DECODE_ERROR("5"),
	DECODE_ERROR("51"),
	DECODE_ERROR("5a-"),
	DECODE_ERROR("51.23-"),
	DECODE_ERROR("50-[\"x\"]"),
	DECODE_ERROR("5-[\"x\"]"),
	DECODE_ERROR("511-[\"x\"]"),
	DECODE_ERROR("51000000000-[\"x\"]"),
	DECODE_ERROR("0[]"),
	DECODE_ERROR("0\"x\""),
	DECODE_ERROR("0null"),
	DECODE_ERROR("1{}"),
	DECODE_ERROR("1/admin,{}"),
	DECODE_ERROR("2/admin,\"x"),
	DECODE_ERROR("3"),
	DECODE_ERROR("3{}"),
	DECODE_ERROR("51-[\"x\",{\"_placeholder\":true,\"num\":1}]"),
	DECODE_ERROR("51-[\"x\",{\"_placeholder\":true,\"num\":-1}]"),
	DECODE_ERROR("51-[\"x\",{\"_placeholder\":true,\"num\":\"0\"}]"),
	DECODE_ERROR("51-[\"x\",{\"_placeholder\":true,\"num\":0.5}]"),
	DECODE_ERROR("51-[\"x\",{\"_placeholder\":true}]"),
	{"decode error without a namespace",
		">9\n"
		"<!\n",
		0},
	{"after a decode error nothing is read",
		CONNECTED ">>9\n"
			  "=error*\n"
			  "<!\n"
			  ">>2[\"echo\"]\n"
			  ".\n" LEFT("/", "forced close"),
		0},
};
/* clang-format on */

SCENARIOS_MAIN(scenarios_decode_errors)
