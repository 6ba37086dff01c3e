/*
 * Backends: applications in processes of their own, behind the edge. This is all that the process layer sees of
 * them; the protocol is in backends/PROTOCOL.md.
 *
 *   backend_frame   the codec
 *   backend_link    one connection to a backend
 *   backend_listen  where backends dial
 *   backend_group   equals, of which each session has one
 *   backend_session a client, seen from the links
 */
#ifndef NODE_BACKEND_BACKEND_H
#define NODE_BACKEND_BACKEND_H

#endif
