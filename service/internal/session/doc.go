// Package session is what all calls of a service work with: the kernel, reads with the rights of an
// actor, and locked transactions that owe hints.
//
// It owns how rights are read, how a transaction gathers what it saves, and where a hint comes to
// be owed (hint.go). It must not know how hints are sent, what operations are, or what any single
// call is about.
package session
