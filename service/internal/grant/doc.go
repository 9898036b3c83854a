// Package grant tells the storage who reaches a container, and gives users their accounts there.
//
// It owns the secrets of accounts, the lists of access, the steps that carry both to the storage,
// and what has to be recorded so that a storage which is down hears of it later. It must not know
// why somebody came or went, nor what lies in a workspace.
package grant
