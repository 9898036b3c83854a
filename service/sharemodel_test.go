package service_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stacksync/stacksync-go"
)

// estateModel is a few users with their workspaces as plainly as they can be written: trees, members and roles. It shares no code with the
// service.
type estateModel struct {
	spaces map[stacksync.WorkspaceID]*spaceModel
	home   map[stacksync.UserID]stacksync.WorkspaceID
	limit  map[stacksync.UserID]int64

	operations []operationModel
	turn       int // calls so far

	// found returns the id of a folder that is there under a new one.
	found func(home *spaceModel, parent stacksync.ItemID, name string) stacksync.ItemID
}

type spaceModel struct {
	id      stacksync.WorkspaceID
	owner   stacksync.UserID
	folder  stacksync.ItemID // zero: a default workspace
	members map[stacksync.UserID]*memberModel
	items   map[stacksync.ItemID]itemModel
	// generation is that of the key; 0: it is not encrypted.
	generation int64
}

type memberModel struct {
	role    stacksync.Role
	pending bool
	name    string
	parent  stacksync.ItemID

	key        string // sealed
	generation int64
}

type itemModel struct {
	version int64
	parent  stacksync.ItemID
	name    string
	kind    stacksync.Kind
	size    int64
	deleted bool
	movedTo stacksync.WorkspaceID
}

func (s *spaceModel) size() (sum int64) {
	for _, it := range s.items {
		if !it.deleted {
			sum += it.size
		}
	}
	return sum
}

func (s *spaceModel) others() (n int) { return len(s.members) - 1 }

// below reports whether an item lies, or lay when it was deleted, in a folder at any depth.
func (s *spaceModel) below(id, folder stacksync.ItemID) bool {
	for it, ok := s.items[id]; ok; it, ok = s.items[it.parent] {
		if it.parent == folder {
			return true
		}
	}
	return false
}

func (s *spaceModel) holder(parent stacksync.ItemID, name string) (stacksync.ItemID, bool) {
	for id, it := range s.items {
		if !it.deleted && it.parent == parent && it.name == name {
			return id, true
		}
	}
	return stacksync.ItemID{}, false
}

// placed returns what is wrong with a parent.
func (s *spaceModel) placed(parent stacksync.ItemID) error {
	it, ok := s.items[parent]
	switch {
	case parent.IsZero():
		return nil
	case !ok:
		return stacksync.ErrParentNotFound
	case it.kind != stacksync.Folder:
		return stacksync.ErrParentNotFolder
	case it.deleted && !it.movedTo.IsZero():
		return stacksync.ErrMoved
	case it.deleted:
		return stacksync.ErrParentDeleted
	}
	return nil
}

func (m *estateModel) used(u stacksync.UserID) (sum int64) {
	for _, s := range m.spaces {
		if s.owner == u {
			sum += s.size()
		}
	}
	return sum
}

// may returns a workspace for somebody whose role must be at least this.
func (m *estateModel) may(u stacksync.UserID, ws stacksync.WorkspaceID, role stacksync.Role) (*spaceModel, error) {
	s := m.spaces[ws]
	switch {
	case s == nil || s.members[u] == nil || s.members[u].pending:
		return nil, stacksync.ErrWorkspaceNotFound
	case s.members[u].role < role:
		return nil, stacksync.ErrRole
	}
	return s, nil
}

func (m *estateModel) fits(u stacksync.UserID, add int64) bool {
	return add <= 0 || m.limit[u] == 0 || m.used(u)+add <= m.limit[u]
}

