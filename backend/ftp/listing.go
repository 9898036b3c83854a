package ftp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/jlaffaye/ftp"
)

// The library's own List takes links for files, and does not tell the reply to the end of a list: Pure-FTPd says only there that it has cut
// the list. So MLSD and MLST are read here.

// ErrCutList says that the server does not list a folder to its end. Pure-FTPd stops after 10,000 entries, unless its option -L
// (LimitRecursion) has a larger number: raise that.
var ErrCutList = errors.New("the server cuts lists of folders")

func cutList(folder string) error { return fmt.Errorf("list %s: %w", folder, ErrCutList) }

// listing is what a folder has, without the folder itself and its parent.
type listing struct {
	entries []entry
	cut     bool // there is more
}

// entry is a line of MLSD or MLST. What is neither a file nor a folder counts as a link.
type entry struct {
	name string
	kind ftp.EntryType
	size int64
	time time.Time
}

// list lists a folder.
func (c *conn) list(folder string) (listing, error) {
	data, err := c.openData()
	if err != nil {
		return listing{}, err
	}
	defer data.Close()
	if _, err := c.command(1, "MLSD "+folder); err != nil {
		return listing{}, err
	}
	var l listing
	lines := bufio.NewReader(data)
	for {
		line, err := lines.ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			e, err := parseEntry(line)
			if err != nil {
				return listing{}, err // the reply is still to come: the connection is not used again
			}
			if e.name != "." && e.name != ".." {
				l.entries = append(l.entries, e)
			}
		}
		if errors.Is(err, io.EOF) {
			break // also without a word of TLS: the reply tells whether it is all
		}
		if err != nil {
			return listing{}, err
		}
	}
	if err := data.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return listing{}, err
	}
	_, end, err := c.replies.ReadResponse(2)
	l.cut = says(end, "truncated")
	return l, err
}

// openData opens a data connection for the command that follows.
func (c *conn) openData() (net.Conn, error) {
	port, err := c.passive()
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(c.control.RemoteAddr().String())
	if err != nil {
		return nil, err
	}
	return c.dial("tcp", net.JoinHostPort(host, port))
}

// passive returns the port of the next data connection: by EPSV, or, with a server that does not know that, by PASV.
func (c *conn) passive() (port string, err error) {
	var text string
	if !c.noEPSV {
		text, err = c.command(ftp.StatusExtendedPassiveMode, "EPSV")
		if reply := replyOf(err); reply != nil && reply.Code >= ftp.StatusBadCommand && reply.Code <= ftp.StatusNotImplementedParameter {
			c.noEPSV = true
		} else if err != nil {
			return "", err
		}
	}
	if c.noEPSV {
		if text, err = c.command(ftp.StatusPassiveMode, "PASV"); err != nil {
			return "", err
		}
		return pasvPort(text)
	}
	start, end := strings.Index(text, "|||"), strings.LastIndex(text, "|") // (|||port|)
	if start < 0 || end <= start+len("|||") {
		return "", errors.New("the reply to EPSV has no port")
	}
	return text[start+len("|||") : end], nil
}

// pasvPort reads the port of a reply to PASV: (h1,h2,h3,h4,p1,p2). The host is that of the control connection.
func pasvPort(text string) (string, error) {
	start, end := strings.Index(text, "("), strings.LastIndex(text, ")")
	if start >= 0 && end > start {
		if numbers := strings.Split(text[start+1:end], ","); len(numbers) == 6 {
			high, err := strconv.ParseUint(numbers[4], 10, 8)
			low, lowErr := strconv.ParseUint(numbers[5], 10, 8)
			if err == nil && lowErr == nil {
				return strconv.FormatUint(high<<8|low, 10), nil
			}
		}
	}
	return "", errors.New("the reply to PASV has no port")
}

// kindOf asks for one file or folder.
func (c *conn) kindOf(name string) (ftp.EntryType, error) {
	text, err := c.command(ftp.StatusRequestedFileActionOK, "MLST "+name)
	if err != nil {
		return 0, err
	}
	lines := strings.Split(text, "\n")
	const first, least = 1, 3 // the lines before and after are for people
	if len(lines) < least {
		return 0, sound(errors.New("the reply to MLST has no entry"))
	}
	e, err := parseEntry(strings.TrimLeft(lines[first], " "))
	if err != nil {
		return 0, sound(err)
	}
	return e.kind, nil
}

// parseEntry reads a line of RFC 3659: facts, a space, and the name, which some servers give with its path.
func parseEntry(line string) (e entry, err error) {
	facts, name, ok := strings.Cut(line, " ")
	if !ok || name == "" || !strings.HasSuffix(facts, ";") {
		return e, errors.New("a listing has a line that is none")
	}
	e.name, e.kind = path.Base(name), ftp.EntryTypeLink
	for fact := range strings.SplitSeq(strings.TrimSuffix(facts, ";"), ";") {
		key, value, _ := strings.Cut(fact, "=")
		switch strings.ToLower(key) {
		case "type":
			switch strings.ToLower(value) {
			case "file":
				e.kind = ftp.EntryTypeFile
			case "dir":
				e.kind = ftp.EntryTypeFolder
			case "cdir", "pdir":
				e.kind, e.name = ftp.EntryTypeFolder, "." // some servers give them other names
			}
		case "size":
			if e.size, err = strconv.ParseInt(value, 10, 64); err != nil || e.size < 0 {
				return e, errors.New("a listing has a size that is none")
			}
		case "modify":
			value, _, _ = strings.Cut(value, ".")
			if e.time, err = time.Parse("20060102150405", value); err != nil {
				return e, errors.New("a listing has a time that is none")
			}
		}
	}
	return e, nil
}
