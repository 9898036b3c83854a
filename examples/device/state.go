package device

import (
	"github.com/stacksync/stacksync-go"
)

// record is what this device and the server last agreed on about an item.
type record struct {
	// Proposal is the version that disk and server both have, as it would be proposed. Version is 0 while there is none. Delete marks
	// a folder that is deleted on the server and still to be removed here.
	stacksync.Proposal
	// Stamp is that of the file when it held this content.
	Stamp stamp `json:"stamp,omitzero"`
	// Alias is the name on disk where Name is impossible here.
	Alias string `json:"alias,omitempty"`
	// Pending is a later version whose content could not be had. The item is left alone until it can be.
	Pending *stacksync.Item `json:"pending,omitempty"`
}

func proposalOf(it *stacksync.Item) stacksync.Proposal {
	return stacksync.Proposal{
		Item: it.ID, Version: it.Version, Parent: it.Parent, Name: it.Name, Kind: it.Kind, Size: it.Size, Checksum: it.Checksum,
		Chunks: it.Chunks, MediaType: it.MediaType, ModifiedAt: it.ModifiedAt, Attrs: it.Attrs,
	}
}

func (r *record) diskName() string {
	if r.Alias != "" {
		return r.Alias
	}
	return r.Name
}

// flight is a commit whose answer has not come yet. It is sent again, unchanged, until it has: only then is it certain what is
// saved.
type flight struct {
	RequestID string               `json:"request_id"`
	Proposals []stacksync.Proposal `json:"proposals"`
	Stamps    []stamp              `json:"stamps"` // of the files when they were read, by proposal
}

// progress is how far a device is in the change log.
type progress struct {
	Cursor stacksync.Cursor `json:"cursor"`
	// Resync is the remedy being carried out; then Cursor is empty until it is through.
	Resync stacksync.Remedy `json:"resync,omitempty"`
	// Revision is what Cursor covers.
	Revision int64 `json:"revision"`
}

// state is what a device remembers. Changes collect in memory and become durable with save, all or none.
type state struct {
	records  map[stacksync.ItemID]*record
	progress progress
	flight   *flight
	journal  *journal
}

func (s *state) put(r *record) {
	s.records[r.Item] = r
	s.journal.add(line{Put: r})
}

func (s *state) drop(id stacksync.ItemID) {
	delete(s.records, id)
	s.journal.add(line{Drop: &id})
}

func (s *state) setProgress(p progress) {
	if s.progress != p {
		s.progress = p
		s.journal.add(line{Progress: &p})
	}
}

func (s *state) setFlight(f *flight) {
	s.flight = f
	s.journal.add(line{Flight: f, Landed: f == nil})
}

// save makes all changes since the last save durable.
func (s *state) save() error { return s.journal.save(s) }

// apply repeats a change that was read from the journal.
func (s *state) apply(l line) {
	switch {
	case l.Put != nil:
		s.records[l.Put.Item] = l.Put
	case l.Drop != nil:
		delete(s.records, *l.Drop)
	case l.Progress != nil:
		s.progress = *l.Progress
	case l.Flight != nil:
		s.flight = l.Flight
	case l.Landed:
		s.flight = nil
	}
}
