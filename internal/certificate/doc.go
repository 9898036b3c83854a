// Package certificate makes the TLS certificates of the servers that tests and demonstrations start on
// this machine: one for 127.0.0.1 and localhost, which is valid for a day, signed by an authority that
// was made for it alone. The authority's key is forgotten at once, so that nobody who is told to trust
// the authority trusts more than this server.
//
// It knows no server: a server's package tells its server where the files are, gives them to the
// server's user if that is another one, and passes the pool, or the authority's file, on to clients.
package certificate
