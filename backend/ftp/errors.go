package ftp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"syscall"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/stacksync/stacksync-go"
)

// replyOf returns what the server has replied, if err is a reply and nothing else: then the connection goes on.
func replyOf(err error) *textproto.Error {
	reply, ok := err.(*textproto.Error) //nolint:errorlint // one that is joined with others says that the connection is broken
	if !ok || reply.Code == ftp.StatusNotAvailable {
		return nil
	}
	return reply
}

// isBroken tells whether the connection on which err came can't be used again.
func isBroken(err error) bool {
	var sound *soundError
	return err != nil && replyOf(err) == nil && !errors.As(err, &sound)
}

// soundError is an error after which the connection goes on, though it is no reply: all replies that were due have come.
type soundError struct{ error }

func (e *soundError) Unwrap() error { return e.error }

func sound(err error) error { return &soundError{err} }

// isAlone tells whether the library has joined nothing to an error.
func isAlone(err error) bool {
	joined, ok := err.(interface{ Unwrap() []error })
	return ok && len(joined.Unwrap()) == 1
}

// isRefusal tells whether the server has said at the end of a transfer why it does not take the content. The data connection may have
// broken before that. 425 and 426 are about the connection alone.
func isRefusal(err error) bool {
	reply, ok := errors.AsType[*textproto.Error](err)
	return ok && reply.Code >= ftp.StatusFileActionIgnored && reply.Code != ftp.StatusNotAvailable
}

// isEnd tells whether the other side has ended the connection.
func isEnd(err error) bool {
	var reply *textproto.Error
	if errors.As(err, &reply) && reply.Code == ftp.StatusNotAvailable {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNABORTED)
}

// isMissing tells whether the server says that there is no such file or folder. FTP has one code, 550, for all that can be wrong with a
// file; only the text tells what. One that is not known to mean this does not: a chunk counts as missing only if it surely is. What is
// looked at begins after the last colon, since before it ProFTPD and Pure-FTPd have the path, which may read like anything.
func isMissing(err error) bool {
	if !isUnavailable(err) {
		return false
	}
	why := replyOf(err).Msg
	if i := strings.LastIndex(why, ": "); i >= 0 {
		why = why[i:]
	}
	return says(why, "no such file", "not found", "does not exist", "doesn't exist")
}

// errThere says that a file or folder is there which a command did not find.
var errThere = errors.New("it is there")

// isMissing is the other isMissing, of a reply to a command on a file or folder. It returns err, or why the connection broke, if it is not
// missing, and errThere if it came to be there meanwhile: then the command can be sent again. Some replies have no reason: ProFTPD's to
// MLST, and Pure-FTPd's to SIZE, MDTM, MLST and MLSD. ProFTPD gives it for CWD. So does Pure-FTPd, but the n-th refusal of CWD in a
// session waits for n-1 tenths of a second: hence MFMT, which on a file that has just come sets the time that it has anyway.
func (c *conn) isMissing(name string, err error) (bool, error) {
	if isMissing(err) {
		return true, nil
	}
	if !isUnavailable(err) {
		return false, err
	}
	var why error
	switch reply := replyOf(err).Msg; {
	case says(reply, "can't check for file existence") && c.ftp.IsSetTimeSupported():
		now, known := c.server.clock.now()
		if !known {
			now = time.Now()
		}
		why = c.ftp.SetTime(name, now)
	case says(reply, "cannot be listed", "can't check for file existence"):
		why = c.ftp.ChangeDir(name) // all paths are absolute
	default:
		return false, err
	}
	switch {
	case why == nil:
		return false, errThere
	case isMissing(why):
		return true, nil
	case isBroken(why):
		return false, why
	}
	return false, err
}

// asks is how often something is asked for that comes to be there in the moment in which it is looked for.
const asks = 3

// ask asks for a file or folder, and tells whether it is missing, or why the question was refused.
func (c *conn) ask(name string, question func() error) (missing bool, err error) {
	for try := 1; ; try++ {
		refusal := question()
		if refusal == nil {
			return false, nil
		}
		if missing, err = c.isMissing(name, refusal); err != errThere { //nolint:errorlint // it is returned as it is
			return missing, err
		}
		if try == asks {
			return false, refusal
		}
	}
}

// isUnavailable tells whether a command failed because of the file or folder that it names.
func isUnavailable(err error) bool {
	reply := replyOf(err)
	switch {
	case reply == nil:
		return false
	case reply.Code == ftp.StatusActionAborted: // Pure-FTPd's to RNTO; other servers', and other texts, are about something else
		return says(reply.Msg, "rename/move failure: no such file", "rename/move failure: not a directory", "rename/move failure: is a directory",
			"rename/move failure: directory not empty", "rename/move failure: file exists")
	default:
		return reply.Code == ftp.StatusFileUnavailable || reply.Code == ftp.StatusBadFileName || reply.Code == ftp.StatusFileActionIgnored
	}
}

// says tells whether a message has one of some texts, which are in lower case.
func says(message string, texts ...string) bool {
	message = strings.ToLower(message)
	for _, text := range texts {
		if strings.Contains(message, text) {
			return true
		}
	}
	return false
}

// withoutSecret keeps a server that repeats what it is told from putting the password into an error.
func withoutSecret(err error, secret stacksync.Secret) error {
	if secret == "" || !strings.Contains(err.Error(), string(secret)) {
		return err
	}
	var reply *textproto.Error
	if errors.As(err, &reply) {
		return &textproto.Error{Code: reply.Code, Msg: strings.ReplaceAll(reply.Msg, string(secret), secret.String())}
	}
	return errors.New(strings.ReplaceAll(err.Error(), string(secret), secret.String()))
}

func missingContainer(name string) error {
	return sound(fmt.Errorf("container %q %w", name, stacksync.ErrNotFound))
}
