package device

import (
	"io/fs"
	"time"
)

// Fold makes the device treat its disk as one that takes "A" and "a" for the same name.
func (d *Device) Fold() { d.fold = true }

// Ctime returns when a file, or its times, changed; 0 where the system does not tell.
func Ctime(info fs.FileInfo) int64 {
	_, ctime := identity(info)
	return ctime
}

// SetPatience says how long a request to the storage may go without a byte.
func (d *Device) SetPatience(p time.Duration) { d.patience = p }
