// Package alive keeps goroutines of the service running whatever a host's function in them does,
// and says how they wait: it contains panics, logs outages once, and spreads and ends waits.
//
// It knows no workspaces, stores or hints, and must not import the root package.
package alive
