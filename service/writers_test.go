package service_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service"
)

// crowd is many workspaces of one service, on a store of many writers. It lives in a bubble of synctest.
type crowd struct {
	*world
	rows    *rowLocks
	guests  []*world
	answers chan answer
}

type answer struct {
	guest, n int
	revision int64
	err      error
}

func newCrowd(t testing.TB, writers, guests int, configure ...func(*service.Config)) *crowd {
	rows := manyWriters(writers)
	c := &crowd{rows: rows, answers: make(chan answer, 10_000)}
	c.world = newWorld(t, rows, append(configure, quiet)...)
	for n := range guests {
		c.guests = append(c.guests, c.guest(t, n))
	}
	rows.locks, rows.most = nil, 0
	return c
}

// send lets a guest commit the n-th folder.
func (c *crowd) send(guest, n int) {
	go func() { c.answers <- c.commitAs(context.Background(), guest, n) }()
	synctest.Wait() // it is in the queue, or runs
}

func (c *crowd) commitAs(ctx context.Context, guest, n int) answer {
	g := c.guests[guest]
	p := stacksync.Proposal{Item: newID(), Version: 1, Name: fmt.Sprint("folder ", n), Kind: stacksync.Folder}
	res, err := g.svc.Commit(ctx, stacksync.CommitRequest{Actor: g.actor, Workspace: g.ws, Proposals: []stacksync.Proposal{p}})
	if err == nil {
		err = res.Outcomes[0].Err
	}
	return answer{guest, n, res.Revision, err}
}

// answered returns the answers that come without waiting for anything, by guest and number.
func (c *crowd) answered() []answer {
	synctest.Wait()
	all := make([]answer, len(c.answers))
	for i := range all {
		all[i] = <-c.answers
	}
	slices.SortFunc(all, func(a, b answer) int { return cmp.Or(cmp.Compare(a.guest, b.guest), cmp.Compare(a.n, b.n)) })
	return all
}

// inOrder is how commits 0 to n-1 of a guest are answered.
func inOrder(guest, n int) []answer {
	all := make([]answer, n)
	for i := range all {
		all[i] = answer{guest: guest, n: i, revision: int64(i + 1)}
	}
	return all
}

// gateFor makes the transactions of a guest wait until open is called.
func (c *crowd) gateFor(guest int) (open func()) {
	gate := make(chan struct{})
	c.rows.before = func(p stacksync.LockParams) {
		if slices.Contains(p.Workspaces, c.guests[guest].ws) {
			<-gate
		}
	}
	return func() { close(gate) }
}

// sizes tells how many workspaces each transaction was for, in the order in which they began.
func (c *crowd) sizes() []int {
	var sizes []int
	for _, p := range c.rows.locks {
		sizes = append(sizes, len(p.Workspaces))
	}
	return sizes
}

// As many transactions run at once as the store has writers; what comes beyond that shares the next one.
func TestWritersRunAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 3, 6)
		gate := make(chan struct{})
		c.rows.before = func(stacksync.LockParams) { <-gate }
		for guest := range 6 {
			c.send(guest, 0)
		}
		require.Equal(t, []int{1, 1, 1}, c.sizes())
		close(gate)
		require.Len(t, c.answered(), 6)
		require.Equal(t, []int{1, 1, 1, 3}, c.sizes())
		require.Equal(t, 3, c.rows.most)
	})
}

// A workspace whose commit runs gathers, though writers are free, and its commits keep their order.
func TestBusyWorkspaceGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 4, 2)
		open := c.gateFor(0)
		for n := range 100 {
			c.send(0, n)
		}
		c.send(1, 0)
		require.Equal(t, inOrder(1, 1), c.answered(), "others go on")
		open()
		require.Equal(t, inOrder(0, 100), c.answered())
		require.Len(t, c.rows.locks, 3, "one for the first commit, one for all that came meanwhile, one for the other guest")
	})
}

