package swift

import "time"

// Age makes the token of a storage one that is to be renewed early, and, where it has ended, too old to be of use.
func Age(s *Storage, ended bool) {
	s.session.mu.Lock()
	defer s.session.mu.Unlock()
	now := time.Now()
	s.session.renewAt, s.session.endsAt = now.Add(-time.Minute), now.Add(time.Hour)
	if ended {
		s.session.endsAt = now.Add(-time.Second)
	}
}
