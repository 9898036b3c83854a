package swift

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// CreateContainer implements stacksync.StorageProvisioner. A container that is there and keeps versions is an ErrVersioned.
func (s *Storage) CreateContainer(ctx context.Context, p stacksync.CreateContainerParams) (stacksync.CreateContainerResult, error) {
	err := check.CreateContainer(ctx, p)
	if err == nil {
		err = s.createContainer(ctx, s.container(p.Container))
	}
	if err != nil {
		return stacksync.CreateContainerResult{}, fmt.Errorf("create container %.63q: %w", p.Container, err)
	}
	return stacksync.CreateContainerResult{}, nil
}

// createContainer gives a new container its keys and origins at once. One that is there may have others, which proxies remember.
func (s *Storage) createContainer(ctx context.Context, container string) error {
	for {
		present, there, err := s.headContainer(ctx, container)
		if err != nil {
			return err
		}
		if there {
			_, err = s.change(ctx, container, present)
			return err
		}
		res, err := s.do(ctx, request{
			method: http.MethodPut, container: container, header: s.settings(container),
			ok: []int{http.StatusCreated, http.StatusAccepted, http.StatusNoContent},
		})
		if err != nil || res.status == http.StatusCreated {
			return err
		}
	}
}

// headContainer asks for the header of a container that may be there. One that keeps versions is an ErrVersioned.
func (s *Storage) headContainer(ctx context.Context, container string) (header http.Header, there bool, err error) {
	res, err := s.do(ctx, request{method: http.MethodHead, container: container, ok: []int{http.StatusOK, http.StatusNoContent}})
	switch {
	case isStatus(err, http.StatusNotFound):
		return nil, false, nil
	case err == nil && kept(res.header):
		err = ErrVersioned
	}
	return res.header, err == nil, err
}

// DeleteContainer implements stacksync.StorageProvisioner. It deletes page by page whatever is in the container, then the container. While
// others go on writing, or listings lag behind too long, it fails with a *StatusError of 409 (Conflict): call again.
func (s *Storage) DeleteContainer(ctx context.Context, p stacksync.DeleteContainerParams) (stacksync.DeleteContainerResult, error) {
	err := check.DeleteContainer(ctx, p)
	if err == nil {
		err = s.deleteContainer(ctx, s.container(p.Container))
	}
	if err != nil {
		return stacksync.DeleteContainerResult{}, fmt.Errorf("delete container %.63q: %w", p.Container, err)
	}
	return stacksync.DeleteContainerResult{}, nil
}

func (s *Storage) deleteContainer(ctx context.Context, container string) error {
	const rounds = 6 // waiting 6 s in all
	wait := firstWait
	for round := 1; ; round++ {
		if err := s.empty(ctx, container); err != nil {
			return err
		}
		_, err := s.do(ctx, request{method: http.MethodDelete, container: container, ok: []int{http.StatusNoContent, http.StatusNotFound}})
		if !isStatus(err, http.StatusConflict) || round == rounds {
			return err
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		wait *= 2
	}
}

// empty deletes what is listed, also what no chunk is called.
func (s *Storage) empty(ctx context.Context, container string) error {
	for after := ""; ; {
		limit := s.info.Swift.ListingLimit
		page, err := s.list(ctx, container, span{after: after, limit: limit})
		if err == nil && page.kept {
			err = ErrVersioned
		}
		if err != nil || len(page.objects) == 0 {
			return err
		}
		names := make([]string, len(page.objects))
		for i := range page.objects {
			names[i] = page.objects[i].Name
		}
		if err := s.deleteObjects(ctx, container, names); err != nil {
			return err
		}
		if len(names) < limit { // the end; if another has written since, the container is not deleted
			return nil
		}
		after = names[len(names)-1]
	}
}

// exists asks whether a container does, and whether it may.
func (s *Storage) exists(ctx context.Context, container string) (bool, error) {
	_, there, err := s.headContainer(ctx, container)
	return there, err
}

// modified is when an object was, by the cluster's clock: listings say it without a zone, and mean UTC.
type modified struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (m *modified) UnmarshalJSON(text []byte) error {
	const layout = `"2006-01-02T15:04:05"` // what it reads may have a fraction
	var err error
	if m.Time, err = time.Parse(layout, string(text)); err != nil {
		return errors.New("a listing has a time that is none")
	}
	return nil
}
