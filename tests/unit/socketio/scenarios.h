/* One row per scenario; see test_sio_runtime.c for the lines of a script. */
{ "connect, reply, handlers",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n",
		0 },
{ "connect with an empty payload",
		">0{}\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n",
		0 },
{ "reply comes before what handlers emit",
		">0/hello,\n"
		"<0/hello,{\"sid\":\"*\"}\n"
		"<2/hello,[\"welcome\",1]\n"
		"=connection /hello\n",
		0 },
{ "namespace without comma",
		">0/hello\n"
		"<0/hello,{\"sid\":\"*\"}\n"
		"<2/hello,[\"welcome\",1]\n"
		"=connection /hello\n",
		0 },
{ "unknown namespace: the engine stays open",
		">0/nope,\n"
		"=asked /nope 7\n"
		"<4/nope,{\"message\":\"Invalid namespace\"}\n"
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n",
		0 },
{ "echo",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"echo\",1,\"x\",null,{\"a\":[1.5]}]\n"
		"<2[\"echo\",1,\"x\",null,{\"a\":[1.5]}]\n",
		0 },
{ "an event in the turn of CONNECT",
		">>0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"echo\"]\n"
		"<2[\"echo\"]\n",
		0 },
{ "numeric event name",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[42,\"x\"]\n"
		"<2[\"echo\",\"x\"]\n"
		">2[4.2e1]\n"
		"<2[\"echo\"]\n",
		0 },
{ "unknown event",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"nobody\",1]\n"
		">2[\"\\u0000\"]\n"
		">2[\"\"]\n"
		">2[\"error\"]\n"
		">2[\"__proto__\"]\n",
		0 },
{ "event of another namespace",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">0/hello,\n"
		"<0/hello,{\"sid\":\"*\"}\n"
		"<2/hello,[\"welcome\",1]\n"
		"=connection /hello\n"
		">2/hello,[\"echo\",2]\n"
		"<2/hello,[\"echo\",2]\n"
		">2[\"echo\",1]\n"
		"<2[\"echo\",1]\n",
		0 },
{ "before CONNECT: event",
		">2[\"echo\"]\n"
		"<!\n",
		0 },
{ "before CONNECT: ack",
		">30[]\n"
		"<!\n",
		0 },
{ "before CONNECT: disconnect",
		">1\n"
		"<!\n",
		0 },
{ "before CONNECT: binary event",
		">51-[\"echo\",{\"_placeholder\":true,\"num\":0}]\n"
		"<!\n",
		0 },
{ "before CONNECT: connect error",
		">4{\"message\":\"x\"}\n"
		"<!\n",
		0 },
{ "CONNECT twice",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">0\n"
		"<!\n"
		"=disconnecting /: forced server close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced server close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "CONNECT_ERROR from the client",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">4{\"message\":\"x\"}\n"
		"<!\n"
		"=disconnecting /: forced server close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced server close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "packet for another, unjoined namespace",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2/hello,[\"x\"]\n"
		"<!\n"
		"=disconnecting /: forced server close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced server close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 2[\"connect\"]",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"connect\"]\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 2[\"connect_error\"]",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"connect_error\"]\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 2[\"disconnect\"]",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"disconnect\"]\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 2[\"disconnecting\"]",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"disconnecting\"]\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 2[\"newListener\"]",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"newListener\"]\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 2[\"removeListener\"]",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"removeListener\"]\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 2[]",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[]\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 2[null]",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[null]\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 2[true]",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[true]\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 2{}",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2{}\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 2[{\"toString\":\"foo\"}]",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[{\"toString\":\"foo\"}]\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 2[\"x\"",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"x\"\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 2",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: ",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 7",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">7\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 9",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">9\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 999",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">999\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: a",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">a\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 5",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">5\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 51",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">51\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 5a-",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">5a-\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 51.23-",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">51.23-\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 50-[\"x\"]",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">50-[\"x\"]\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 5-[\"x\"]",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">5-[\"x\"]\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 511-[\"x\"]",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">511-[\"x\"]\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 51000000000-[\"x\"]",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">51000000000-[\"x\"]\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 0[]",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">0[]\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 0\"x\"",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">0\"x\"\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 0null",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">0null\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 1{}",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">1{}\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 1/admin,{}",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">1/admin,{}\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 2/admin,\"x",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2/admin,\"x\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 3",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">3\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 3{}",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">3{}\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 51-[\"x\",{\"_placeholder\":true,\"num\":1}]",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">51-[\"x\",{\"_placeholder\":true,\"num\":1}]\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 51-[\"x\",{\"_placeholder\":true,\"num\":-1}]",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">51-[\"x\",{\"_placeholder\":true,\"num\":-1}]\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 51-[\"x\",{\"_placeholder\":true,\"num\":\"0\"}]",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">51-[\"x\",{\"_placeholder\":true,\"num\":\"0\"}]\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 51-[\"x\",{\"_placeholder\":true,\"num\":0.5}]",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">51-[\"x\",{\"_placeholder\":true,\"num\":0.5}]\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error: 51-[\"x\",{\"_placeholder\":true}]",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">51-[\"x\",{\"_placeholder\":true}]\n"
		"=error*\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "decode error without a namespace",
		">9\n"
		"<!\n",
		0 },
{ "after a decode error nothing is read",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">>9\n"
		"=error*\n"
		"<!\n"
		">>2[\"echo\"]\n"
		".\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "stray binary",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		"(00\n"
		"=error: got binary data when not reconstructing a packet\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "stray binary before CONNECT",
		"(00\n"
		"<!\n",
		0 },
{ "binary event and echo",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">52-[\"echo\",{\"_placeholder\":true,\"num\":1},[{\"_placeholder\":true,\"num\":0}]]\n"
		"(0102\n"
		"(ff\n"
		"<52-[\"echo\",{\"_placeholder\":true,\"num\":0},[{\"_placeholder\":true,\"num\":1}]]\n"
		"<(ff\n"
		"<(0102\n",
		0 },
{ "an empty attachment",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">51-[\"echo\",{\"_placeholder\":true,\"num\":0}]\n"
		"(\n"
		"<51-[\"echo\",{\"_placeholder\":true,\"num\":0}]\n"
		"<(\n",
		0 },
{ "binary event with ack",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">51-7[\"ack\",{\"_placeholder\":true,\"num\":0}]\n"
		"(aa\n"
		"<61-7[{\"_placeholder\":true,\"num\":0}]\n"
		"<(aa\n"
		"=acked 0 -10\n",
		0 },
{ "text while attachments miss",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">51-[\"echo\",{\"_placeholder\":true,\"num\":0}]\n"
		">2[\"echo\"]\n"
		"=error: got plaintext data when reconstructing a packet\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "attachments never come",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">52-[\"echo\",{\"_placeholder\":true,\"num\":0}]\n"
		"(00\n"
		"+59999\n"
		"+1\n"
		"=error: attachments did not come in time\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "attachments come late, yet in time",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">51-[\"echo\",{\"_placeholder\":true,\"num\":0}]\n"
		"+59999\n"
		"(00\n"
		"<51-[\"echo\",{\"_placeholder\":true,\"num\":0}]\n"
		"<(00\n"
		"+100000\n",
		0 },
{ "attachments over maxHttpBufferSize",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">52-[\"echo\",{\"_placeholder\":true,\"num\":0}]\n"
		"(0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\n"
		"(0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\n"
		"=error: attachments are larger than the limit\n"
		"<!\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "gone while attachments miss",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">52-[\"echo\",{\"_placeholder\":true,\"num\":0}]\n"
		"(00\n"
		"~3\n"
		"=disconnecting /: transport close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: transport close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "ack, once, ids as sent",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">212[\"ack\",1,\"x\"]\n"
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
		0 },
{ "ack later",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">25[\"later\",[1]]\n"
		">2[\"echo\"]\n"
		"<2[\"echo\"]\n"
		":answer\n"
		"<35[[1]]\n"
		"=answer 0 socket 1\n",
		0 },
{ "ack later, binary kept",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">51-5[\"later\",{\"_placeholder\":true,\"num\":0}]\n"
		"(0a0b\n"
		":answer\n"
		"<61-5[{\"_placeholder\":true,\"num\":0}]\n"
		"<(0a0b\n"
		"=answer 0 socket 1\n",
		0 },
{ "acked at once, then again by the kept event",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">25[\"later\",1,2]\n"
		"<35[]\n"
		"=acked 0\n"
		":answer\n"
		"=answer -10 socket 1\n",
		0 },
{ "ack after the client left",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">25[\"later\"]\n"
		"~3\n"
		"=disconnecting /: transport close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: transport close\n"
		"=rooms 0 connected 0\n"
		":answer\n"
		"=answer -10 socket 0\n",
		0 },
{ "ack after disconnect in the same handler",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">27[\"leave me\"]\n"
		"<1\n"
		"=left 0 ack -10\n"
		"=disconnecting /: server namespace disconnect\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: server namespace disconnect\n"
		"=rooms 0 connected 0\n",
		0 },
{ "ask and answer",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"ask\"]\n"
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
		0 },
{ "binary answer",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"ask\"]\n"
		"<20[\"question\",\"?\"]\n"
		"=ask 0\n"
		">61-0[{\"_placeholder\":true,\"num\":0}]\n"
		"(010203\n"
		"=ask: 0, 1 answers\n"
		"=answer binary 3\n",
		0 },
{ "ask with a timeout",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"ask\",100]\n"
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
		0 },
{ "ask, then the client goes",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"ask\",100]\n"
		"<20[\"question\",\"?\"]\n"
		"=ask 0\n"
		"~0\n"
		"=disconnecting /: ping timeout\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: ping timeout\n"
		"=rooms 0 connected 0\n"
		"=ask: -10, 0 answers\n"
		"+1000\n",
		0 },
{ "ask everybody",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		"&1\n"
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"ask all\"]\n"
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
		0 },
{ "ask everybody, one is silent",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		"&1\n"
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"ask all\"]\n"
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
		0 },
{ "ask everybody, one goes",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		"&1\n"
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"join\",\"r\"]\n"
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
		0 },
{ "ask nobody",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		":ask nobody\n"
		"=asked\n"
		"=nobody: 0, 0 answers\n",
		0 },
{ "too many unanswered",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"ask\"]\n"
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
		"<!\n"
		"=disconnecting /: server shutting down\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: server shutting down\n"
		"=rooms 0 connected 0\n"
		"=ask: -10, 0 answers\n"
		"=ask: -10, 0 answers\n",
		SMALL },
{ "too many kept events",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">21[\"later\"]\n"
		">22[\"later\"]\n"
		">23[\"later\"]\n"
		"<!\n"
		"=disconnecting /: forced server close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced server close\n"
		"=rooms 0 connected 0\n",
		SMALL },
{ "io.close() ends what waits for answers",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		"&1\n"
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"ask all\"]\n"
		"<20[\"poll\"]\n"
		"&0\n"
		"<20[\"poll\"]\n"
		"=ask all 0\n"
		">30[1]\n"
		":close\n"
		"<!\n"
		"&1\n"
		"<!\n"
		"=disconnecting /: server shutting down\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: server shutting down\n"
		"=rooms 0 connected 0\n"
		"=disconnecting /: server shutting down\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: server shutting down\n"
		"=rooms 0 connected 0\n"
		"=all: -10, 1 answers\n"
		"=answer 1\n",
		0 },
{ "a function allows what nobody is there for",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">0/fn-later,\n"
		"=asked /fn-later 7\n"
		">>9\n"
		"=error*\n"
		"<!\n"
		":next\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		CLEANUP },
{ "the engine ends: ping timeout",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		"~0\n"
		"=disconnecting /: ping timeout\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: ping timeout\n"
		"=rooms 0 connected 0\n",
		0 },
{ "the engine ends: parse error",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		"~1\n"
		"=disconnecting /: parse error\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: parse error\n"
		"=rooms 0 connected 0\n",
		0 },
{ "the engine ends: transport error",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		"~2\n"
		"=disconnecting /: transport error\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: transport error\n"
		"=rooms 0 connected 0\n",
		0 },
{ "the engine ends: transport close",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		"~3\n"
		"=disconnecting /: transport close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: transport close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "the engine ends: forced close",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		"~4\n"
		"=disconnecting /: forced close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: forced close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "DISCONNECT from the client",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">1\n"
		"=disconnecting /: client namespace disconnect\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: client namespace disconnect\n"
		"=rooms 0 connected 0\n"
		"+100000\n"
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n",
		0 },
{ "DISCONNECT of one of two",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">0/hello,\n"
		"<0/hello,{\"sid\":\"*\"}\n"
		"<2/hello,[\"welcome\",1]\n"
		"=connection /hello\n"
		">1/hello,\n"
		"=disconnecting /hello: client namespace disconnect\n"
		"=rooms 1 connected 1\n"
		"=disconnect /hello: client namespace disconnect\n"
		"=rooms 0 connected 0\n"
		">2[\"echo\"]\n"
		"<2[\"echo\"]\n",
		0 },
{ "DISCONNECT, then an event in the same turn",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">>1\n"
		"=disconnecting /: client namespace disconnect\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: client namespace disconnect\n"
		"=rooms 0 connected 0\n"
		">2[\"echo\"]\n"
		"<!\n",
		0 },
{ "disconnect()",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">>2[\"leave me\"]\n"
		"<1\n"
		"=left 0 ack 0\n"
		">2[\"echo\"]\n"
		"=disconnecting /: server namespace disconnect\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: server namespace disconnect\n"
		"=rooms 0 connected 0\n"
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n",
		0 },
{ "disconnect(true)",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">0/hello,\n"
		"<0/hello,{\"sid\":\"*\"}\n"
		"<2/hello,[\"welcome\",1]\n"
		"=connection /hello\n"
		">2[\"leave me\",true]\n"
		"<1/hello,\n"
		"<1\n"
		"<!\n"
		"=left 0 ack 0\n"
		"=disconnecting /hello: server namespace disconnect\n"
		"=rooms 1 connected 1\n"
		"=disconnect /hello: server namespace disconnect\n"
		"=rooms 0 connected 0\n"
		"=disconnecting /: server namespace disconnect\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: server namespace disconnect\n"
		"=rooms 0 connected 0\n",
		0 },
{ "disconnect and connect in one turn",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">>2[\"leave me\"]\n"
		"<1\n"
		"=left 0 ack 0\n"
		">>0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		".\n"
		"=disconnecting /: server namespace disconnect\n"
		"=rooms 1 connected 1\n"
		"<2[\"left\"]\n"
		"=disconnect /: server namespace disconnect\n"
		"=rooms 0 connected 0\n",
		0 },
{ "disconnectSockets()",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		"&1\n"
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		":kick all\n"
		"<1\n"
		"&0\n"
		"<1\n"
		"=disconnecting /: server namespace disconnect\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: server namespace disconnect\n"
		"=rooms 0 connected 0\n"
		"=disconnecting /: server namespace disconnect\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: server namespace disconnect\n"
		"=rooms 0 connected 0\n"
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n",
		0 },
{ "disconnectSockets(true)",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		"&1\n"
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		":kick close\n"
		"<1\n"
		"<!\n"
		"&0\n"
		"<1\n"
		"<!\n"
		"=disconnecting /: server namespace disconnect\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: server namespace disconnect\n"
		"=rooms 0 connected 0\n"
		"=disconnecting /: server namespace disconnect\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: server namespace disconnect\n"
		"=rooms 0 connected 0\n",
		0 },
{ "io.close()",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		"&1\n"
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		"&2\n"
		">0/slow,\n"
		"=first\n"
		":close\n"
		"<!\n"
		"&0\n"
		"<!\n"
		"&1\n"
		"<!\n"
		"=disconnecting /: server shutting down\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: server shutting down\n"
		"=rooms 0 connected 0\n"
		"=disconnecting /: server shutting down\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: server shutting down\n"
		"=rooms 0 connected 0\n"
		":next\n",
		0 },
{ "the others hear who left; rooms are there in disconnecting",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		"&1\n"
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"join\",\"r\"]\n"
		"~3\n"
		"=disconnecting /: transport close\n"
		"=rooms 2 connected 1\n"
		"=disconnect /: transport close\n"
		"=rooms 0 connected 0\n"
		"&0\n"
		"<2[\"left\"]\n"
		":count\n"
		"=count 1 in / 1\n",
		0 },
{ "connectTimeout",
		"+44999\n"
		"+1\n"
		"<!\n",
		0 },
{ "connectTimeout is over with the first join",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		"+45000\n"
		">1\n"
		"=disconnecting /: client namespace disconnect\n"
		"=rooms 1 connected 1\n"
		"=disconnect /: client namespace disconnect\n"
		"=rooms 0 connected 0\n"
		"+100000\n",
		0 },
{ "connectTimeout while a middleware thinks",
		">0/slow,\n"
		"=first\n"
		"+45000\n"
		"<!\n"
		":next\n",
		0 },
{ "middleware lets in",
		">0/admin,{\"token\":\"ok\"}\n"
		"<0/admin,{\"sid\":\"*\"}\n"
		"=token, connected 0\n"
		"=connection /admin\n"
		"~3\n"
		"=disconnecting /admin: transport close\n"
		"=rooms 2 connected 1\n"
		"=disconnect /admin: transport close\n"
		"=rooms 0 connected 0\n",
		0 },
{ "middleware refuses with data",
		">0/admin,{\"token\":\"x\"}\n"
		"<4/admin,{\"message\":\"wrong \\\"token\\\"\",\"data\":{\"code\":7}}\n"
		"=token, connected 0\n"
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n",
		0 },
{ "middleware refuses without data",
		">0/admin,\n"
		"<4/admin,{\"message\":\"no token\"}\n"
		"=token, connected 0\n",
		0 },
{ "middlewares answer later, in order",
		">0/slow,\n"
		"=first\n"
		":next\n"
		"=second\n"
		":next\n"
		"<0/slow,{\"sid\":\"*\"}\n"
		"=connection /slow\n"
		">2/slow,[\"echo\"]\n"
		"<2/slow,[\"echo\"]\n",
		0 },
{ "middleware refuses later",
		">0/slow,\n"
		"=first\n"
		":next\n"
		"=second\n"
		":refuse\n"
		"<4/slow,{\"message\":\"refused\",\"data\":[1]}\n"
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n",
		0 },
{ "event while a middleware thinks",
		">0/slow,\n"
		"=first\n"
		">2/slow,[\"echo\"]\n"
		"<!\n"
		":next\n",
		0 },
{ "client goes while a middleware thinks",
		">0/slow,\n"
		"=first\n"
		"~3\n"
		":next\n",
		0 },
{ "client goes, then a middleware refuses",
		">0/slow,\n"
		"=first\n"
		"~3\n"
		":refuse\n",
		0 },
{ "two CONNECTs in flight",
		">0/slow,\n"
		"=first\n"
		">0/slow,\n"
		"=first\n"
		":next\n"
		"=second\n"
		":next\n"
		"=second\n"
		":next\n"
		"<0/slow,{\"sid\":\"*\"}\n"
		"=connection /slow\n"
		":next\n"
		"<0/slow,{\"sid\":\"*\"}\n"
		"=connection /slow\n",
		0 },
{ "too many namespaces",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">0/hello,\n"
		"<0/hello,{\"sid\":\"*\"}\n"
		"<2/hello,[\"welcome\",1]\n"
		"=connection /hello\n"
		">0/admin,\n"
		"<4/admin,{\"message\":\"Too many namespaces\"}\n"
		">1/hello,\n"
		"=disconnecting /hello: client namespace disconnect\n"
		"=rooms 1 connected 1\n"
		"=disconnect /hello: client namespace disconnect\n"
		"=rooms 0 connected 0\n"
		">0/admin,\n"
		"<4/admin,{\"message\":\"no token\"}\n"
		"=token, connected 0\n",
		SMALL },
{ "too many waiting CONNECTs",
		">0/slow,\n"
		"=first\n"
		">0/slow,\n"
		"=first\n"
		">0/slow,\n"
		"<4/slow,{\"message\":\"Too many namespaces\"}\n"
		":next\n"
		"=second\n"
		":next\n"
		"=second\n"
		":next\n"
		"<0/slow,{\"sid\":\"*\"}\n"
		"=connection /slow\n"
		":next\n"
		"<0/slow,{\"sid\":\"*\"}\n"
		"=connection /slow\n",
		SMALL },
{ "any, event middlewares, listeners, outgoing",
		">0/strict,\n"
		"<0/strict,{\"sid\":\"*\"}\n"
		"=connection /strict\n"
		">2/strict,[\"echo\",1]\n"
		"<2/strict,[\"echo\",1]\n"
		"=any echo/1\n"
		"=first echo\n"
		"=second echo\n"
		"=outgoing echo/1\n",
		0 },
{ "event middleware refuses",
		">0/strict,\n"
		"<0/strict,{\"sid\":\"*\"}\n"
		"=connection /strict\n"
		">2/strict,[\"bad\"]\n"
		"=any bad/0\n"
		"=first bad\n"
		"=error: bad event\n",
		0 },
{ "event middlewares answer later",
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
		0 },
{ "event middleware refuses later",
		">0/strict,\n"
		"<0/strict,{\"sid\":\"*\"}\n"
		"=connection /strict\n"
		">2/strict,[\"wait\"]\n"
		"=any wait/0\n"
		"=first wait\n"
		":refuse\n"
		"=error: refused\n",
		0 },
{ "client goes while an event middleware thinks",
		">0/strict,\n"
		"<0/strict,{\"sid\":\"*\"}\n"
		"=connection /strict\n"
		">2/strict,[\"wait\",1]\n"
		"=any wait/1\n"
		"=first wait\n"
		"~3\n"
		"=disconnecting /strict: transport close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /strict: transport close\n"
		"=rooms 0 connected 0\n"
		":next\n",
		0 },
{ "outgoing sees broadcasts once per socket, no ack",
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
		0 },
{ "to all, to others, to a room",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		"&1\n"
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"say\",\"all\"]\n"
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
		0 },
{ "binary broadcast",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		"&1\n"
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"say\",\"binary\"]\n"
		"<52-[\"said\",{\"_placeholder\":true,\"num\":0},{\"x\":{\"_placeholder\":true,\"num\":1}}]\n"
		"<(0102\n"
		"<(ff\n"
		"&0\n"
		"<52-[\"said\",{\"_placeholder\":true,\"num\":0},{\"x\":{\"_placeholder\":true,\"num\":1}}]\n"
		"<(0102\n"
		"<(ff\n",
		0 },
{ "volatile is dropped whole",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		"&1\n"
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		"%\n"
		">2[\"say\",\"volatile\"]\n"
		"&0\n"
		"<51-[\"said\",{\"_placeholder\":true,\"num\":0}]\n"
		"<(01\n",
		0 },
{ "not compressed",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"say\",\"raw\"]\n"
		"<2[\"said\",\"raw\"] raw\n",
		0 },
{ "reserved names, limits, formats",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"emit errors\"]\n"
		"=reserved 6 big -2 format -9 on -101\n",
		0 },
{ "fetchSockets",
		">0\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"join\",\"r\"]\n"
		">2[\"fetch\"]\n"
		"=fetch 0\n"
		"=fetched 0 1\n"
		"=rooms 2 own 1 data {\"n\":7} name a b! x-thing a\"b, c time 1\n",
		0 },
{ "handshake",
		">0{\"a\":1}\n"
		"<0{\"sid\":\"*\"}\n"
		"=connection /\n"
		">2[\"whoami\"]\n"
		"=auth {\"a\":1} query a b! header a\"b, c no 1 address 192.0.2.7 url /socket.io/?EIO=4&name=a+b%21 secure 1 xdomain 1\n"
		"=found 1\n",
		0 },
{ "a child by pattern, shared",
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
		0 },
{ "the whole name must match",
		">0/dyn-1x,\n"
		"=asked /dyn-1x 7\n"
		"<4/dyn-1x,{\"message\":\"Invalid namespace\"}\n"
		">0/x/dyn-1,\n"
		"=asked /x/dyn-1 7\n"
		"<4/x/dyn-1,{\"message\":\"Invalid namespace\"}\n",
		0 },
{ "a child by function",
		">0/fn-yes,\n"
		"=asked /fn-yes 7\n"
		"=new /fn-yes\n"
		"=connection /fn-yes\n"
		"<0/fn-yes,{\"sid\":\"*\"}\n",
		0 },
{ "a child by function, later, by two clients",
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
		0 },
{ "a function refuses later",
		">0/fn-later,\n"
		"=asked /fn-later 7\n"
		":refuse\n"
		"<4/fn-later,{\"message\":\"Invalid namespace\"}\n",
		0 },
{ "the client goes while a function thinks",
		">0/fn-later,\n"
		"=asked /fn-later 7\n"
		"~3\n"
		":next\n",
		0 },
{ "children stay by default",
		">0/dyn-1,\n"
		"=new /dyn-1\n"
		"=connection /dyn-1\n"
		"<0/dyn-1,{\"sid\":\"*\"}\n"
		"~3\n"
		"=disconnecting /dyn-1: transport close\n"
		"=rooms 1 connected 1\n"
		"=disconnect /dyn-1: transport close\n"
		"=rooms 0 connected 0\n"
		":has dyn\n"
		"=has dyn 1\n",
		0 },
{ "empty children go if wanted, and come again",
		">0/dyn-1,\n"
		"=new /dyn-1\n"
		"=connection /dyn-1\n"
		"<0/dyn-1,{\"sid\":\"*\"}\n"
		">1/dyn-1,\n"
		"=disconnecting /dyn-1: client namespace disconnect\n"
		"=rooms 1 connected 1\n"
		"=disconnect /dyn-1: client namespace disconnect\n"
		"=rooms 0 connected 0\n"
		":has dyn\n"
		"=has dyn 0\n"
		">0/dyn-1,\n"
		"=new /dyn-1\n"
		"=connection /dyn-1\n"
		"<0/dyn-1,{\"sid\":\"*\"}\n",
		CLEANUP },
{ "too many children",
		">0/dyn-1,\n"
		"=new /dyn-1\n"
		"=connection /dyn-1\n"
		"<0/dyn-1,{\"sid\":\"*\"}\n"
		">0/dyn-2,\n"
		"<4/dyn-2,{\"message\":\"Invalid namespace\"}\n",
		SMALL },
