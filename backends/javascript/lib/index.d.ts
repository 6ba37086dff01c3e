import type { EventEmitter } from "node:events";
import type { ConnectionOptions } from "node:tls";
import type { Server } from "socket.io";

export interface AttachOptions {
	/**
	 * Turns presence on for namespaces: who is in a room, on all servers (docs/presence.md).
	 * `{ "/": { rooms: "room:", event: "presence" } }`
	 */
	presence?: { [namespace: string]: PresenceSettings };
	/** The secret in the edge's --backend-secret-file. */
	secret?: string | Buffer;
	/** For tls:// addresses: certificate authorities, a client certificate and so on. */
	tls?: ConnectionOptions;
	/**
	 * Backends of one group share the clients. Each group serves its own namespaces of every client. Default: "".
	 */
	group?: string;
	/** The namespaces that this group serves. Default: all namespaces that no other group names. */
	namespaces?: string | RegExp | (string | RegExp)[];
	/** This backend's share of new clients relative to the others, 1 to 1000. Default: 1. */
	weight?: number;
	/**
	 * Keep `socket.data` at the edge, so that it survives a crash. With `true`, changes are sent before each packet to
	 * the client, and at the end of each turn of the event loop. With a number, they are sent at most once in that many
	 * milliseconds. Default: true if the edge has connection state recovery, else false.
	 */
	mirrorData?: boolean | number;
	/** Run the middlewares again for clients of a backend that is gone. Default: false. */
	reattachMiddlewares?: boolean;
	/** What happens to the clients when this backend is lost. Default: "reattach". */
	onBackendLoss?: "reattach" | "reconnect" | "close";
	/** Milliseconds that drain() waits for acknowledgements. Default: 5000. */
	drainGrace?: number;
	/** Drain on SIGTERM, then exit unless the program has its own listener. Default: true. */
	drainOnSigterm?: boolean;
	/** Bytes that may wait for an edge that reads too slowly, before its link is dropped. Default: 64 MiB. */
	maxQueued?: number;
	/** What to do about options of the Server that differ from the edge's. Default: "warn". */
	edgeOptions?: "warn" | "strict" | "ignore";
	/** A name for the edge's log. Default: the file name of the program. */
	app?: string;
}

export interface Edge {
	/** The name of the node. */
	id: string;
	/** The number of the worker. */
	worker: number;
	state: "waiting" | "dialling" | "greeting" | "ready" | "draining" | "closed";
	/** Why the link was closed. */
	reason?: string;
}

/**
 * A client that was lost and cannot come back as the same socket. The namespace emits it as "session_ended", too. One backend of
 * the group gets this event.
 */
export interface EndedSession {
	/** The name of the namespace. */
	nsp: string;
	/** The id of its socket. */
	id: string;
	/** The `data` of its socket, as the edge has it. */
	data: any;
	/**
	 * "expired": it did not come back in time. "displaced": a limit of the edge has ended the session. "failed": it came
	 * back, but the events that it missed were gone, so it is a new client.
	 */
	reason: "expired" | "displaced" | "failed";
}

/** An event in the history of a room. */
export interface HistoryEvent {
	/** Opaque; for `before`, `after` and historyRemove(). */
	id: string;
	/** Milliseconds since 1970. */
	time: number;
	event: string;
	args: any[];
}

/**
 * The history of rooms: attach() adds these functions to each namespace, and to the server for the namespace "/". They
 * need an edge with --history. Errors have a `code`.
 */
export interface RoomHistory {
	/** The last events of a room, the oldest first. With `after` alone, the first events after it. */
	history(room: string, options?: { limit?: number; before?: string; after?: string }): Promise<HistoryEvent[]>;
	/** Removes one event. Resolves with 1, or 0 if there is no such event. */
	historyRemove(room: string, id: string): Promise<number>;
	/** Removes all events. Resolves with their number; at an edge with several workers or Redis, 1 if there were any. */
	historyClear(room: string): Promise<number>;
}

/** What attach() adds to each socket. */
export interface JoinWithHistory {
	/**
	 * Joins rooms, and sends the client their last events: all that are kept, or so many of each room. Resolves with the
	 * number of events that were sent.
	 */
	join(rooms: string | string[], options: { history: true | number }): Promise<number>;
}

/** Presence of one namespace. The first backend decides `rooms` and `event` for the life of the edge. */
export interface PresenceSettings {
	/** The rooms whose names begin with this text have presence. Default: all rooms. */
	rooms?: string;
	/** Clients in a room get this event when its users change. Default: none. */
	event?: string;
	/** Called for each change at any server. Changes are missed while the link that reports them is replaced. */
	onChange?(change: PresenceChange): void;
}

export interface PresenceChange {
	change: "joined" | "changed" | "left";
	room: string;
	user: string;
	/** null if the user has no data. For a user who has left, the last data. */
	data: any;
}

/** Presence: attach() adds this function to each namespace, and to the server for the namespace "/". */
export interface RoomPresence {
	/**
	 * The users in a room, on all servers. `count` is their number. `users` has at most `limit` of them, and at most 1 MiB.
	 * With `user`, the answer is about this user only.
	 */
	presence(room: string, options?: { limit?: number; user?: string }): Promise<{ count: number; users: { user: string; data: any }[] }>;
}

// TypeScript gives these to every server, namespace and socket of the program. At run time, only attached ones have them.
declare module "socket.io" {
	interface Server extends RoomHistory, RoomPresence {}
	interface Namespace extends RoomHistory, RoomPresence {}
	interface Socket {
		join(rooms: string | string[], options: { history: true | number }): Promise<number>;
		/** Names the user of this socket, with data that others see. null removes the user. */
		setPresent(user: string | null, data?: any): void;
	}
}

export declare class Link<T = Server> extends EventEmitter {
	private constructor();
	/** The attached server. */
	readonly io: T & RoomHistory & RoomPresence;
	/** The number of clients of this backend. */
	readonly sessions: number;
	readonly edges: Edge[];
	/** Hands all clients to other backends, then ends the links. The clients do not notice. */
	drain(): Promise<void>;
	on(event: "edge", listener: (edge: Edge) => void): this;
	on(event: "session_ended", listener: (session: EndedSession) => void): this;
	on(event: "close", listener: () => void): this;
	on(event: string, listener: (...args: any[]) => void): this;
}

/**
 * Puts a server behind edges. Resolves when the first worker of an edge is ready.
 *
 * @param io a Server of socket.io, with or without an HTTP server of its own
 * @param edges `unix:///path`, `tls://host:port`, or a list of them
 */
export declare function attach<T extends Server<any, any, any, any>>(io: T, edges: string | string[], options?: AttachOptions): Promise<Link<T>>;