// commit returns what the error of a commit of one proposal must be, made with a generation of the key.
func (m *estateModel) commit(u stacksync.UserID, ws stacksync.WorkspaceID, p stacksync.Proposal, generation int64) error {
	s, err := m.may(u, ws, stacksync.Editor)
	if err != nil {
		return err
	}
	if generation != s.generation || s.members[u].generation != s.generation {
		return stacksync.ErrKeyGeneration
	}
	now, known := s.items[p.Item]
	switch {
	case known && !now.movedTo.IsZero():
		return stacksync.ErrMoved
	case !known && (p.Version != 1 || p.Delete):
		return stacksync.ErrUnknownItem
	case p.Version != now.version+1:
		return stacksync.ErrVersionConflict
	case p.Delete && now.deleted:
		return stacksync.ErrAlreadyDeleted
	}
	if p.Delete {
		for id, it := range s.items {
			if !it.deleted && (id == p.Item || s.below(id, p.Item)) {
				defer func() { it.version, it.deleted = it.version+1, true; s.items[id] = it }()
			}
		}
		return nil
	}
	if err := s.placed(p.Parent); err != nil {
		return err
	}
	if known && s.below(p.Parent, p.Item) {
		return stacksync.ErrCycle
	}
	if id, taken := s.holder(p.Parent, p.Name); taken && id != p.Item {
		return stacksync.ErrNameTaken
	}
	add := p.Size
	if !now.deleted {
		add -= now.size
	}
	if !m.fits(s.owner, add) {
		return stacksync.ErrQuotaExceeded
	}
	s.items[p.Item] = itemModel{version: p.Version, parent: p.Parent, name: p.Name, kind: p.Kind, size: p.Size}
	return nil
}

// shareable returns what the error of a share must be.
func (m *estateModel) shareable(r stacksync.ShareFolderRequest) error {
	s, err := m.may(r.User, r.Workspace, stacksync.Owner)
	if err != nil {
		return err
	}
	it, ok := s.items[r.Folder]
	switch {
	case !s.folder.IsZero():
		return stacksync.ErrNested
	case ok && !it.movedTo.IsZero():
		return stacksync.ErrMoved
	case !ok || it.deleted || it.kind != stacksync.Folder:
		return stacksync.ErrItemNotFound
	}
	for _, other := range m.spaces {
		if mount := other.members[r.User]; mount != nil && !mount.parent.IsZero() && (mount.parent == r.Folder || s.below(mount.parent, r.Folder)) {
			return stacksync.ErrNested
		}
	}
	for _, v := range append(slices.Clone(r.Invite), stacksync.Invitee{SealedKey: r.SealedKey}) {
		if (v.SealedKey != "") != r.Encrypted {
			return errField
		}
	}
	return nil
}

// share moves a folder to a new workspace.
func (m *estateModel) share(r stacksync.ShareFolderRequest, id stacksync.WorkspaceID) {
	from, folder := m.spaces[r.Workspace], r.Folder
	to := &spaceModel{id: id, owner: r.User, folder: folder, members: map[stacksync.UserID]*memberModel{}, items: map[stacksync.ItemID]itemModel{}}
	if r.Encrypted {
		to.generation = 1
	}
	m.spaces[id] = to
	for at, it := range from.items {
		if !it.deleted && from.below(at, folder) {
			if it.parent == folder {
				it.parent = stacksync.ItemID{}
			}
			to.items[at] = it
		}
	}
	for at := range to.items {
		from.leaves(at, id)
	}
	was := from.items[folder]
	from.leaves(folder, id)
	to.members[r.User] = &memberModel{role: stacksync.Owner, name: was.name, parent: was.parent, key: r.SealedKey, generation: to.generation}
	for _, v := range r.Invite {
		m.invite(to, v)
	}
	m.record(stacksync.OperationShare, r.User, id, r.Workspace)
}

func (s *spaceModel) leaves(id stacksync.ItemID, to stacksync.WorkspaceID) {
	it := s.items[id]
	it.version, it.deleted, it.movedTo = it.version+1, true, to
	s.items[id] = it
}

func (m *estateModel) invite(s *spaceModel, v stacksync.Invitee) {
	if was := s.members[v.User]; was != nil && !was.pending {
		return
	}
	delete(s.members, v.User) // an invitation is replaced
	name := m.freeName(v.User, s.members[s.owner].name)
	s.members[v.User] = &memberModel{role: v.Role, pending: true, name: name, key: v.SealedKey, generation: s.generation}
}

// freeName numbers a name of a mount in the root of a user's default workspace.
func (m *estateModel) freeName(u stacksync.UserID, name string) string {
	for n := 1; ; n++ {
		try := name
		if n > 1 {
			try = fmt.Sprintf("%s (%d)", name, n)
		}
		if m.free(u, stacksync.ItemID{}, try, nil) {
			return try
		}
	}
}