// However many wait for one workspace, a transaction stays short, and another workspace gets its turn at once.
func TestGatheringIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 1, 2)
		open := c.gateFor(0)
		for n := range 1200 {
			c.send(0, n)
		}
		c.send(1, 0)
		open()
		require.Equal(t, append(inOrder(0, 1200), inOrder(1, 1)...), c.answered())
		require.Equal(t, []int{1, 2, 1, 1}, c.sizes(), "1, 511 and another's, 512, 176 commits")
	})
}

// A workspace that somebody else has locked for long holds up those who commit there and nobody else, however many such workspaces
// there are. What waits for it is gathered, and answered in order.
func TestLockedWorkspaceHoldsUpNoOther(t *testing.T) {
	for _, writers := range []int{2, 5} {
		t.Run(fmt.Sprintf("writers: %d", writers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(t, writers, 8)
				start := time.Now()
				var free []func()
				for held := range 5 {
					free = append(free, c.rows.hold(t, c.guests[held].ws))
					for n := range 3 {
						c.send(held, n)
					}
				}
				for guest := 5; guest < 8; guest++ {
					c.send(guest, 0)
				}
				time.Sleep(time.Second)
				require.Equal(t, slices.Concat(inOrder(5, 1), inOrder(6, 1), inOrder(7, 1)), c.answered())
				require.Less(t, time.Since(start), 2*time.Second)

				time.Sleep(time.Minute)
				require.Empty(t, c.answered(), "those who wait are not failed")
				if writers < 5 { // some wait for a turn to wait: they are answered once others are free
					for held := range 5 {
						free[held]()
					}
					time.Sleep(time.Second)
					require.Equal(t, slices.Concat(inOrder(0, 3), inOrder(1, 3), inOrder(2, 3), inOrder(3, 3), inOrder(4, 3)), c.answered())
					return
				}
				for held := range 5 {
					before := len(c.rows.locks)
					free[held]()
					require.Equal(t, inOrder(held, 3), c.answered())
					require.LessOrEqual(t, len(c.rows.locks)-before, 1, "what waited for the first shares a transaction")
				}
			})
		})
	}
}

// Where the store waits no longer, those who commit to the locked workspace get ErrBusy, all at once, and only they.
func TestBusyFailsOnlyItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 1, 3)
		c.rows.bound = 10 * time.Second
		open := c.gateFor(2)
		c.send(2, 0) // the others gather meanwhile
		free := c.rows.hold(t, c.guests[0].ws)
		for n := range 50 {
			c.send(0, n)
			c.send(1, n)
		}
		open()
		time.Sleep(time.Second)
		require.Equal(t, append(inOrder(1, 50), inOrder(2, 1)...), c.answered())
		time.Sleep(10 * time.Second)
		failed := c.answered()
		require.Len(t, failed, 50)
		for _, a := range failed {
			require.ErrorIs(t, a.err, stacksync.ErrBusy)
		}
		free()
		c.send(0, 0)
		require.Equal(t, inOrder(0, 1), c.answered(), "nothing of the others was saved")
	})
}

// A panic while a workspace is tried apart ends its own commits and nothing else.
func TestPanicsApart(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic("store is broken") }, "exit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(t, 2, 3)
				free := c.rows.hold(t, c.guests[0].ws)
				c.rows.before = func(p stacksync.LockParams) {
					if p.Wait == 0 && slices.Contains(p.Workspaces, c.guests[0].ws) {
						end()
					}
				}
				for guest := range 3 {
					c.send(guest, 0)
				}
				time.Sleep(time.Second)
				answers := c.answered()
				require.ErrorContains(t, answers[0].err, "panicked")
				require.Equal(t, append(inOrder(1, 1), inOrder(2, 1)...), answers[1:])
				free()
				c.rows.before = nil
				c.send(0, 0)
				require.Equal(t, inOrder(0, 1), c.answered(), "the workspace goes on")
			})
		})
	}
}

