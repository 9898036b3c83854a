// Package grant tells the storage which accounts reach a container, and gives users their accounts
// there.
//
// It owns the secrets of accounts, the lists of access, the steps that carry both to the storage,
// and the recording of operations, so that a storage which is down hears of a change later. It must
// not know why a member came or went, nor what lies in a workspace.
package grant
