package metastoretest

import "github.com/stacksync/stacksync-go"

// shared makes one store whose transactions run at the same time, for all handles.
func shared(change func(l *loose)) func() func() stacksync.MetadataStore {
	return func() func() stacksync.MetadataStore {
		l := &loose{MetadataStore: newMemory()}
		change(l)
		return func() stacksync.MetadataStore { return l }
	}
}

// separate makes handles on the same rows, each with locks of its own.
func separate() func() stacksync.MetadataStore {
	data := newMemory()
	return func() stacksync.MetadataStore { return &loose{MetadataStore: data} }
}

func lockFaults() []fault {
	return []fault{
		{
			name: "locks nothing",
			breaks: []string{
				"Lock holds off those that lock one of the same ids", "no update is lost under a lock",
				"64 callers over overlapping sets of workspaces and users", "a follower of the change log misses nothing", "no page passes a revision that is yet to come",
			},
			open: shared(func(l *loose) { l.noLocks = true }),
		},
		{
			name: "does not lock owners",
			breaks: []string{
				"Lock also locks the owners of the workspaces", "ClaimHints passes over the owners of workspaces that another transaction has locked",
			},
			open: shared(func(l *loose) { l.noOwners = true }),
		},
		{
			name: "does not lock users it does not know", breaks: []string{"Lock locks users that don't exist yet"},
			open: shared(func(l *loose) { l.noUnknownUsers = true }),
		},
		{
			name: "locks in the order asked", hangs: true,
			breaks: []string{"Lock ignores unknown workspaces and repeated ids", "locks in opposite orders don't deadlock"},
			open:   shared(func(l *loose) { l.asAsked = true }),
		},
		{
			name: "waits for a lock longer than ctx", hangs: true, breaks: []string{"an Update that waits ends with its ctx"},
			open: shared(func(l *loose) { l.deaf = true }),
		},
		{
			name:   "reads an old snapshot after Lock",
			breaks: []string{"reads after Lock see all that was committed before it returned"},
			open:   shared(func(l *loose) { l.snapshot = true }),
		},
		{
			name: "keeps the locks of what failed", hangs: true, breaks: []string{"locks end with a failed transaction"},
			open: shared(func(l *loose) { l.sticky = true }),
		},
		{
			name:   "commits each Put at once",
			breaks: []string{"an Update sees nothing of another open Update"},
			open:   shared(func(l *loose) { l.early = true }),
		},
		{
			name:   "commits each Put on its own",
			breaks: []string{"readers see whole transactions, in order"},
			open:   shared(func(l *loose) { l.piecemeal = true }),
		},
		{
			name: "has locks of its own in each handle", breaks: []string{SecondHandleLocks},
			open: separate,
		},
	}
}

func busyFaults() []fault {
	return []fault{
		{
			name: "waits longer than Wait", hangs: true,
			breaks: []string{"Lock waits no longer than Wait, then returns ErrBusy", "after ErrBusy the transaction has failed"},
			open:   shared(func(l *loose) { l.patient = true }),
		},
		{
			name: "has its own error for what is busy", breaks: []string{"Lock waits no longer than Wait, then returns ErrBusy"},
			open: shared(func(l *loose) { l.ownBusy = true }),
		},
		{
			name: "goes on after ErrBusy", breaks: []string{"after ErrBusy the transaction has failed"},
			open: shared(func(l *loose) { l.goesOn = true }),
		},
		{
			name: "locks nothing", breaks: []string{"Lock with a Wait gets what becomes free in time"},
			open: shared(func(l *loose) { l.noLocks = true }),
		},
		{
			name: "remembers Wait", breaks: []string{"the Wait of one transaction is not that of the next"},
			open: shared(func(l *loose) { l.remembers = true }),
		},
		{
			name: "has many writers, one at a time", hangs: true, breaks: []string{"a store of many writers runs Updates beside each other"},
			open: func() func() stacksync.MetadataStore {
				data := newMemory()
				return func() stacksync.MetadataStore { return writers{data, 2} }
			},
		},
		{
			name: "has no writers", breaks: []string{"a store of many writers runs Updates beside each other"},
			open: func() func() stacksync.MetadataStore {
				data := newMemory()
				return func() stacksync.MetadataStore { return writers{data, 0} }
			},
		},
	}
}

// writers is a store that runs one Update at a time, whatever it says.
type writers struct {
	stacksync.MetadataStore
	n int
}

func (w writers) Writers() int { return w.n }
