package ftp

import (
	"path"
	"strings"

	"github.com/jlaffaye/ftp"
)

// An account that may write can make a folder where a chunk belongs, and a file where a folder belongs in which chunks lie. Then there is
// no such chunk. Whoever writes one removes what is in its way: no chunk can lie there, since no object's name is a folder of another one.

// taken returns the path of what keeps something of the wanted kind from being at a path: another thing there, or a file above it. It is
// empty where there is none.
func (c *conn) taken(name string, want ftp.EntryType) (string, error) {
	for at := name; at != "/"; at = path.Dir(at) {
		kind, err := c.kindOf(at)
		switch {
		case err == nil && (kind == want || kind == ftp.EntryTypeLink):
			return "", nil
		case err == nil:
			return at, nil
		case !isUnavailable(err):
			return "", err
		}
		want = ftp.EntryTypeFolder
	}
	return "", nil
}

// orTaken returns nil if a command was refused since another thing is where it should find one of the wanted kind, or why the connection
// broke; else the refusal.
func (c *conn) orTaken(name string, want ftp.EntryType, refusal error) error {
	if replyOf(refusal) == nil {
		return refusal
	}
	by, err := c.taken(name, want)
	if by != "" || isBroken(err) {
		return err
	}
	return refusal
}

// makeRoom removes what is in the way of a chunk, as far as it can, and reports whether something was. Others may do the same.
func (s *Storage) makeRoom(c *conn, container, place string) (bool, error) {
	to := s.path(container, place)
	by, err := c.taken(to, ftp.EntryTypeFile)
	if err != nil || !strings.HasPrefix(by, s.containerPath(container)+"/") {
		return false, err
	}
	s.log.Warn("removing what is in the way of a chunk", "container", container, "path", by)
	if by == to {
		err = c.removeTree(by)
	} else {
		err = c.remove(by)
	}
	if isBroken(err) {
		return false, err
	}
	return true, nil
}

// removeTree removes a folder with all that is in it.
func (c *conn) removeTree(folder string) error {
	for cut := true; cut; {
		l, err := c.entries(folder)
		if err == nil && l.cut && len(l.entries) == 0 {
			err = sound(cutList(folder))
		}
		for _, e := range l.entries {
			if err != nil {
				break
			}
			if name := path.Join(folder, e.name); e.kind == ftp.EntryTypeFolder {
				err = c.removeTree(name)
			} else {
				err = c.remove(name)
			}
		}
		if err != nil {
			return err
		}
		cut = l.cut
	}
	return c.ftp.RemoveDir(folder)
}
