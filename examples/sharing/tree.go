package main

import (
	"path/filepath"

	"github.com/stacksync/stacksync-go/examples/internal/story"
)

// tree reads all folders that the device syncs: those that it has lost are not among them.
func (c *client) tree() (story.Tree, error) {
	t := story.Tree{}
	for _, f := range c.folders() {
		if err := t.Add(f.dir, filepath.Base(f.dir)); err != nil {
			return nil, err
		}
	}
	return t, nil
}
