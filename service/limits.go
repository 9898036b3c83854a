package service

import (
	"fmt"

	"github.com/stacksync/stacksync-go"
)

// pageBound returns the bound of a page: limit, or 1,000 where limit is 0. ErrLimit in a
// *FieldError.
func pageBound(l *stacksync.Limits, limit int) (stacksync.PageBound, error) {
	n, err := rowLimit(l, limit, 1000)
	return stacksync.PageBound{Limit: n, Chunks: l.PageChunks}, err
}

// rowLimit is pageBound for lists whose rows have no chunks; usual is their default.
func rowLimit(l *stacksync.Limits, limit, usual int) (int, error) {
	switch {
	case limit < 0 || limit > l.Page:
		return 0, &stacksync.FieldError{Field: "Limit", Reason: fmt.Sprintf("is not within 0 to %d", l.Page), Err: stacksync.ErrLimit}
	case limit == 0:
		return min(usual, l.Page), nil
	}
	return limit, nil
}
