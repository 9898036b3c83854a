// Package session is what all calls of a service work with: the kernel, reads with the rights of an
// actor (view.go), and locked transactions that owe hints (write.go).
//
// It owns how rights are read, how a transaction gathers the rows that it saves, and when a hint
// becomes owed (hint.go). It must not know how hints are sent, what operations are, or what any
// single call is about.
package session
