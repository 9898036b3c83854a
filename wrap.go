package stacksync

// As finds an optional interface T in a back-end, looking through wrappers: a wrapper has a method
// Unwrap that returns what it wraps, and offers a capability of its own by implementing it. It
// reports whether it found one.
func As[T any](backend any) (T, bool) {
	for backend != nil {
		if t, ok := backend.(T); ok {
			return t, true
		}
		switch w := backend.(type) {
		case interface{ Unwrap() StorageProvisioner }:
			backend = w.Unwrap()
		case interface{ Unwrap() MetadataStore }:
			backend = w.Unwrap()
		case interface{ Unwrap() Notifier }:
			backend = w.Unwrap()
		default:
			backend = nil
		}
	}
	var none T
	return none, false
}
