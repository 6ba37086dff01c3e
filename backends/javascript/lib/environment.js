"use strict";
/* Options of attach() from environment variables, for programs that do not call attach(). */
const fs = require("node:fs");

function optionsFromEnvironment(env = process.env) {
	const options = {};
	if (env.SOCKEYE_BACKEND_SECRET) options.secret = env.SOCKEYE_BACKEND_SECRET;
	if (env.SOCKEYE_BACKEND_SECRET_FILE) options.secret = fs.readFileSync(env.SOCKEYE_BACKEND_SECRET_FILE, "utf8").trim();
	if (env.SOCKEYE_BACKEND_CA) options.tls = { ca: fs.readFileSync(env.SOCKEYE_BACKEND_CA) };
	if (env.SOCKEYE_BACKEND_GROUP) options.group = env.SOCKEYE_BACKEND_GROUP;
	if (env.SOCKEYE_BACKEND_NAMESPACES) options.namespaces = env.SOCKEYE_BACKEND_NAMESPACES.split(",");
	if (env.SOCKEYE_BACKEND_WEIGHT) options.weight = Number(env.SOCKEYE_BACKEND_WEIGHT);
	if (env.SOCKEYE_BACKEND_ON_LOSS) options.onBackendLoss = env.SOCKEYE_BACKEND_ON_LOSS;
	const mirror = env.SOCKEYE_BACKEND_MIRROR_DATA;
	if (mirror) options.mirrorData = mirror === "true" || mirror === "1" ? true : Number(mirror);
	return options;
}

module.exports = { optionsFromEnvironment };
