/*
Package service implements stacksync.SyncService, the calls of clients, and stacksync.HostService,
those of the host itself, on a store, a storage and a notifier, by the rules of the root package.

	store, err := sqlite.Open(ctx, "meta.db", sqlite.Config{})
	chunks, err := dir.Open(ctx, "chunks", dir.Config{})
	svc, err := service.New(store, service.Config{Storage: chunks, Notifier: local.New(local.Config{})})

A call checks the request's fields and the actor's rights, reads or locks the rows that it is about,
decides, and saves in one short transaction. A change that takes several transactions is a journaled
operation. Any number of processes may run a service on one store. The contract of each method
stands at its interface in the root package.

# The rooms

Each file of this package has the calls of one subject. The packages below internal, called rooms,
have what several subjects need. The doc.go of a room says what the room owns and what it must not
know. From the highest floor to the lowest:

	commit     loads, decides and saves commits
	grant      tells the storage which accounts reach which containers
	member     rosters, and names of mounts
	move       items that go from workspace to workspace

	content    ways to content, and which chunks are stored
	operation  the journal of operations, and their workers
	hint       sends hints to followers

	session    rights, reads, and locked transactions
	gather     requests that share one transaction

	alive      goroutines that go on whatever a host's function does

A room imports the root and the rooms on lower floors, never a room on its own floor. Rooms of one
floor meet in this package alone (New, plans.go). Package service must not know any store, notifier
or storage.
*/
package service
