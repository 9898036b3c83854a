package device

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/stacksync/stacksync-go"
)

// The state folder lies in the synced folder, so that files can be renamed into their places, and so that a synced folder that
// was not mounted is not taken for an empty one.
const (
	stateDir    = ".stacksync"
	journalPath = stateDir + "/journal"
	stagingDir  = stateDir + "/incoming"
	parkedDir   = stateDir + "/parked"
)

// journal is the file that holds a state: a line of JSON for each change, rewritten once most lines are outdated.
type journal struct {
	root  *os.Root
	flush func(*os.File) error
	file  *os.File
	head  head
	size  int64 // bytes that are durable
	lines int
	// queue has the changes since the last save; err is why one could not be queued.
	queue bytes.Buffer
	fresh int
	err   error
}

// head is the first line: whose state it is.
type head struct {
	Format    int                   `json:"format"`
	Workspace stacksync.WorkspaceID `json:"workspace"`
	Actor     stacksync.Actor       `json:"actor"`
}

// line is one change; one field is set.
type line struct {
	Head     *head             `json:"head,omitempty"`
	Put      *record           `json:"put,omitempty"`
	Drop     *stacksync.ItemID `json:"drop,omitempty"`
	Progress *progress         `json:"progress,omitempty"`
	Flight   *flight           `json:"flight,omitempty"`
	Landed   bool              `json:"landed,omitempty"`
	// End closes what was saved together.
	End bool `json:"end,omitempty"`
}

// loadState reads the state of a device, or begins one.
func loadState(root *os.Root, flush func(*os.File) error, h head) (*state, error) {
	s := &state{records: map[stacksync.ItemID]*record{}, journal: &journal{root: root, flush: flush, head: h}}
	file, err := root.OpenFile(journalPath, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return s, s.journal.rewrite(s)
	}
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	s.journal.file = file
	if err := s.journal.load(s); err != nil {
		return nil, errors.Join(fmt.Errorf("read journal: %w", err), file.Close())
	}
	return s, nil
}

// load reads up to the last line that closes a save. What follows is of a save that a crash cut short: nobody was told of it.
func (j *journal) load(s *state) error {
	r := bufio.NewReaderSize(j.file, 1<<20)
	var at int64
	var unsaved []line
	for {
		text, err := r.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		var l line
		if err != nil || json.Unmarshal(text, &l) != nil {
			break
		}
		if at == 0 && (l.Head == nil || *l.Head != j.head) {
			return fmt.Errorf("it is not of workspace %v, user %q and device %v", j.head.Workspace, j.head.Actor.User, j.head.Actor.Device)
		}
		at += int64(len(text))
		unsaved = append(unsaved, l)
		if l.End {
			for _, l := range unsaved {
				s.apply(l)
			}
			j.size, j.lines = at, j.lines+len(unsaved)
			unsaved = unsaved[:0]
		}
	}
	if j.size == 0 {
		return errors.New("it is empty")
	}
	return j.file.Truncate(j.size)
}

// add queues a change.
func (j *journal) add(l line) {
	text, err := json.Marshal(l)
	if err != nil {
		j.err = errors.Join(j.err, err)
		return
	}
	j.queue.Write(text)
	j.queue.WriteByte('\n')
	j.fresh++
}

func (j *journal) save(s *state) error {
	if j.err != nil {
		return fmt.Errorf("save journal: %w", j.err)
	}
	if j.fresh == 0 {
		return nil
	}
	if j.file == nil || j.lines+j.fresh > 1000+4*len(s.records) {
		return j.rewrite(s)
	}
	j.add(line{End: true})
	if _, err := j.file.WriteAt(j.queue.Bytes(), j.size); err != nil {
		return fmt.Errorf("save journal: %w", err)
	}
	if err := j.flush(j.file); err != nil {
		return fmt.Errorf("save journal: %w", err)
	}
	j.size, j.lines = j.size+int64(j.queue.Len()), j.lines+j.fresh
	j.queue.Reset()
	j.fresh = 0
	return nil
}

// rewrite replaces the journal by one that has nothing outdated.
func (j *journal) rewrite(s *state) error {
	j.queue.Reset()
	j.fresh = 0
	j.add(line{Head: &j.head})
	for _, r := range s.records {
		j.add(line{Put: r})
	}
	j.add(line{Progress: &s.progress})
	if s.flight != nil {
		j.add(line{Flight: s.flight})
	}
	j.add(line{End: true})
	if j.err != nil {
		return fmt.Errorf("rewrite journal: %w", j.err)
	}
	const fresh = journalPath + ".new"
	// Closed before the rename, since not every system renames open files. Without a file, the next save comes here again.
	err := j.close()
	if err == nil {
		err = j.writeFile(fresh, j.queue.Bytes())
	}
	if err == nil {
		err = j.root.Rename(fresh, journalPath)
	}
	if err == nil {
		j.file, err = j.root.OpenFile(journalPath, os.O_RDWR, 0)
	}
	if err != nil {
		return fmt.Errorf("rewrite journal: %w", err)
	}
	j.size, j.lines = int64(j.queue.Len()), j.fresh
	j.queue.Reset()
	j.fresh = 0
	return nil
}

// writeFile makes a file that survives a crash whole.
func (j *journal) writeFile(name string, data []byte) error {
	file, err := j.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = j.flush(file)
	}
	return errors.Join(err, file.Close())
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.file = nil
	return err
}
