package backendtest

import "github.com/stretchr/testify/require"

// reopen: another instance, as another process has it, sees all that was written, and the first one what that does.
func reopen(t T, s Suite) {
	f := newFixture(t, s)
	c, empty := f.container(), f.container()
	n := append(names("reopen", 20), "..", "a/b", "A", "a", " ")
	f.put(c, n...)
	order := namesOf(f.list(c, 0, nil))

	require.NotNil(f, f.reopen, "Instance.Reopen is nil")
	second := newFixture(t, Suite{New: func(T) Instance { return Instance{Storage: f.reopen()} }})
	second.requireChunks(c, n...)
	require.Equal(f, order, namesOf(second.list(c, 7, nil)), "the order is another one")
	second.put(empty, "chunk")
	second.delete(c, n[0], "..")
	f.requireChunks(empty, "chunk")
	f.delete(empty, "chunk")
	second.requireNothing(empty, "chunk")
	require.Len(f, second.list(c, 0, nil), len(n)-2)
}
