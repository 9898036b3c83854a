/*
Package service is the machine: it answers the calls of stacksync.SyncService on a store, a storage and a notifier, by the
rules of the root package.

	store, err := sqlite.Open(ctx, "meta.db", sqlite.Config{})
	chunks, err := dir.Open(ctx, "chunks", dir.Config{})
	svc, err := service.New(store, service.Config{Storage: chunks, Notifier: local.New(local.Config{})})

A call is checked (rights, fields), then reads or locks what it is about, decides, and saves in one short transaction; what
takes many is a journaled operation. Any number of processes may run a service on one store. Each method's contract stands at
its interface in the root package.

# The rooms

Each file here has the calls of one subject. What several of them stand on are rooms below internal, each with a doc.go that
says what it owns and what it must not know:

	commit  grant  member  move    load, decide, save; who reaches the storage; rosters; items that change workspace
	content  operation  hint       ways to content, known chunks; the journal of operations; telling followers
	session  gather                rights, reads and locked transactions; requests that share one
	alive                          goroutines that survive what a host's function does

A room imports the floors below its own and the root, never its siblings; they meet in this package alone (New, plans.go).
Package service must not know any store, notifier or storage.
*/
package service
