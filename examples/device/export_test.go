package device

import "time"

// Fold makes the device treat its disk as one that takes "A" and "a" for the same name.
func (d *Device) Fold() { d.fold = true }

// SetPatience says how long a request to the storage may go without a byte.
func (d *Device) SetPatience(p time.Duration) { d.patience = p }
