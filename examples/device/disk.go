package device

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"syscall"

	"github.com/stacksync/stacksync-go"
)

// Every change of the disk looks first whether the place is as the tree says. Where it is not, the user was faster: errStale,
// and the round begins again from a new scan. What is left is the moment between the look and the change.

// stale returns errStale for an error that comes from something having moved or appeared since the scan, and other errors as they
// are.
func stale(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EISDIR) {
		return fmt.Errorf("%s: %w", path, errStale)
	}
	return err
}

// check looks whether n is on disk as it was scanned.
func (j *job) check(n *node) error {
	info, err := j.root.Lstat(n.path())
	if err == nil && !stampOf(info, j.cfg.Now()).same(n.stamp) {
		err = fs.ErrNotExist
	}
	return stale(n.path(), err)
}

// checkFree looks whether nothing has the name on disk.
func (j *job) checkFree(path string) error {
	_, err := j.root.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = fs.ErrExist
	}
	return stale(path, err)
}

// restamp takes the stamp of n again after a change that was made here.
func (j *job) restamp(n *node) error {
	info, err := j.root.Lstat(n.path())
	if err != nil {
		return stale(n.path(), err)
	}
	s := stampOf(info, j.cfg.Now())
	if n.kind == stacksync.File && (s.Size != n.stamp.Size || s.Mtime != n.stamp.Mtime || s.Inode != n.stamp.Inode) {
		return fmt.Errorf("%s: %w", n.path(), errStale)
	}
	s.Recent = s.Recent || n.stamp.Recent // it was not read again
	n.stamp = s
	return nil
}

// rename moves n to a free place.
func (j *job) rename(n, parent *node, name string) error {
	from, to := n.path(), (&node{parent: parent, name: name}).path()
	// A file system that folds names calls a changed spelling taken.
	if j.tree.child(parent, name) != n {
		if err := j.checkFree(to); err != nil {
			return err
		}
	}
	if err := j.root.Rename(from, to); err != nil {
		return stale(from, err)
	}
	r := j.state.records[n.id]
	known := r != nil && n.kind == stacksync.File && r.Stamp.proves(n.stamp)
	j.tree.put(n, parent, name)
	if err := j.restamp(n); err != nil {
		return err
	}
	if known {
		r.Stamp = n.stamp
		j.state.put(r)
	}
	return nil
}

// makeFolder makes a folder at a free place.
func (j *job) makeFolder(parent *node, name string) (*node, error) {
	n := &node{kind: stacksync.Folder, children: map[string]*node{}}
	path := (&node{parent: parent, name: name}).path()
	if err := j.root.Mkdir(path, 0o777); err != nil {
		return nil, stale(path, err)
	}
	j.tree.put(n, parent, name)
	return n, j.restamp(n)
}

// placeFile renames a staged file to a free place.
func (j *job) placeFile(staged string, parent *node, name string) (*node, error) {
	n := &node{kind: stacksync.File}
	path := (&node{parent: parent, name: name}).path()
	if err := j.checkFree(path); err != nil {
		return nil, err
	}
	return n, j.install(staged, n, parent, name)
}

// replaceFile renames a staged file over n.
func (j *job) replaceFile(staged string, n *node) error {
	if err := j.check(n); err != nil {
		return err
	}
	return j.install(staged, n, n.parent, n.name)
}

func (j *job) install(staged string, n, parent *node, name string) error {
	path := (&node{parent: parent, name: name}).path()
	if err := j.root.Rename(staged, path); err != nil {
		return stale(path, err)
	}
	info, err := j.root.Lstat(path)
	if err != nil {
		return stale(path, err)
	}
	n.stamp, n.exec, n.content = stampOf(info, j.cfg.Now()), info.Mode()&0o100 != 0, nil
	j.tree.put(n, parent, name)
	return nil
}

// remove removes a file, or a folder that has nothing in it.
func (j *job) remove(n *node) error {
	if n.kind == stacksync.File {
		if err := j.check(n); err != nil {
			return err
		}
	}
	if err := j.root.Remove(n.path()); err != nil {
		return stale(n.path(), err)
	}
	j.tree.drop(n)
	return nil
}

// modeAttr is the attribute for the permissions of a file, in octal. Only the executable bit of the owner counts, so it is there
// for programs alone.
const modeAttr = "unix.mode"

func executable(attrs map[string]string) bool {
	mode, err := strconv.ParseUint(attrs[modeAttr], 8, 32)
	return err == nil && mode&0o100 != 0
}

// setMode gives or takes the executable bits, for those who may read.
func (j *job) setMode(n *node, exec bool) error {
	if !hasMode || n.exec == exec {
		return nil
	}
	if err := j.check(n); err != nil {
		return err
	}
	info, err := j.root.Lstat(n.path())
	if err != nil {
		return stale(n.path(), err)
	}
	mode := info.Mode().Perm() &^ 0o111
	if exec {
		mode |= mode & 0o444 >> 2
	}
	if err := j.root.Chmod(n.path(), mode); err != nil {
		return stale(n.path(), err)
	}
	n.exec = exec
	return j.restamp(n)
}
