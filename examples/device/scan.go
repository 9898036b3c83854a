package device

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/stacksync/stacksync-go"
)

// scan reads the folder into a tree and finds out which item each thing is. A folder that can't be read is an error: what lies
// in it must not be taken for deleted.
func (j *job) scan(ctx context.Context) error {
	if _, err := j.root.Lstat(journalPath); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	t := newTree(j.fold)
	j.report.Skipped = 0
	if err := j.scanFolder(ctx, t, t.root); err != nil {
		return err
	}
	if err := j.scanFolder(ctx, t, t.parked); err != nil {
		return err
	}
	for name, n := range t.parked.children {
		// A thing is parked under the id of its item.
		if id, err := uuid.Parse(name); err == nil && j.state.records[stacksync.ItemID{UUID: id}] != nil {
			t.bind(n, stacksync.ItemID{UUID: id})
		}
	}
	t.match(j.state.records)
	j.tree = t
	return nil
}

func (j *job) scanFolder(ctx context.Context, t *tree, folder *node) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	dir := folder.path()
	entries, err := fs.ReadDir(j.root.FS(), dir)
	if err := stale(dir, err); errors.Is(err, errStale) && folder.parent != nil {
		return nil // it was deleted a moment ago
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		if folder == t.root && diskKey(name, true) == stateDir {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path.Join(dir, name), err)
		}
		n := &node{stamp: stampOf(info, j.cfg.Now())}
		switch mode := info.Mode(); {
		case !utf8.ValidString(name):
			j.report.Skipped++
		case mode.IsDir():
			n.kind, n.children = stacksync.Folder, map[string]*node{}
		case mode.IsRegular():
			n.kind, n.exec = stacksync.File, mode&0o100 != 0
		default:
			j.report.Skipped++
		}
		t.put(n, folder, name)
		if n.kind == stacksync.Folder {
			if err := j.scanFolder(ctx, t, n); err != nil {
				return err
			}
		}
	}
	return nil
}
