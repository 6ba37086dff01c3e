/*
 * Express, sessions, logins and security headers in front of Socket.IO, as Socket.IO's documentation shows
 * (https://socket.io/how-to/use-with-passport). The program runs under Node.js alone, and behind the edge with
 * --import @sockeye/backend/register.
 */
import { createServer } from "node:http";
import express from "express";
import session from "express-session";
import passport from "passport";
import { Strategy } from "passport-local";
import helmet from "helmet";
import { Server } from "socket.io";

const app = express();
const httpServer = createServer(app);
const sessionMiddleware = session({ secret: "changeit", resave: true, saveUninitialized: true });

app.use(sessionMiddleware);
app.use(express.urlencoded({ extended: false }));
app.use(passport.session());
passport.use(new Strategy((username, password, done) => done(null, password === "secret" ? { id: 1, username } : false)));
passport.serializeUser((user, done) => done(null, user.username));
passport.deserializeUser((username, done) => done(null, { id: 1, username }));
app.post("/login", passport.authenticate("local"), (req, res) => res.send("welcome"));
app.get("/", (req, res) => res.send(req.user ? `user ${req.user.username}` : "nobody"));

const io = new Server(httpServer, {
  allowRequest: (req, done) => done("no robots", req.headers["user-agent"] !== "robot"),
});

io.engine.use(sessionMiddleware);
io.engine.use(passport.session());
io.engine.use(helmet());
io.engine.use((req, res, next) => {
  if (req.user || req._query.open) return next();
  res.writeHead(401);
  res.end("log in");
});
io.engine.on("initial_headers", (headers) => (headers["x-first"] = "yes"));
io.engine.on("connection_error", ({ code, message, context }) => console.log(`connection_error ${code} ${message} ${JSON.stringify(context)}`));

io.on("connection", (socket) => {
  socket.on("who", (answer) => {
    const { user, session } = socket.request;
    session.visits = (session.visits ?? 0) + 1;
    session.save(() => answer({ user, visits: session.visits }));
  });
});

httpServer.listen(process.env.PORT, () => console.log("listening"));
