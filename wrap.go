package stacksync

// As finds an optional interface T of a back-end. It looks at backend itself, and then through
// wrappers: a wrapper has a method Unwrap that returns the StorageProvisioner, MetadataStore or
// Notifier that it wraps. A wrapper that implements T itself comes first. As reports whether it has
// found T.
//
// Example:
//
//	signer, ok := As[ChunkSigner](storage)
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
