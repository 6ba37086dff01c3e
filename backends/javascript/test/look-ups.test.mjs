/* Names that no server answers for: they must not take the threads that the application needs. */
import test from "node:test";
import assert from "node:assert/strict";
import dns from "node:dns";
import { Server } from "./support/packages.mjs";
import { FakeEdge } from "./support/fake-edge.mjs";
import backend from "../lib/index.js";
import lookUps from "../lib/look-ups.js";

/* Records the look-ups; the test answers them. */
function resolverOf(t) {
	const asked = [];
	t.mock.method(dns, "lookup", (host, options, callback) => asked.push({ host, callback }));
	return asked;
}

test("two names are looked up at the same time, and the others in turn", (t) => {
	const asked = resolverOf(t);
	const heard = [];
	for (const host of ["a", "b", "c", "d"]) lookUps.lookUp(host, (error, found) => heard.push([host, error?.code ?? found]));
	const hosts = () => asked.map(({ host }) => host).join("");
	assert.equal(hosts(), "ab");
	asked[1].callback(Object.assign(new Error(), { code: "EAI_AGAIN" }));
	assert.equal(hosts(), "abc");
	asked[2].callback(null, ["1"]);
	assert.equal(hosts(), "abcd");
	asked[0].callback(null, ["2"]);
	asked[3].callback(null, ["3"]);
	assert.deepEqual(heard, [["b", "EAI_AGAIN"], ["c", ["1"]], ["a", ["2"]], ["d", ["3"]]]);
});

test("a look-up that is given up while it waits does not run", (t) => {
	const asked = resolverOf(t);
	const never = () => assert.fail("it was given up");
	const done = [];
	lookUps.lookUp("a", () => done.push("a"));
	lookUps.lookUp("b", () => done.push("b"));
	const giveUp = lookUps.lookUp("c", never);
	lookUps.lookUp("d", () => done.push("d"));
	giveUp();
	giveUp();
	for (let i = 0; i < 3; i++) asked[i].callback(null, []);
	assert.deepEqual(asked.map(({ host }) => host), ["a", "b", "d"]);
	assert.deepEqual(done, ["a", "b", "d"]);
});

test("look-ups of names that no server answers use two threads, and none starts after close()", async (t) => {
	const asked = resolverOf(t);
	const edge = await new FakeEdge({}).listen();
	t.after(() => edge.close());
	const io = new Server();
	t.after(() => io.close());
	await backend.attach(io, [edge.address, ..."abcdef".split("").map((name) => `tcp://${name}.test:1`)], { drainOnSigterm: false });
	assert.deepEqual(asked.map(({ host }) => host), ["a.test", "b.test"]);
	await io.close();
	for (const { callback } of asked) callback(new Error("too late"));
	assert.equal(asked.length, 2);
});
