// Package pgxhost tests a host that has its own tables, in the same database, through pgx: what it does in a transaction of its own, and what
// the service commits in it, land together. It is a module of its own, so that those who use the library don't get pgx with it.
package pgxhost