// free reports whether neither an item nor a mount, but one, has a name.
func (m *estateModel) free(u stacksync.UserID, parent stacksync.ItemID, name string, but *spaceModel) bool {
	if _, taken := m.spaces[m.home[u]].holder(parent, name); taken {
		return false
	}
	for _, s := range m.spaces {
		if mount := s.members[u]; mount != nil && s != but && !s.folder.IsZero() && mount.parent == parent && mount.name == name {
			return false
		}
	}
	return true
}

// takeOut removes members. When none but the owner is left, the folder returns if it is not encrypted.
func (m *estateModel) takeOut(s *spaceModel, users ...stacksync.UserID) {
	before := len(s.members)
	for _, u := range users {
		delete(s.members, u)
	}
	if s.generation > 0 && len(s.members) < before {
		s.generation++ // whose key nobody has
	}
	if s.generation > 0 || s.others() > 0 {
		return
	}
	home, mount := m.spaces[m.home[s.owner]], s.members[s.owner]
	was := home.items[s.folder]
	root := itemModel{version: was.version + 1, kind: stacksync.Folder, parent: mount.parent, name: mount.name}
	if home.placed(mount.parent) != nil {
		root.parent = stacksync.ItemID{}
	}
	for n := 2; ; n++ {
		if _, taken := home.holder(root.parent, root.name); !taken {
			break
		}
		root.name = fmt.Sprintf("%s (%d)", mount.name, n)
	}
	folder := s.folder
	if was.movedTo != s.id { // it has left from somebody else's: nobody knows what it is called here
		folder, root.version = m.found(home, root.parent, root.name), 1
	}
	home.items[folder] = root
	for id, it := range s.items { // those that are deleted too, to be restored
		if it.parent.IsZero() {
			it.parent = folder
		}
		it.version = max(it.version, home.items[id].version+1)
		home.items[id] = it
	}
	delete(m.spaces, s.id)
	m.record(stacksync.OperationReturn, s.owner, home.id, s.id)
}

func (m *estateModel) transfer(s *spaceModel, to stacksync.UserID) error {
	switch next := s.members[to]; {
	case s.folder.IsZero():
		return stacksync.ErrNotShared
	case next == nil || next.pending:
		return stacksync.ErrMemberNotFound
	case to == s.owner:
		return nil
	case !m.fits(to, s.size()):
		return stacksync.ErrQuotaExceeded
	}
	s.giveTo(to)
	return nil
}

// keepIDs reports whether what lies in a workspace can return to somebody under its ids. What has left the default workspace for another one
// before, and has come here by way of other users, gets ids that nobody can foretell.
func (m *estateModel) keepIDs(s *spaceModel, owner stacksync.UserID) bool {
	for id := range s.items {
		if was, ok := m.spaces[m.home[owner]].items[id]; ok && was.movedTo != s.id && !s.folder.IsZero() {
			return false
		}
	}
	return true
}

func (s *spaceModel) giveTo(to stacksync.UserID) {
	s.members[s.owner].role, s.members[to].role, s.owner = stacksync.Editor, stacksync.Owner, to
}

func (m *estateModel) mount(u stacksync.UserID, s *spaceModel, name string, parent stacksync.ItemID) error {
	mount := s.members[u]
	switch {
	case s.folder.IsZero():
		return stacksync.ErrNotShared
	case mount.name == name && mount.parent == parent:
		return nil
	}
	if err := m.spaces[m.home[u]].placed(parent); err != nil {
		return err
	}
	if !m.free(u, parent, name, s) {
		return stacksync.ErrNameTaken
	}
	mount.name, mount.parent = name, parent
	return nil
}

// list returns the workspaces in an order that is the same in every run: by owner, then by name of the folder.
func (m *estateModel) list() []*spaceModel {
	return slices.SortedFunc(maps.Values(m.spaces), func(a, b *spaceModel) int {
		return cmp.Or(cmp.Compare(a.owner, b.owner), strings.Compare(a.folder.String(), b.folder.String()))
	})
}

// paths is the tree of a workspace as a text a line, with versions.
func (s *spaceModel) paths() []string {
	var lines []string
	for id, it := range s.items {
		if !it.deleted {
			lines = append(lines, fmt.Sprintf("%v %d %q in %v: %s, %d bytes", id, it.version, it.name, it.parent, it.kind, it.size))
		}
	}
	slices.Sort(lines)
	return lines
}
