package ftp

// What tests reach inside for.

// SetTries has a storage try for longer to get in, before its first call. Each try waits twice as long as the one before it.
func SetTries(s *Storage, n int) { s.pool.tries = n }
