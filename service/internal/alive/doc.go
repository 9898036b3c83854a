// Package alive keeps goroutines of the service running whatever a function of the host does in
// them, and says how they wait: it contains panics, logs outages once, and spreads and ends waits.
//
// It knows no workspaces, stores or hints, and must not import the root package.
package alive