// Close waits for what is tried apart too, whether anybody still waits for it or not. Who has gone away before is not tried again.
func TestCloseWaitsForLockedWorkspaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 2, 2)
		free := []func(){c.rows.hold(t, c.guests[0].ws), c.rows.hold(t, c.guests[1].ws)}
		for guest, after := range []time.Duration{0, time.Second} {
			ctx, leave := context.WithCancel(t.Context())
			go func() { c.answers <- c.commitAs(ctx, guest, 0) }()
			synctest.Wait()
			time.Sleep(after)
			leave()
			left := c.answered()
			require.Len(t, left, 1)
			require.ErrorIs(t, left[0].err, context.Canceled)
		}
		closed := make(chan error, 1)
		go func() { closed <- c.svc.Close() }()
		time.Sleep(time.Minute)
		require.Empty(t, closed, "Close has left a commit behind")
		free[0]()
		synctest.Wait()
		require.Empty(t, closed, "it was not this one")
		free[1]()
		require.NoError(t, <-closed)
		for guest, revision := range []int64{0, 1} {
			require.Equal(t, revision, c.guests[guest].workspace().Revision)
		}
	})
}

// A gathered transaction of several workspaces that fails is no failure of those that it could have saved, on a store of one writer too.
func TestSeveralWorkspacesFailApart(t *testing.T) {
	for _, writers := range []int{1, 4} {
		t.Run(fmt.Sprint(writers, " writers"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(t, writers, 6)
				errDisk := errors.New("row does not fit")
				gate := make(chan struct{})
				c.rows.before = func(stacksync.LockParams) { <-gate }
				c.rows.put = func(p stacksync.PutParams) error {
					for _, it := range p.Items {
						if it.Workspace == c.guests[5].ws && it.Name == "folder 1" {
							return errDisk
						}
					}
					return nil
				}
				for guest := range 4 { // who have all the writers busy
					c.send(guest, 0)
				}
				for n := range 3 {
					c.send(5, n)
					c.send(0, 1+n)
				}
				close(gate)
				answers := c.answered()
				require.Len(t, answers, 10)
				require.Equal(t, inOrder(0, 4), answers[:4])
				require.NoError(t, answers[7].err)
				require.ErrorIs(t, answers[8].err, errDisk)
				require.NoError(t, answers[9].err)
				require.EqualValues(t, 2, answers[9].revision)
			})
		})
	}
}

// Callers, holders of locks and writers in any order: each commit is answered once, in the order of its revision, and none is lost.
func TestManyWritersLoseNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const guests, callers, commits = 6, 30, 20
		c := newCrowd(t, 3, guests)
		var running, holding sync.WaitGroup
		over := make(chan struct{})
		for range 3 {
			holding.Go(func() {
				for {
					select {
					case <-over:
						return
					case <-time.After(rand.N(300 * time.Millisecond)):
					}
					free := c.rows.hold(t, c.guests[rand.IntN(guests)].ws)
					time.Sleep(rand.N(300 * time.Millisecond))
					free()
				}
			})
		}
		var mu sync.Mutex
		saved := make([]map[int64]bool, guests)
		for i := range saved {
			saved[i] = make(map[int64]bool)
		}
		for caller := range callers {
			running.Go(func() {
				for n := range commits {
					time.Sleep(rand.N(50 * time.Millisecond))
					a := c.commitAs(context.Background(), rand.IntN(guests), caller*commits+n)
					mu.Lock()
					if a.err != nil || saved[a.guest][a.revision] {
						t.Errorf("commit: %+v", a)
					}
					saved[a.guest][a.revision] = true
					mu.Unlock()
				}
			})
		}
		running.Wait()
		close(over)
		holding.Wait()
		total := 0
		for i, w := range c.guests {
			s := w.snapshot()
			require.EqualValues(t, len(saved[i]), s.Revision)
			total += len(s.Items)
		}
		require.Equal(t, callers*commits, total)
	})
}
